package pgoutput

// builtIn is the schema that pgoutput sends as an empty name.
const builtIn = "pg_catalog"

func (d *Decoder) decodeBegin(c *cursor) Message {
	d.begin = Begin{Final: c.lsn(), Time: c.time(), XID: c.uint32()}
	c.end()
	if c.err == nil && d.open {
		c.fail("a transaction inside the one that commits at %s", d.final)
	}
	if c.err == nil && d.begin.Final < d.end {
		c.fail("commit at %s after the transaction that ended at %s", d.begin.Final, d.end)
	}
	return &d.begin
}

func (d *Decoder) decodeCommit(c *cursor) Message {
	c.byte() // flags, unused
	d.commit = Commit{LSN: c.lsn(), End: c.lsn(), Time: c.time()}
	c.end()
	switch {
	case c.err != nil:
	case !d.open:
		c.fail("commit at %s without begin", d.commit.LSN)
	case d.commit.LSN != d.final:
		c.fail("commit at %s, where begin announced %s", d.commit.LSN, d.final)
	case d.commit.End <= d.commit.LSN:
		c.fail("commit at %s ends at %s", d.commit.LSN, d.commit.End)
	}
	return &d.commit
}

func (d *Decoder) decodeRelation(c *cursor) Message {
	// What is handed out never changes, so every message makes a new one.
	rel := &Relation{ID: c.uint32(), Schema: c.string(), Name: c.string(), Identity: Identity(c.byte())}
	if rel.Schema == "" {
		rel.Schema = builtIn
	}
	if c.err == nil && rel.Identity.String() == "unknown" {
		c.fail("unknown replica identity %q", byte(rel.Identity))
	}
	// A column takes at least its flags, an empty name, type and modifier.
	n := c.count(int(c.uint16()), 1+1+4+4)
	rel.Columns = make([]Column, n)
	for i := range rel.Columns {
		key := c.byte()&1 != 0
		rel.Columns[i] = Column{Key: key, Name: c.string(), Type: c.uint32(), Modifier: int32(c.uint32())}
	}
	c.end()
	return rel
}

func (d *Decoder) decodeType(c *cursor) Message {
	d.kind = Type{ID: c.uint32(), Name: TypeName{Schema: c.string(), Name: c.string()}}
	c.end()
	if d.kind.Name.Schema == "" {
		d.kind.Name.Schema = builtIn
	}
	return &d.kind
}

func (d *Decoder) decodeTruncate(c *cursor) Message {
	n := int(int32(c.uint32()))
	flags := c.byte()
	n = c.count(n, 4)
	if c.err == nil && !d.open {
		c.fail("outside a transaction")
	}
	if c.err == nil && n == 0 {
		c.fail("no relation is named")
	}
	d.truncate = Truncate{Relations: d.truncate.Relations[:0], Cascade: flags&1 != 0, Restart: flags&2 != 0}
	for range n {
		id := c.uint32()
		d.truncate.Relations = append(d.truncate.Relations, d.relation(c, id))
	}
	c.end()
	return &d.truncate
}

func (d *Decoder) decodeLogical(c *cursor) Message {
	d.logical = Logical{Transactional: c.byte()&1 != 0, LSN: c.lsn(), Prefix: c.string()}
	d.logical.Content = c.take(int(int32(c.uint32())))
	c.end()
	if c.err == nil && d.logical.Transactional && !d.open {
		c.fail("transactional, but outside a transaction")
	}
	return &d.logical
}

func (d *Decoder) decodeOrigin(c *cursor) Message {
	c.lsn() // the commit's position at the origin; of no use here
	d.origin = Origin{Name: c.string()}
	c.end()
	return &d.origin
}

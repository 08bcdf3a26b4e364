package pgoutput

import "encoding/binary"

// decodeInsert: relation, 'N', new row.
func (d *Decoder) decodeInsert(c *cursor) Message {
	rel := d.relationOfRow(c)
	d.expect(c, 'N')
	d.new = tuple(c, rel, d.new)
	c.end()
	d.change = Change{Relation: rel, Operation: Insert, New: d.new}
	return &d.change
}

// decodeUpdate: relation, then 'K' or 'O' and the old row where the replica
// identity has it sent, then 'N' and the new row.
func (d *Decoder) decodeUpdate(c *cursor) Message {
	rel := d.relationOfRow(c)
	d.change = Change{Relation: rel, Operation: Update}
	part := c.byte()
	if part == 'K' || part == 'O' {
		d.old = tuple(c, rel, d.old)
		d.change.Old, d.change.OldIsKey = d.old, part == 'K'
		part = c.byte()
	}
	if c.err == nil && part != 'N' {
		c.fail("unknown part %q", part)
	}
	d.new = tuple(c, rel, d.new)
	c.end()
	d.change.New = d.new
	return &d.change
}

// decodeDelete: relation, 'K' or 'O', old row.
func (d *Decoder) decodeDelete(c *cursor) Message {
	rel := d.relationOfRow(c)
	part := c.byte()
	if c.err == nil && part != 'K' && part != 'O' {
		c.fail("unknown part %q", part)
	}
	d.old = tuple(c, rel, d.old)
	c.end()
	d.change = Change{Relation: rel, Operation: Delete, Old: d.old, OldIsKey: part == 'K'}
	return &d.change
}

func (d *Decoder) expect(c *cursor, part byte) {
	if got := c.byte(); c.err == nil && got != part {
		c.fail("unknown part %q", got)
	}
}

func (d *Decoder) relationOfRow(c *cursor) *Relation {
	id := c.uint32()
	if c.err == nil && !d.open {
		c.fail("a row outside a transaction")
	}
	return d.relation(c, id)
}

func (d *Decoder) relation(c *cursor, id uint32) *Relation {
	if c.err != nil {
		return nil
	}
	if d.recent != nil && d.recent.ID == id {
		return d.recent
	}
	rel := d.relations[id]
	if rel == nil {
		c.fail("relation %d was not described", id)
		return nil
	}
	d.recent = rel
	return rel
}

// tuple reads a row into values, whose memory it reuses. The text of a value
// aliases the message.
func tuple(c *cursor, rel *Relation, values []Value) []Value {
	n := c.count(int(c.uint16()), 1)
	if c.err != nil {
		return values[:0]
	}
	if n != len(rel.Columns) {
		c.fail("a row of %d columns, where relation %s.%s has %d", n, rel.Schema, rel.Name, len(rel.Columns))
		return values[:0]
	}
	if values == nil || cap(values) < n { // a row is never nil, not even one without columns
		values = make([]Value, n)
	}
	values = values[:n]
	for i := range values {
		kind, text, ok := value(c)
		if !ok {
			return values[:0]
		}
		values[i] = Value{Kind: kind, Text: text}
	}
	return values
}

// value reads one value. It is the hot spot of the decoder, and reads the
// message itself rather than through the cursor's methods.
func value(c *cursor) (Kind, []byte, bool) {
	rest := c.rest
	if len(rest) == 0 {
		c.fail("truncated: a value is missing")
		return Null, nil, false
	}
	switch rest[0] {
	case 't':
		if len(rest) < 5 || uint64(binary.BigEndian.Uint32(rest[1:5])) > uint64(len(rest)-5) {
			c.fail("truncated: %d bytes left for a value", len(rest))
			return Null, nil, false
		}
		end := 5 + int(binary.BigEndian.Uint32(rest[1:5]))
		c.rest = rest[end:]
		return Text, rest[5:end:end], true
	case 'n':
		c.rest = rest[1:]
		return Null, nil, true
	case 'u':
		c.rest = rest[1:]
		return Unchanged, nil, true
	case 'b':
		c.fail("a binary value, which was not asked for")
	default:
		c.fail("unknown kind of value %q", rest[0])
	}
	return Null, nil, false
}

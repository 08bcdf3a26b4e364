package identity

import (
	"fmt"
	"slices"
	"strings"
)

// Change is something that happened to a mapped table between two looks, and
// that the stream does not show.
type Change struct {
	// Table is schema.name of the table as the mapping has it.
	Table string
	// Loses is set when changes or rows may be missing from the stream: going
	// on would pass them over.
	Loses bool
	// Absent is set when the mapping's table is not there. There is nothing to
	// go on with then, whatever is accepted.
	Absent bool
	// Text says what happened, Remedy what to do.
	Text, Remedy string
}

// Compare tells what happened to the tables of known until now was seen. halts
// says of a table whether one of its mappings halts where rows go without a
// word (on_truncate).
func Compare(known []Table, now View, halts func(Table) bool) []Change {
	var changes []Change
	for i := range known {
		k := &known[i]
		c := comparison{table: k.String(), known: k}
		if c.now = find(now.Tables, k); c.now == nil {
			c.gone(now.Names[k.OID])
		} else {
			c.table, c.strict = c.now.String(), halts(*c.now)
			c.same()
		}
		changes = append(changes, c.changes...)
	}
	return changes
}

// comparison is that of one table.
type comparison struct {
	table      string
	known, now *Table
	strict     bool
	changes    []Change
}

func (c *comparison) loses(remedy, text string, args ...any) {
	c.changes = append(c.changes, Change{Table: c.table, Loses: true, Text: fmt.Sprintf(text, args...), Remedy: remedy})
}

func (c *comparison) notes(remedy, text string, args ...any) {
	c.changes = append(c.changes, Change{Table: c.table, Text: fmt.Sprintf(text, args...), Remedy: remedy})
}

const (
	again      = "update the rows once more that may have changed meanwhile, so that they come again (UPDATE … SET column = column)"
	rowsBefore = "update the rows once more whose objects are to follow (UPDATE … SET column = column)"
)

// gone tells of a table whose name is nobody's any more; name is what its OID
// is called now.
func (c *comparison) gone(name string) {
	switch name {
	case c.table:
		// No mapping has it any more, which is told by Unmapped.
	case "":
		c.loses("create the table, or take its mapping out", "table %s was dropped: its rows went without a delete in the stream", c.table)
	default:
		c.loses("set table: "+name+" in its mapping, or rename it back",
			"table %s is called %s now: its changes are those of %s", c.table, name, name)
	}
	for i := range c.changes {
		c.changes[i].Absent = true
	}
}

// same looks at a table that is there.
func (c *comparison) same() {
	k, n := c.known, c.now
	if k.OID != n.OID {
		c.loses("compare the objects in marketo with the table, and "+rowsBefore,
			"table %s is another table than before (OID %d, was %d): it was dropped and created anew, or two tables have changed their names; rows that it had by then were never in the stream", c.table, n.OID, k.OID)
		return
	}
	switch {
	case len(k.Members) > 0 && len(n.Members) == 0:
		c.loses("put it back, then "+again, "table %s was taken out of the publication: changes since then are not in the stream", c.table)
	case len(k.Members) > 0 && !slices.ContainsFunc(k.Members, func(oid uint32) bool { return slices.Contains(n.Members, oid) }):
		c.loses(again, "table %s was taken out of the publication and put back: changes made in between, if any, are not in the stream", c.table)
	case k.Unlogged || n.Unlogged:
		c.unlogged("table "+c.table, n.Unlogged)
	case ownedAnew(k, n):
		c.notes("nothing to do, unless it published less in between; then "+again, "the publication of table %s has another owner", c.table)
	case k.Publication != "" && n.Publication != k.Publication:
		c.loses(again, "the publication of table %s was altered: where it published less in between, changes are not in the stream", c.table)
	}
	if !c.types() {
		c.rewritten()
	}
}

// ownedAnew reports whether no more is known to have changed of the publication
// than its owner.
func ownedAnew(k, n *Table) bool {
	number := func(t *Table) string { oid, _, _ := strings.Cut(t.Publication, "/"); return oid }
	return n.Publication != k.Publication && number(n) == number(k) && k.Publishes != "" && n.Publishes == k.Publishes && n.Owner != k.Owner
}

// unlogged tells of a table or partition that was UNLOGGED, or still is.
func (c *comparison) unlogged(what string, still bool) {
	if still {
		c.loses("run ALTER TABLE … SET LOGGED, then "+again, "%s is UNLOGGED: its changes are not in the stream", what)
		return
	}
	c.loses(again, "%s was UNLOGGED for a while: changes made meanwhile are not in the stream", what)
}

// types tells of columns whose type has changed, and with it perhaps their
// values.
func (c *comparison) types() bool {
	found := false
	for _, was := range c.known.Columns {
		for _, is := range c.now.Columns {
			switch {
			case was.Name != is.Name:
			case was.Type == is.Type && reworded(was.Parts, is.Parts):
				c.notes(again+"; where the column is a key, remove the objects of its former texts in marketo",
					"values of column %q of table %s have other texts now, as its type %s was altered (ALTER TYPE): that is not in the stream", is.Name, c.table, is.Type)
			case was.Type != is.Type:
				found = true
				c.notes(again, "column %q of table %s has type %s now, it had %s: values that the ALTER TABLE changed (USING) are not in the stream", is.Name, c.table, is.Type, was.Type)
			}
		}
	}
	return found
}

// reworded reports whether a label of an enum was renamed, or a composite type
// has other attributes. A label that is new changes nothing.
func reworded(was, is map[string]string) bool {
	for part, value := range was {
		if is[part] != value {
			return true
		}
	}
	for part := range is {
		if _, old := was[part]; !old && len(was) > 0 && strings.HasPrefix(part, "attribute ") {
			return true
		}
	}
	return false
}

// rewritten tells of files that were replaced without a word in the stream.
func (c *comparison) rewritten() {
	if len(c.known.Leaves) == 0 && len(c.now.Leaves) == 0 && c.known.Filenode != c.now.Filenode && !c.known.Unlogged && !c.now.Unlogged {
		c.notes("nothing to do after VACUUM FULL, CLUSTER or TRUNCATE; after ALTER TABLE, "+again,
			"table %s was rewritten: values that an ALTER TABLE changed (USING), and what changed while it was UNLOGGED, are not in the stream", c.table)
	}
	tell := c.notes
	if c.strict {
		tell = c.loses
	}
	for _, was := range c.known.Leaves {
		at := slices.IndexFunc(c.now.Leaves, func(l Leaf) bool { return l.OID == was.OID })
		switch {
		case at < 0:
			if was.Rows {
				tell("remove the objects of its rows in marketo, or leave them", "partition %s of table %s was detached or dropped: its rows went without a delete in the stream", was.Name, c.table)
			}
		case was.Unlogged || c.now.Leaves[at].Unlogged:
			c.unlogged(fmt.Sprintf("partition %s of table %s", was.Name, c.table), c.now.Leaves[at].Unlogged)
		case c.now.Leaves[at].Filenode == was.Filenode:
		case c.now.Leaves[at].Fresh && was.Rows:
			tell("remove the objects of its rows in marketo, or leave them", "partition %s of table %s was truncated, or rewritten by ALTER TABLE: that is not in the stream", was.Name, c.table)
		case was.Rows:
			c.notes("nothing to do after VACUUM FULL or CLUSTER; after TRUNCATE, remove the objects of its rows in marketo; after ALTER TABLE, "+again,
				"partition %s of table %s was rewritten: what changed while it was UNLOGGED is not in the stream", was.Name, c.table)
		}
	}
	for _, is := range c.now.Leaves {
		if is.Attached && is.Rows && !slices.ContainsFunc(c.known.Leaves, func(l Leaf) bool { return l.OID == is.OID }) {
			tell(rowsBefore, "partition %s was attached to table %s: rows that it had by then are not in the stream", is.Name, c.table)
		}
	}
}

// Unmapped tells of mappings that are gone since known: their changes that are
// still to be read are passed over. position is where reading goes on.
func Unmapped(known []Table, now View, position string) []Change {
	var changes []Change
	for i := range known {
		k := &known[i]
		var have []Mapping
		if n := find(now.Tables, k); n != nil {
			have = n.Mappings
		}
		for _, m := range k.Mappings {
			// A mapping is known by table and object, not by its name.
			if slices.ContainsFunc(have, func(h Mapping) bool { return strings.EqualFold(h.Object, m.Object) }) {
				continue
			}
			changes = append(changes, Change{Table: k.String(),
				Text:   fmt.Sprintf("mapping %s (%s to %s) is gone: changes for it that were committed after %s and not delivered are passed over", m.Name, k, m.Object, position),
				Remedy: "if that is not meant, stop, put the mapping back and start again: what was passed over until then does not come again"})
		}
	}
	return changes
}

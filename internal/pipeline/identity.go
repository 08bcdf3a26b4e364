package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Identity says which table of the database a mapped one is.
type Identity struct {
	Table mapping.Table
	OID   uint32
	// Former are OIDs of tables that had its place before: changes of theirs
	// are taken for its own. With AcceptAny those of any table of its name are.
	Former    []uint32
	AcceptAny bool
}

// tableOf returns the mapped table that a description is of, and its OID now;
// where it is of none, the name it has. A mapped table that comes under
// another name, and another table that comes under a mapped name, stop their mappings
// at that place: by name alone the one would be passed over without a word,
// and the other taken for what it is not.
func (r *reader) tableOf(life context.Context, m *pgoutput.Relation) (mapping.Table, uint32, error) {
	name := mapping.Table{Schema: m.Schema, Name: m.Name}
	for _, known := range r.runner.Identities {
		switch {
		case m.ID == known.OID && name == known.Table, slices.Contains(known.Former, m.ID):
			return known.Table, known.OID, nil
		case m.ID == known.OID:
			return known.Table, known.OID, r.renamed(life, known, name)
		case name == known.Table && known.AcceptAny:
			r.runner.Log.Warn("changes of another table of this name are taken for the table's, as accepted", "table", name.Schema+"."+name.Name, "oid", m.ID)
			return known.Table, known.OID, nil
		}
	}
	for _, known := range r.runner.Identities {
		if name == known.Table {
			return name, m.ID, r.stop(r.seq+1, r.runner.Mappings.Mappings(name), fmt.Sprintf("a change of transaction %s is of another table that had the name %s.%s then (OID %d, the mapped table has %d): it was dropped and created anew, or two tables have changed their names; "+
				"compare the objects in marketo with the table; to take such changes for the table's, start once with: %s", r.final, name.Schema, name.Name, m.ID, known.OID, r.acceptTable(name.Schema+"."+name.Name)))
		}
	}
	return name, m.ID, nil
}

// renamed deals with a mapped table that comes under another name: it had that
// name before, or it has it now and the mapping does not know.
func (r *reader) renamed(life context.Context, known Identity, name mapping.Table) error {
	now, err := r.describe(life, known.OID)
	if err != nil {
		return err
	}
	if now.Exists && now.Schema == known.Table.Schema && now.Name == known.Table.Name {
		return nil
	}
	return r.stop(r.seq+1, r.runner.Mappings.Mappings(known.Table), fmt.Sprintf("table %s.%s came under the name %s.%s in transaction %s: it was renamed, or moved to another schema; set table: %s.%s in its mapping, or rename it back, and start again",
		known.Table.Schema, known.Table.Name, name.Schema, name.Name, r.final, name.Schema, name.Name))
}

// viaRoot is what the stream describes before a change that a publication sends by
// the root of its table (publish_via_partition_root): the root, then the table.
// The change that follows is the root's, and nothing in it tells of the table.
type viaRoot struct {
	// last is the newest description, as long as no change has come after it.
	last *pgoutput.Relation
	// root came right before child, which is a mapped table.
	root, child *pgoutput.Relation
}

func (p viaRoot) next(m *pgoutput.Relation, mapped bool) viaRoot {
	next := viaRoot{last: m}
	if mapped && p.last != nil && p.last.ID != m.ID {
		next.root, next.child = p.last, m
	}
	return next
}

// nameOf returns the mapped table that a description of the same number is of.
func (r *reader) nameOf(m *pgoutput.Relation) mapping.Table {
	for _, known := range r.runner.Identities {
		if known.OID == m.ID {
			return known.Table
		}
	}
	return mapping.Table{Schema: m.Schema, Name: m.Name}
}

// stopViaRoot deals with a change of a mapped table that comes as one of another
// table: it was a partition of that one then, for a while perhaps. No later
// change is described so, so that the first must not be passed over.
func (r *reader) stopViaRoot(p viaRoot) error {
	table, root := p.child.Schema+"."+p.child.Name, p.root.Schema+"."+p.root.Name
	for _, known := range r.runner.Identities {
		if known.OID == p.child.ID && known.AcceptAny {
			r.runner.Log.Warn("changes of the table came as those of another, as accepted", "table", table, "root", root, "transaction", r.final)
			return nil
		}
	}
	return r.stop(r.seq, r.runner.Mappings.Mappings(r.nameOf(p.child)), fmt.Sprintf("a change of table %s came as one of %s in transaction %s: it was attached to that table as a partition then, and the publication sends what partitions have by their root; "+
		"where it is still attached, detach it, or map %s instead; what came so is not delivered: update the rows once more that may have changed meanwhile, so that they come again; "+
		"to go on after that, or without it, start once with: %s", table, root, r.final, root, r.acceptTable(table)))
}

// acceptTable is the command that goes on although changes of a table may be
// missing.
func (r *reader) acceptTable(table string) string {
	return checkpoint.RunOnce(r.runner.ConfigFile, "--accept-table '"+strings.ReplaceAll(table, "'", `'\''`)+"'")
}

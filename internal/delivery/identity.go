package delivery

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
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
// another name, and another table that comes under a mapped name, halt reading
// at that place: by name alone the one would be passed over without a word,
// and the other taken for what it is not.
func (r *reader) tableOf(life context.Context, m *replication.Relation) (mapping.Table, uint32, error) {
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
			return name, m.ID, r.halt(fmt.Sprintf("a change of transaction %s is of another table that had the name %s.%s then (OID %d, the mapped table has %d): it was dropped and created anew, or two tables have changed their names; "+
				"compare the objects in marketo with the table; to take such changes for the table's, start once with: cdcsync run --accept-table '%s.%s'", r.final, name.Schema, name.Name, m.ID, known.OID, name.Schema, name.Name))
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
	return r.halt(fmt.Sprintf("table %s.%s came under the name %s.%s in transaction %s: it was renamed, or moved to another schema; set table: %s.%s in its mapping, or rename it back, and start again",
		known.Table.Schema, known.Table.Name, name.Schema, name.Name, r.final, name.Schema, name.Name))
}

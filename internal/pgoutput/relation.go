package pgoutput

import "slices"

// Identity is a relation's REPLICA IDENTITY, as pg_class.relreplident has it.
type Identity byte

const (
	IdentityDefault Identity = 'd'
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f'
	IdentityIndex   Identity = 'i'
)

func (i Identity) String() string {
	switch i {
	case IdentityDefault:
		return "DEFAULT"
	case IdentityNothing:
		return "NOTHING"
	case IdentityFull:
		return "FULL"
	case IdentityIndex:
		return "USING INDEX"
	}
	return "unknown"
}

// Relation is a table as the stream describes it. A new Relation replaces the
// old one when the table changes; one that was handed out never changes.
type Relation struct {
	ID       uint32
	Schema   string
	Name     string
	Identity Identity
	Columns  []Column
}

// FixedOIDs is the lowest OID that PostgreSQL does not give to the same type
// in every database. Source: src/include/access/transam.h, FirstGenbkiObjectId.
const FixedOIDs = 10000

// collatable holds the types of fixed OID whose values compare by a collation:
// name, text, bpchar, varchar.
var collatable = []uint32{19, 25, 1042, 1043}

// Plain reports whether there are no Facts of the relation to ask for: its
// types are the same in every database, and no key compares by a collation.
func (r *Relation) Plain() bool {
	return !slices.ContainsFunc(r.Columns, func(c Column) bool {
		return c.Type >= FixedOIDs || c.Key && slices.Contains(collatable, c.Type)
	})
}

// Place returns the place of a column among the Columns, -1 where there is none.
func (r *Relation) Place(column string) int {
	return slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == column })
}

// Bare returns the values of a row that has a key and nothing else: of these columns
// the texts of key, and null in all others.
func (r *Relation) Bare(columns, key []string) []Value {
	values := make([]Value, len(r.Columns))
	for i := range values {
		values[i].Kind = Null
	}
	for i, column := range columns {
		if at := r.Place(column); at >= 0 {
			values[at] = Value{Kind: Text, Text: []byte(key[i])}
		}
	}
	return values
}

// Column describes one column of a Relation.
type Column struct {
	Name string
	// Type is the OID of the column's type; for a domain, the domain's.
	Type uint32
	// Modifier is the type modifier, -1 for none.
	Modifier int32
	// Key is set when the column belongs to the replica identity. Under FULL
	// it is set on every column.
	Key bool
}

// TypeName is the name of a type outside pg_catalog, or of the base type of a
// domain (then Schema is "pg_catalog" for a built-in one).
type TypeName struct {
	Schema string
	Name   string
}

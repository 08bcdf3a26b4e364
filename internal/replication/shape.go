package replication

import "slices"

// firstUserOID is the lowest OID of what is not built in.
const firstUserOID = 16384

// Relation returns the table as the stream would describe it, were all its
// columns published: generated columns are left out, and Key marks the
// columns of the replica identity.
func (t *Table) Relation() *Relation {
	rel := &Relation{Schema: t.Schema, Name: t.Name, Identity: t.Identity}
	for _, c := range t.Columns {
		if c.Generated != "" {
			continue
		}
		rel.Columns = append(rel.Columns, Column{
			Name: c.Name, Type: c.Type, Modifier: c.Modifier,
			Key: slices.Contains(t.IdentityColumns, c.Name),
		})
	}
	return rel
}

// TypeName names a type of one of the columns, as the stream's Type messages
// do: it is the name of the base type of a domain. It knows only types that
// are not built in.
func (t *Table) TypeName(oid uint32) (TypeName, bool) {
	for _, c := range t.Columns {
		if c.Type != oid {
			continue
		}
		name := TypeName{Name: c.BaseName}
		if c.Base < firstUserOID {
			name.Schema = "pg_catalog"
		} else {
			name.Schema = "public"
		}
		return name, true
	}
	return TypeName{}, false
}

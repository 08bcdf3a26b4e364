package replication

import "slices"

// Relation returns the table as the stream would describe it, were all its
// columns published, generated ones too. Key marks the columns of the replica
// identity.
func (t *Table) Relation() *Relation {
	rel := &Relation{Schema: t.Schema, Name: t.Name, Identity: t.Identity}
	for _, c := range t.Columns {
		rel.Columns = append(rel.Columns, Column{
			Name: c.Name, Type: c.Type, Modifier: c.Modifier,
			Key: slices.Contains(t.IdentityColumns, c.Name),
		})
	}
	return rel
}

// Facts returns what is known of the columns beyond Relation.
func (t *Table) Facts() *Facts {
	f := &Facts{Types: t.Types}
	for _, c := range t.Columns {
		if c.Locale == "" {
			continue
		}
		if f.Locales == nil {
			f.Locales = make(map[string]string)
		}
		f.Locales[c.Name] = c.Locale
	}
	return f
}

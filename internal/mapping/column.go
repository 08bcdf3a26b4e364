package mapping

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// now is the table as it is; nil where that is not known.
func (b *binder) now() *catalog.Table {
	if b.past == nil {
		return nil
	}
	return b.past.Now
}

// column finds a column by its exact name or, in a past description, by one
// that it has had. The place is absent when the description lacks it and the
// table has it.
func (b *binder) column(path, name string, former ...string) (int, bool) {
	if at, ok := b.find(name, former); ok {
		return at, true
	}
	switch {
	case b.now() == nil:
		b.wrong(path, "column %q is not in what the stream sends of %s%s; it has %s. Correct the name, or add the column to the table or to the publication's column list",
			name, quoteTable(b.table), spelling.Hint(name, b.names()), strings.Join(b.names(), ", "))
	case b.now().Column(name) != nil:
		return absent, true
	default:
		b.wrong(path, "column %q is neither in what the stream sends of %s nor in the table%s; the table has %s. Correct the name in the mapping, or add the column to the table",
			name, quoteTable(b.table), b.renamed(name), strings.Join(columnNames(b.now()), ", "))
	}
	return absent, false
}

// keyColumn is column for a part of the key, which says which row it is: it
// cannot be read from the table afterwards.
func (b *binder) keyColumn(path string, r Rule) (int, bool) {
	if at, ok := b.find(r.Column, r.Former); ok {
		return at, true
	}
	if b.now() == nil || b.now().Column(r.Column) == nil {
		b.column(path, r.Column)
		return 0, false
	}
	b.wrong(path, "column %q is not in an older description of %s, of which changes wait, and a key cannot be read from the table afterwards%s; the description has %s. "+
		"Where the column had another name then, give both: %s: {column: [%s, %s]}",
		r.Column, quoteTable(b.table), b.called(r.Column), strings.Join(b.names(), ", "), r.Attribute, r.Column, b.likely(r.Column))
	return 0, false
}

// find looks for a column in the description.
func (b *binder) find(name string, former []string) (int, bool) {
	names := []string{name}
	if b.past != nil {
		names = append(names, former...)
	}
	for _, name := range names {
		for i := range b.relation.Columns {
			if b.relation.Columns[i].Name == name {
				return i, true
			}
		}
	}
	return 0, false
}

// renamed names the column of the table that name was perhaps renamed to: of
// those that the description, or the one before it, does not have.
func (b *binder) renamed(name string) string {
	added := without(columnNames(b.now()), b.names())
	if len(added) == 0 && b.past.Before != nil {
		added = without(columnNames(b.now()), relationNames(b.past.Before))
	}
	if len(added) == 1 {
		return "; was it renamed to \"" + added[0] + "\"?"
	}
	if hint := spelling.Hint(name, added); hint != "" {
		return hint
	}
	return spelling.Hint(name, columnNames(b.now()))
}

// likely is what a column of the table was probably called in the description;
// "old_name" where that cannot be told.
func (b *binder) likely(name string) string {
	var found []string
	gone := without(b.names(), columnNames(b.now()))
	for _, c := range b.relation.Columns {
		if c.Type == b.now().Column(name).Type && slices.Contains(gone, c.Name) {
			found = append(found, c.Name)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return "old_name"
}

func (b *binder) called(name string) string {
	if likely := b.likely(name); likely != "old_name" {
		return "; it was probably called \"" + likely + "\""
	}
	return ""
}

func (b *binder) names() []string { return relationNames(b.relation) }

func relationNames(rel *pgoutput.Relation) []string {
	names := make([]string, len(rel.Columns))
	for i, c := range rel.Columns {
		names[i] = c.Name
	}
	return names
}

func columnNames(t *catalog.Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// without returns those of names that are not among others.
func without(names, others []string) []string {
	var left []string
	for _, name := range names {
		if !slices.Contains(others, name) {
			left = append(left, name)
		}
	}
	return left
}

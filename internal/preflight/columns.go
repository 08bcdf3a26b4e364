package preflight

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// inspectColumns binds the mappings to the table as delivery will, and names
// what the types of the columns lead to.
func (in *inspection) inspectColumns(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name) + ": columns"
	generated := in.inspectGenerated(t)
	rel := in.relation(t)
	err := in.set.Bind(rel, t.Facts())
	in.set.Unbind(rel)
	var mistakes mapping.Mistakes
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes {
			in.fail(label(name)+": "+m.Path, in.locate(m), "correct the mapping at that place, or the table")
		}
	case err != nil:
		in.fail(check, err.Error(), "correct the mapping")
	case !generated:
		in.ok(check, "%s fit the mappings", count(len(in.columns(t)), "column"))
	}
	in.inspectTypes(t)
}

// relation is the table as a stream that leaves nothing out describes it:
// generated columns, column lists and the replica identity have findings of
// their own.
func (in *inspection) relation(t *catalog.Table) *pgoutput.Relation {
	rel := &pgoutput.Relation{Schema: t.Schema, Name: t.Name, Identity: t.Identity}
	for _, c := range t.Columns {
		rel.Columns = append(rel.Columns, pgoutput.Column{Name: c.Name, Type: c.Type, Modifier: c.Modifier, Key: true})
	}
	return rel
}

// inspectGenerated reports mapped columns that the stream leaves out because
// the server computes them.
func (in *inspection) inspectGenerated(t *catalog.Table) bool {
	found := false
	for _, i := range in.set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}) {
		for _, name := range in.set.Columns(i) {
			c := t.Column(name)
			if c == nil || c.Generated == "" || in.sendsGenerated(t, c) {
				continue
			}
			found = true
			remedy := Remedy{Words: "map the columns it is computed from, with expr"}
			if c.Generated == "s" && in.server.Version >= publishedGenerated && in.server.Publication != nil {
				remedy = Remedy{remedy.Words + ", or, as the publication's owner, run:", alterPublication(in.publication, "SET (publish_generated_columns = stored)")}
			}
			in.add(Fail, label(mapping.Table{Schema: t.Schema, Name: t.Name})+": column "+name,
				in.locate(in.mistake(i, in.path(i, name), fmt.Sprintf("column %q is a generated column, which the stream leaves out", name))), remedy)
		}
	}
	return found
}

// sendsGenerated reports whether a generated column is published.
func (in *inspection) sendsGenerated(t *catalog.Table, c *catalog.TableColumn) bool {
	entry := in.server.Publication.Table(t.Schema, t.Name)
	return c.Generated == "s" && in.server.Version >= publishedGenerated && entry != nil && slices.Contains(entry.Columns, c.Name)
}

// path is the place in a mapping where a column is used first.
func (in *inspection) path(i int, column string) string {
	d := in.set.Definition(i)
	for _, r := range d.Key {
		if r.Column == column {
			return "key." + r.Attribute
		}
	}
	for _, r := range d.Attributes {
		switch {
		case r.Column == column:
			return "attributes." + r.Attribute
		case r.Lookup == nil && uses(r.Expr, column):
			return "attributes." + r.Attribute + ".expr"
		case r.Lookup != nil:
			for _, m := range r.Lookup.Match {
				if m.Ours == column {
					return "attributes." + r.Attribute + ".lookup.match." + m.Theirs
				}
			}
		}
	}
	return "where"
}

// inspectTypes names types whose values need a word.
func (in *inspection) inspectTypes(t *catalog.Table) {
	check := label(mapping.Table{Schema: t.Schema, Name: t.Name}) + ": "
	var zoneless, floats []string
	for _, name := range in.columns(t) {
		c := t.Column(name)
		if c == nil {
			continue
		}
		switch c.BuiltIn() {
		case "timestamp":
			zoneless = append(zoneless, name)
		case "float4", "float8":
			floats = append(floats, name)
		}
	}
	if zoneless != nil {
		in.ok(check+"time zone", "%s of type timestamp without time zone: read as UTC", strings.Join(zoneless, ", "))
	}
	if floats != nil {
		in.warn(check+"digits", fmt.Sprintf("%s of a floating-point type: digits beyond what it holds are not kept, so that sums and comparisons may differ in the last places", strings.Join(floats, ", ")),
			"nothing to do for measures; for amounts of money use numeric")
	}
}

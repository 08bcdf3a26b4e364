package mapping_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// nowWith is the table as it is now.
func nowWith(columns ...string) *catalog.Table {
	t := &catalog.Table{Exists: true, OID: 16385, Schema: "public", Name: "visits"}
	for _, name := range columns {
		c := catalog.TableColumn{Name: name, Type: textOID}
		if name == "id" || name == "visit_id" {
			c.Type = int4OID
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

var here = mapping.Table{Schema: "public", Name: "visits"}

// boundPast is bound for a description older than the table.
func boundPast(t *testing.T, d mapping.Definition, rel *pgoutput.Relation, now *catalog.Table) *mapping.Set {
	t.Helper()
	s := compile(t, d)
	if !s.Lacks(here, rel) {
		t.Error("nothing is said to be lacking")
	}
	if err := s.BindPast(mapping.Past{Table: here, Now: now}, rel, nil); err != nil {
		t.Fatalf("bind: %v", err)
	}
	return s
}

// A column that an old description lacks, wherever a mapping uses it, is read
// from the table with its row; nothing of the rest is lost.
func TestAbsentColumns(t *testing.T) {
	city := mapping.Rule{Attribute: "city", Column: "city"}
	rel := relation('d', column("id", int4OID, true), column("other", textOID, false))
	insert := func(values ...any) *pgoutput.Change {
		return &pgoutput.Change{Relation: rel, Operation: pgoutput.Insert, New: row(values...)}
	}
	tests := []struct {
		name   string
		d      mapping.Definition
		change *pgoutput.Change
		want   string
	}{
		{"attribute", mapping.Definition{Attributes: []mapping.Rule{city, {Attribute: "other", Column: "other"}}},
			insert(7, "x"), `UPSERT rid=7 other="x" reread`},
		{"update", mapping.Definition{Attributes: []mapping.Rule{city}},
			&pgoutput.Change{Relation: rel, Operation: pgoutput.Update, New: row(7, "x")}, `UPSERT rid=7 reread`},
		{"expression", mapping.Definition{Attributes: []mapping.Rule{{Attribute: "both", Expr: "other + city"}}},
			insert(7, "x"), `UPSERT rid=7 reread`},
		{"where", mapping.Definition{Where: `city == "a"`}, insert(7, "x"), `UPSERT rid=7 reread`},
		{"delete with where", mapping.Definition{Where: `city == "a"`, OnDelete: mapping.DeletePolicy{Delete: true}},
			&pgoutput.Change{Relation: rel, Operation: pgoutput.Delete, Old: row(7, null), OldIsKey: true}, `DELETE rid=7`},
		{"null: omit", mapping.Definition{Attributes: []mapping.Rule{{Attribute: "city", Column: "city", OmitNull: true}}},
			insert(7, "x"), `UPSERT rid=7 reread`},
		{"another name then", mapping.Definition{Attributes: []mapping.Rule{city, {Attribute: "a", Column: "another", Former: []string{"third", "other"}}}},
			insert(7, "x"), `UPSERT rid=7 a="x" reread`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := boundPast(t, tt.d, rel, nowWith("id", "city", "another"))
			if got := showAll(s.Apply(tt.change, nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFormerNamesOfColumns(t *testing.T) {
	d := mapping.Definition{
		Key:        []mapping.Rule{{Attribute: "rid", Column: "visit_id", Former: []string{"id"}}},
		Attributes: []mapping.Rule{{Attribute: "city", Column: "town", Former: []string{"city"}}},
	}
	rel := relation('d', column("id", int4OID, true), column("city", textOID, false))
	s := compile(t, d)
	if s.Lacks(here, rel) {
		t.Error("the former names are not looked at")
	}
	if err := s.BindPast(mapping.Past{Table: here}, rel, nil); err != nil {
		t.Fatal(err)
	}
	if !s.Needs(here, "city") || !s.Needs(here, "town") || s.Needs(here, "other") {
		t.Error("large values of a column under its former name are not needed, or those of another are")
	}
	c := &pgoutput.Change{Relation: rel, Operation: pgoutput.Insert, New: row(7, "x")}
	if got, want := showAll(s.Apply(c, nil)), `UPSERT rid=7 city="x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := s.Bind(rel, nil); err == nil {
		t.Error("the table as it is now may have the former names only")
	}
}

func TestBindPastMistakes(t *testing.T) {
	city := []mapping.Rule{{Attribute: "city", Column: "city"}}
	tests := []struct {
		name   string
		rel    *pgoutput.Relation
		now    *catalog.Table
		before *pgoutput.Relation
		want   []string
	}{
		{"gone for good, with a likely new name", relation('d', column("id", int4OID, true), column("x", textOID, false)), nowWith("id", "x", "town"), nil,
			[]string{"attributes.city", "neither in what the stream sends", `was it renamed to "town"?`}},
		{"gone for good, and the description is that of now", relation('d', column("id", int4OID, true), column("x", textOID, false), column("town", textOID, false)), nowWith("id", "x", "town"),
			relation('d', column("id", int4OID, true), column("x", textOID, false), column("city", textOID, false)), []string{`was it renamed to "town"?`}},
		{"gone for good", relation('d', column("id", int4OID, true), column("cty", textOID, false)), nowWith("id", "cty"), nil,
			[]string{"attributes.city", `did you mean "cty"?`}},
		{"key", relation('d', column("visit_id", int4OID, true), column("city", textOID, false)), nowWith("id", "city"), nil,
			[]string{"key.rid", "cannot be read from the table", `probably called "visit_id"`, "rid: {column: [id, visit_id]}"}},
		{"key of a name that cannot be told", relation('d', column("a", int4OID, true), column("b", int4OID, true), column("city", textOID, false)), nowWith("id", "city"), nil,
			[]string{"key.rid", "rid: {column: [id, old_name]}"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := compile(t, mapping.Definition{Attributes: city})
			err := s.BindPast(mapping.Past{Table: here, Now: tt.now, Before: tt.before}, tt.rel, nil)
			if err == nil || s.Bound(tt.rel) {
				t.Fatal("bound")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

// What the replica identity does not have of the key is unknown of an old row:
// an update is written whole, a delete names no object.
func TestKeyOutsideTheIdentity(t *testing.T) {
	d := mapping.Definition{Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}}, OnDelete: mapping.DeletePolicy{Delete: true}}
	rel := relation('i', column("id", int4OID, false), column("n", int4OID, true), column("city", textOID, false))
	s := bound(t, d, rel)
	if got := s.Of(rel).WithoutOldKey(); len(got) != 1 {
		t.Errorf("mappings without the old key: %v", got)
	}
	full := relation('f', column("id", int4OID, false), column("n", int4OID, true), column("city", textOID, false))
	if got := bound(t, d, full).Of(full).WithoutOldKey(); got != nil {
		t.Errorf("mappings without the old key under FULL: %v", got)
	}
	for _, tt := range []struct {
		change pgoutput.Change
		want   string
	}{
		{pgoutput.Change{Operation: pgoutput.Insert, New: row(7, 1, "x")}, `UPSERT rid=7 city="x"`},
		{pgoutput.Change{Operation: pgoutput.Update, New: row(7, 1, unchanged)}, `UPSERT rid=7 reread`},
		{pgoutput.Change{Operation: pgoutput.Update, Old: row(null, 1, null), OldIsKey: true, New: row(7, 2, "x")}, `UPSERT rid=7 city="x"`},
		{pgoutput.Change{Operation: pgoutput.Delete, Old: row(null, 1, null), OldIsKey: true}, `DELETE problem:unchanged`},
	} {
		tt.change.Relation = rel
		if got := showAll(s.Apply(&tt.change, nil)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.change.Operation, got, tt.want)
		}
	}
}

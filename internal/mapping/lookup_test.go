package mapping_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// users is the table that is looked up in.
var users = &catalog.Table{Schema: "crm", Name: "users", Exists: true, Columns: []catalog.TableColumn{
	{Name: "id", Type: int8OID, Base: int8OID}, {Name: "region", Type: textOID, Base: textOID},
	{Name: "email", Type: textOID, Base: textOID}, {Name: "score", Type: float8OID, Base: float8OID}, {Name: "photo", Type: byteaOID, Base: byteaOID},
}}

func lookup(column string, match ...mapping.Match) *mapping.Lookup {
	if match == nil {
		match = []mapping.Match{{Theirs: "id", Ours: "user_id"}}
	}
	return &mapping.Lookup{Schema: "crm", Table: "users", Column: column, Match: match}
}

// fit is a column of users for the first attribute.
func fit(t *testing.T, s *mapping.Set) *mapping.LookupColumn {
	t.Helper()
	c, err := s.FitLookup(0, 0, users)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var orders = relation(pgoutput.IdentityDefault, column("id", int4OID, true), column("user_id", int8OID, false), column("note", textOID, false), column("code", bpcharOID, false))

// What a change seeks in another table, and the write once it was found.
func TestLookups(t *testing.T) {
	text := func(s string) pgoutput.Value { return pgoutput.Value{Kind: pgoutput.Text, Text: []byte(s)} }
	update := pgoutput.Update
	insert := pgoutput.Insert
	for _, test := range []struct {
		name      string
		rule      mapping.Rule
		operation pgoutput.Operation
		row       []pgoutput.Value
		sought    string
		found     mapping.Found
		want      string
	}{
		{"found", mapping.Rule{Lookup: lookup("email")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Value: text("a@b")}, `UPSERT rid=1 email="a@b" note="n"`},
		{"none", mapping.Rule{Lookup: lookup("email")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{}, `UPSERT rid=1 email=null note="n"`},
		{"none, omitted", mapping.Rule{Lookup: lookup("email"), OmitNull: true}, insert, row(1, 7, "n", "c"), "7", mapping.Found{}, `UPSERT rid=1 note="n"`},
		{"null", mapping.Rule{Lookup: lookup("email")}, insert, row(1, null, "n", "c"), "", mapping.Found{}, `UPSERT rid=1 email=null note="n"`},
		{"null, omitted", mapping.Rule{Lookup: lookup("email"), OmitNull: true}, insert, row(1, null, "n", "c"), "", mapping.Found{}, `UPSERT rid=1 note="n"`},
		{"several", mapping.Rule{Lookup: lookup("email")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Several: true}, `UPSERT rid=1 note="n" problem:lookup`},
		{"broken", mapping.Rule{Lookup: lookup("email")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Broken: "cannot be read"}, `UPSERT rid=1 note="n" problem:lookup`},
		{"no value of marketo's", mapping.Rule{Lookup: lookup("score")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Value: text("NaN")}, `UPSERT rid=1 note="n" problem:value`},
		{"a number", mapping.Rule{Lookup: lookup("score")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Value: text("1.5")}, `UPSERT rid=1 email=1.5 note="n"`},
		{"computed", mapping.Rule{Lookup: lookup("email"), Expr: "lower(email)"}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Value: text("A@B")}, `UPSERT rid=1 email="a@b" note="n"`},
		{"computed of none", mapping.Rule{Lookup: lookup("email"), Expr: `email ?? "none"`}, insert, row(1, 7, "n", "c"), "7", mapping.Found{}, `UPSERT rid=1 email="none" note="n"`},
		{"computed of null", mapping.Rule{Lookup: lookup("email"), Expr: `email ?? "none"`}, insert, row(1, null, "n", "c"), "-", mapping.Found{}, `UPSERT rid=1 email="none" note="n"`},
		{"composite", mapping.Rule{Lookup: lookup("email", mapping.Match{Theirs: "region", Ours: "code"}, mapping.Match{Theirs: "id", Ours: "user_id"})},
			insert, row(1, 7, "n", "eu  "), "eu,7", mapping.Found{Value: text("a@b")}, `UPSERT rid=1 email="a@b" note="n"`},
		{"left alone", mapping.Rule{Lookup: lookup("email")}, update, row(1, unchanged, "n", "c"), "", mapping.Found{}, `UPSERT rid=1 note="n" partial`},
		{"in part left alone", mapping.Rule{Lookup: lookup("email", mapping.Match{Theirs: "region", Ours: "code"}, mapping.Match{Theirs: "id", Ours: "user_id"})},
			update, row(1, 7, "n", unchanged), "", mapping.Found{}, `UPSERT rid=1 note="n" partial`},
		{"partial beside", mapping.Rule{Lookup: lookup("email")}, update, row(1, 7, unchanged, "c"), "7", mapping.Found{Value: text("a@b")}, `UPSERT rid=1 email="a@b" partial`},
		{"not for xml", mapping.Rule{Lookup: lookup("email")}, insert, row(1, 7, "n", "c"), "7", mapping.Found{Value: text("a\x01b")}, `UPSERT rid=1 note="n" problem:characters`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.rule.Attribute = "email"
			s := bound(t, mapping.Definition{Attributes: []mapping.Rule{test.rule, {Attribute: "note", Column: "note"}}}, orders)
			if !s.Looks() {
				t.Error("the set looks nothing up")
			}
			writes := s.Apply(&pgoutput.Change{Relation: orders, Operation: test.operation, New: test.row}, nil)
			w := &writes[0]
			var sought []string
			for _, one := range w.Sought {
				sought = append(sought, strings.Join(one.Values, ","))
				if one.Values == nil {
					sought[len(sought)-1] = "-"
				}
			}
			if got := strings.Join(sought, ";"); got != test.sought {
				t.Fatalf("seeks %q, want %q", got, test.sought)
			}
			key, bytes := w.Key, w.Bytes
			if w.Sought != nil {
				test.found.Column = fit(t, s)
				s.Supply(w, []mapping.Found{test.found})
			}
			if got := show(*w); got != test.want || w.Sought != nil || w.Key != key || w.Bytes < bytes-8 {
				t.Errorf("got  %s (key %q, %d bytes, was %d)\nwant %s", got, w.Key, w.Bytes, bytes, test.want)
			}
		})
	}
}

// A row that goes seeks nothing: its object is known by its key.
func TestRemovalSeeksNothing(t *testing.T) {
	s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "email", Lookup: lookup("email")}}, OnDelete: mapping.DeletePolicy{Delete: true}}, orders)
	writes := s.Apply(&pgoutput.Change{Relation: orders, Operation: pgoutput.Delete, Old: row(1, null, null, null), OldIsKey: true}, nil)
	if got := showAll(writes); got != `DELETE rid=1` || writes[0].Sought != nil {
		t.Errorf("got %s, seeking %v", got, writes[0].Sought)
	}
}

// What a row is looked up by is read from the table where the stream's
// description of it is older than the column.
func TestLookupByAColumnThatIsNew(t *testing.T) {
	d := mapping.Definition{Attributes: []mapping.Rule{{Attribute: "email", Lookup: lookup("email")}}}
	s := compile(t, d)
	old := relation(pgoutput.IdentityDefault, column("id", int4OID, true))
	table := mapping.Table{Schema: "public", Name: "visits"}
	if !s.Lacks(table, old) || s.Lacks(table, orders) || !s.Needs(table, "user_id") {
		t.Error("the columns of match are not among those that the mapping needs")
	}
	now := catalog.Table{Schema: "public", Name: "visits", Exists: true, Columns: []catalog.TableColumn{{Name: "id", Type: int4OID}, {Name: "user_id", Type: int8OID}}}
	if err := s.BindPast(mapping.Past{Table: table, Now: &now}, old, nil); err != nil {
		t.Fatal(err)
	}
	if got := showAll(s.Apply(&pgoutput.Change{Relation: old, Operation: pgoutput.Insert, New: row(1)}, nil)); got != `UPSERT rid=1 reread` {
		t.Errorf("got %s", got)
	}
}

// Values are written as their field wants them, also those that are looked up.
func TestLookedUpForAField(t *testing.T) {
	s := compile(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "email", Lookup: lookup("score")}}})
	s.Describe(0, marketo.Description{Fields: []marketo.Field{{Name: "email", DataType: "string"}}})
	if err := s.Bind(orders, nil); err != nil {
		t.Fatal(err)
	}
	writes := s.Apply(&pgoutput.Change{Relation: orders, Operation: pgoutput.Insert, New: row(1, 7, "n", "c")}, nil)
	s.Supply(&writes[0], []mapping.Found{{Column: fit(t, s), Value: pgoutput.Value{Kind: pgoutput.Text, Text: []byte("1.5")}}})
	if got := showAll(writes); got != `UPSERT rid=1 email="1.5"` {
		t.Errorf("got %s", got)
	}
}

func TestLookupMistakes(t *testing.T) {
	for _, test := range []struct {
		name string
		rule mapping.Rule
		key  bool
		want string
	}{
		{"of a key", mapping.Rule{Attribute: "email", Lookup: lookup("email")}, true, "key.email: is a lookup"},
		{"two sources", mapping.Rule{Attribute: "email", Lookup: lookup("email"), Column: "x"}, false, "attributes.email: has 2 sources"},
		{"no table", mapping.Rule{Attribute: "email", Lookup: &mapping.Lookup{Column: "c", Match: []mapping.Match{{Theirs: "a", Ours: "b"}}}}, false, "attributes.email.lookup.table: is missing"},
		{"no column", mapping.Rule{Attribute: "email", Lookup: lookup("")}, false, "attributes.email.lookup.column: is missing"},
		{"no match", mapping.Rule{Attribute: "email", Lookup: &mapping.Lookup{Schema: "crm", Table: "users", Column: "c"}}, false, "attributes.email.lookup.match: is missing"},
		{"expression", mapping.Rule{Attribute: "email", Lookup: lookup("email"), Expr: "lower("}, false, "attributes.email.expr: is no expression"},
		{"expression over another column", mapping.Rule{Attribute: "email", Lookup: lookup("email"), Expr: "email + note"}, false, "attributes.email.expr: uses note; beside a lookup"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := mapping.Definition{Name: "visits", Schema: "public", Table: "visits", Object: "Visit", Key: []mapping.Rule{{Attribute: "rid", Column: "id"}}}
			if test.key {
				d.Key = append(d.Key, test.rule)
			} else {
				d.Attributes = append(d.Attributes, test.rule)
			}
			_, err := mapping.Compile([]mapping.Definition{d})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, test := range []struct {
		name string
		rule mapping.Rule
		want string
	}{
		{"column", mapping.Rule{Lookup: lookup("emial")}, `attributes.email.lookup.column: column "emial" is not in "crm"."users"; did you mean "email"?`},
		{"match", mapping.Rule{Lookup: lookup("email", mapping.Match{Theirs: "uid", Ours: "user_id"})}, `attributes.email.lookup.match.uid: column "uid" is not in`},
		{"type", mapping.Rule{Lookup: lookup("photo")}, `attributes.email.lookup.column: column "photo" has type bytea: binary data`},
		{"expression", mapping.Rule{Lookup: lookup("score"), Expr: "upper(score)"}, `attributes.email.expr: does not fit the columns`},
	} {
		t.Run("fit "+test.name, func(t *testing.T) {
			test.rule.Attribute = "email"
			s := bound(t, mapping.Definition{Attributes: []mapping.Rule{test.rule}}, orders)
			if _, err := s.FitLookup(0, 0, users); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	s := compile(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "email", Lookup: lookup("email", mapping.Match{Theirs: "id", Ours: "usr"})}}})
	if err := s.Bind(orders, nil); err == nil || !strings.Contains(err.Error(), `attributes.email.lookup.match.id: column "usr" is not in what the stream sends`) {
		t.Errorf("a column that the mapped table lacks: %v", err)
	}
}

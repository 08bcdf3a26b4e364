package mapping_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func TestCompileMistakes(t *testing.T) {
	rule := func(attribute, column string) mapping.Rule { return mapping.Rule{Attribute: attribute, Column: column} }
	tests := []struct {
		name string
		edit func(d *mapping.Definition)
		want string
	}{
		{"none", func(*mapping.Definition) {}, ""},
		{"name", func(d *mapping.Definition) { d.Name = "Odd Name" }, "name: is \"Odd Name\"; allowed are letters, digits and _ - . up to 100, so set a name where the table's does not fit"},
		{"table", func(d *mapping.Definition) { d.Table = "" }, "table: is missing; write schema.table"},
		{"no object", func(d *mapping.Definition) { d.Object = "" }, "object: is missing; give the API name of the custom object type"},
		{"object", func(d *mapping.Definition) { d.Object = "Road/Show" }, `object: is "Road/Show"; an API name has letters, digits and underscores only`},
		{"operation", func(d *mapping.Definition) { d.Operation = marketo.Delete }, "operation: is 3; allowed are UPSERT, INSERT and UPDATE"},
		{"no key", func(d *mapping.Definition) { d.Key = nil }, "key: is missing; give at least one dedupe field and its column"},
		{"four keys", func(d *mapping.Definition) {
			d.Key = []mapping.Rule{rule("a", "a"), rule("b", "b"), rule("c", "c"), rule("d", "d")}
		}, "key: has 4 fields; Marketo allows 3 dedupe fields"},
		{"key expression", func(d *mapping.Definition) { d.Key[0] = mapping.Rule{Attribute: "rid", Expr: "id"} }, "key.rid: is not a column; a key comes from a column of the replica identity"},
		{"key omitted", func(d *mapping.Definition) { d.Key[0].OmitNull = true }, `key.rid: has "null: omit"; an object without its key cannot be written`},
		{"attribute twice", func(d *mapping.Definition) { d.Attributes = []mapping.Rule{rule("City", "a"), rule("city", "b")} }, "attributes.city: is given twice (also as attributes.City; Marketo does not tell upper from lower case)"},
		{"attribute is key", func(d *mapping.Definition) { d.Attributes = []mapping.Rule{rule("RID", "a")} }, "attributes.RID: is given twice (also as key.rid; Marketo does not tell upper from lower case)"},
		{"attribute name", func(d *mapping.Definition) { d.Attributes = []mapping.Rule{rule("ci ty", "a")} }, "attributes.ci ty: is no field name; API names have letters, digits and underscores only"},
		{"system field", func(d *mapping.Definition) { d.Attributes = []mapping.Rule{rule("marketoGUID", "a")} }, "attributes.marketoGUID: is set by Marketo itself and cannot be written; leave it out"},
		{"no source", func(d *mapping.Definition) { d.Attributes = []mapping.Rule{rule("city", "")} }, "attributes.city: has 0 sources; give exactly one of column, expr, value and lookup"},
		{"two sources", func(d *mapping.Definition) {
			d.Attributes = []mapping.Rule{{Attribute: "city", Column: "a", Expr: "b"}}
		}, "attributes.city: has 2 sources; give exactly one of column, expr, value and lookup"},
		{"constant", func(d *mapping.Definition) {
			d.Attributes = []mapping.Rule{{Attribute: "city", Constant: constant(marketo.Number, "1e")}}
		}, "attributes.city: is a constant that Marketo cannot hold; allowed are text, decimal numbers, true, false and null"},
		{"constant text", func(d *mapping.Definition) {
			d.Attributes = []mapping.Rule{{Attribute: "city", Constant: constant(marketo.String, "\x00")}}
		}, "attributes.city: is a constant that Marketo cannot hold; allowed are text, decimal numbers, true, false and null"},
		{"where", func(d *mapping.Definition) { d.Where = "a ==" }, "where: is no expression: unexpected token EOF (1:4)"},
		{"set and delete", func(d *mapping.Definition) {
			d.OnDelete = mapping.DeletePolicy{Delete: true, Set: setGone.Set}
		}, "on_delete: both deletes and sets; choose one"},
		{"set column", func(d *mapping.Definition) { d.OnDelete.Set = []mapping.Rule{rule("active", "a")} }, "on_delete.set.active: is not a constant; the row is gone, so only constants can be set"},
		{"set key", func(d *mapping.Definition) {
			d.OnDelete.Set = []mapping.Rule{{Attribute: "Rid", Constant: constant(marketo.Null, "")}}
		}, "on_delete.set.Rid: is part of the key, which cannot be changed"},
		{"set twice", func(d *mapping.Definition) {
			d.OnDelete.Set = append(append([]mapping.Rule(nil), setGone.Set...), setGone.Set[0])
		}, "on_delete.set.active: is set twice"},
		{"51 fields", func(d *mapping.Definition) {
			for i := range 50 {
				d.Attributes = append(d.Attributes, rule(fmt.Sprintf("a%d", i), "a"))
			}
		}, "attributes: makes 51 fields with the key; Marketo allows 50 in one custom object type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mapping.Definition{Name: "visits", Schema: "public", Table: "visits", Object: "Visit", Key: []mapping.Rule{rule("rid", "id")}}
			tt.edit(&d)
			_, err := mapping.Compile([]mapping.Definition{d})
			want := tt.want
			if want != "" {
				want = fmt.Sprintf("mapping %q: %s", d.Name, want)
			}
			if got := text(err); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// All mistakes of all definitions come at once, each with its place.
func TestCompileAllAtOnce(t *testing.T) {
	one := mapping.Definition{Name: "one", Schema: "s", Table: "a", Object: "Thing", Key: []mapping.Rule{{Attribute: "k", Column: "id"}}}
	two := one
	two.Name, two.Object, two.Where = "ONE", "thing", "now()"
	_, err := mapping.Compile([]mapping.Definition{one, two})
	mistakes, ok := err.(mapping.Mistakes)
	if !ok {
		t.Fatalf("got %T, want mapping.Mistakes", err)
	}
	var got []string
	for _, m := range mistakes {
		got = append(got, fmt.Sprint(m.Mapping, " ", m.Path))
	}
	if want := []string{"1 name", "1 object", "1 where"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSet(t *testing.T) {
	s, err := mapping.Compile([]mapping.Definition{
		{Name: "one", Schema: "s", Table: "a", Object: "One", Key: []mapping.Rule{{Attribute: "k", Column: "id"}},
			Attributes: []mapping.Rule{{Attribute: "City", Column: "city"}, {Attribute: "x", Expr: "city + zip"}},
			Where:      "state == 'a' && id > 1", OnDelete: setGone},
		{Name: "two", Schema: "s", Table: "b", Object: "Two", Key: []mapping.Rule{{Attribute: "k", Column: "id"}}},
		{Name: "three", Schema: "s", Table: "a", Object: "Three", Key: []mapping.Rule{{Attribute: "k", Column: "id"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("len", s.Len(), 3)
	check("definition", s.Definition(1).Name, "two")
	check("tables", s.Tables(), []mapping.Table{{Schema: "s", Name: "a"}, {Schema: "s", Name: "b"}})
	check("mappings", s.Mappings(mapping.Table{Schema: "s", Name: "a"}), []int{0, 2})
	check("columns", s.Columns(0), []string{"id", "city", "zip", "state"})
	check("shape", *s.Shape(0), marketo.Shape{Type: "One", Key: []string{"k"}, Attributes: []string{"City", "x", "active"}})
}

func TestBindMistakes(t *testing.T) {
	const listed = `; it has id, city. Correct the name, or add the column to the table or to the publication's column list`
	city := []mapping.Rule{{Attribute: "city", Column: "city"}}
	tests := []struct {
		name string
		rel  *pgoutput.Relation
		want string
	}{
		{"fine", relation('d', column("id", int4OID, true), column("city", textOID, false)), ""},
		{"missing", relation('d', column("id", int4OID, true), column("cty", textOID, false)),
			in("attributes.city", `column "city" is not in what the stream sends of "public"."visits"; did you mean "cty"?`+strings.Replace(listed, "city", "cty", 1))},
		{"two at once", relation('d', column("a", int4OID, true)),
			in("key.rid", `column "id" is not in what the stream sends of "public"."visits"; it has a. Correct the name, or add the column to the table or to the publication's column list`) + "\n" +
				in("attributes.city", `column "city" is not in what the stream sends of "public"."visits"; it has a. Correct the name, or add the column to the table or to the publication's column list`)},
		{"bytea", relation('d', column("id", int4OID, true), column("city", byteaOID, false)),
			in("attributes.city", `column "city" has type bytea: binary data has no place in a custom object; leave the column out, or add a text column with an encoded form and map that`)},
		{"money array", relation('d', column("id", int4OID, true), column("city", 791, false)),
			in("attributes.city", `column "city" has type money[]: the text of money depends on the server's locale; change the column to numeric, or add a numeric column and map that`)},
		{"unknown type", relation('d', column("id", int4OID, true), column("city", userOID, false)),
			in("attributes.city", `column "city" has a type that is not known (OID 16400); restart, and report it if it stays`)},
		{"float key", relation('d', column("id", float8OID, true), column("city", textOID, false)),
			in("key.rid", `column "id" has type float8, which is not fit for a key: equal keys need equal texts; choose a column of an integer, text, uuid or date type`)},
		{"unlisted key", relation('d', column("id", 2205, true), column("city", textOID, false)),
			in("key.rid", `column "id" has type regclass, which is not fit for a key: equal keys need equal texts; choose a column of an integer, text, uuid or date type`)},
		{"identity", relation('i', column("id", int4OID, false), column("city", textOID, true)), ""},
		{"identity full", relation('f', column("id", int4OID, false), column("city", textOID, false)), ""},
		{"identity nothing", relation('n', column("id", int4OID, false), column("city", textOID, false)), ""},
		{"no primary key", relation('d', column("id", int4OID, false), column("city", textOID, false)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := compile(t, mapping.Definition{Attributes: city})
			err := s.Bind(tt.rel, nil)
			if got := text(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if s.Bound(tt.rel) != (err == nil) {
				t.Errorf("bound: %t after error %v", s.Bound(tt.rel), err)
			}
		})
	}
}

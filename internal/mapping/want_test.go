package mapping_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func TestFieldsAreWrittenAsMarketoWantsThem(t *testing.T) {
	const smallintOID = 21
	tests := []struct {
		name, field string
		oid         uint32
		text        any
		want        string
	}{
		{"smallint 1", "boolean", smallintOID, "1", `v=true`},
		{"smallint 0", "boolean", smallintOID, "0", `v=false`},
		{"smallint 2", "boolean", smallintOID, "2", `v=2`},
		{"smallint null", "boolean", smallintOID, null, `v=null`},
		{"numeric 1.00", "Boolean", numericOID, "1.00", `v=true`},
		{"numeric 1.50", "boolean", numericOID, "1.50", `v=1.50`},
		{"text t", "boolean", textOID, "t", `v=true`},
		{"text false", "boolean", textOID, "False", `v=false`},
		{"text yes", "boolean", textOID, "YES", `v=true`},
		{"char n", "boolean", bpcharOID, "n  ", `v=false`},
		{"text other", "boolean", textOID, "maybe", `v="maybe"`},
		{"text almost", "boolean", textOID, "yes.", `v="yes."`},
		{"text empty", "boolean", textOID, "", `v=""`},
		{"boolean", "boolean", boolOID, "t", `v=true`},
		{"boolean to text", "string", boolOID, "t", `v="true"`},
		{"boolean to integer", "integer", boolOID, "t", `v=true`},
		{"int to text", "string", int4OID, "5", `v="5"`},
		{"numeric to text", "text", numericOID, "5.50", `v="5.50"`},
		{"int to link", "link", int4OID, "5", `v="5"`},
		{"text to integer", "integer", textOID, "42", `v=42`},
		{"text to integer, zeros", "integer", textOID, "042", `v="042"`},
		{"text to integer, fraction", "integer", textOID, "4.2", `v="4.2"`},
		{"numeric to integer", "integer", numericOID, "42.00", `v=42`},
		{"numeric to integer, fraction", "integer", numericOID, "42.10", `v=42.10`},
		{"text to float", "float", textOID, "4.20", `v=4.20`},
		{"text to currency", "currency", textOID, "-4", `v=-4`},
		{"text to float, other", "float", textOID, "4,2", `v="4,2"`},
		{"date", "date", dateOID, "2024-02-29", `v="2024-02-29"`},
		{"unknown type", "any", smallintOID, "1", `v=1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rel := relation('d', column("id", int4OID, true), column("v", tt.oid, false))
			s := compile(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "V", Column: "v"}, {Attribute: "e", Expr: "v"}}})
			s.Describe(0, marketo.Description{Fields: []marketo.Field{{Name: "v", DataType: tt.field}, {Name: "other", DataType: "boolean"}}})
			if err := s.Bind(rel, nil); err != nil {
				t.Fatal(err)
			}
			got := showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(1, tt.text)}, nil))
			got, _, _ = strings.Cut(strings.Replace(got, " V=", " v=", 1), " e=")
			if want := "UPSERT rid=1 " + tt.want; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestKeysKeepTheirTexts: an object has the same key whether or not Marketo
// could be asked.
func TestKeysKeepTheirTexts(t *testing.T) {
	rel := relation('d', column("a", int4OID, true), column("b", textOID, true), column("c", numericOID, true), column("v", int4OID, false))
	build := func(describe bool) mapping.Write {
		s := compile(t, mapping.Definition{
			Key:        []mapping.Rule{{Attribute: "a", Column: "a"}, {Attribute: "b", Column: "b"}, {Attribute: "c", Column: "c"}},
			Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}, {Attribute: "w", Constant: constant(marketo.Number, "1")}},
			OnDelete:   mapping.DeletePolicy{Set: []mapping.Rule{{Attribute: "w", Constant: constant(marketo.Number, "0")}}},
		})
		if describe {
			s.Describe(0, marketo.Description{Fields: []marketo.Field{
				{Name: "a", DataType: "string"}, {Name: "b", DataType: "integer"}, {Name: "c", DataType: "boolean"}, {Name: "w", DataType: "boolean"}}})
		}
		if err := s.Bind(rel, nil); err != nil {
			t.Fatal(err)
		}
		writes := s.Apply(&pgoutput.Change{Relation: rel, New: row(7, 42, "1.0", 3)}, nil)
		gone := s.Apply(&pgoutput.Change{Relation: rel, Operation: pgoutput.Delete, Old: row(7, 42, "1.0", null), OldIsKey: true}, nil)
		if describe {
			if got, want := showAll(writes)+"; "+showAll(gone), `UPSERT a="7" b=42 c=1 v=3 w=true; UPDATE a="7" b=42 c=1 w=false`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		return writes[0]
	}
	if plain, described := build(false), build(true); plain.Key != described.Key {
		t.Errorf("keys %q and %q", plain.Key, described.Key)
	}
}

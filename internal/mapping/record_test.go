package mapping_test

import (
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func recordable() mapping.Definition {
	return mapping.Definition{
		Name: "a", Schema: "s", Table: "t", Object: "Obj", Operation: marketo.Upsert, Where: "a > 1",
		Key: []mapping.Rule{{Attribute: "rid", Column: "id"}, {Attribute: "kind", Constant: &marketo.Value{Kind: marketo.String, Text: "x"}}},
		Attributes: []mapping.Rule{
			{Attribute: "email", Column: "mail", OmitNull: true}, {Attribute: "size", Expr: "a * 2"},
			{Attribute: "source", Constant: &marketo.Value{Kind: marketo.String, Text: "p<g"}},
			{Attribute: "city", Lookup: &mapping.Lookup{Schema: "s", Table: "u", Column: "c", Match: []mapping.Match{{Theirs: "i", Ours: "a"}, {Theirs: "j", Ours: "b"}}}},
		},
		OnDelete: mapping.DeletePolicy{Set: []mapping.Rule{{Attribute: "gone", Constant: &marketo.Value{Kind: marketo.Boolean, Text: "true"}}}},
	}
}

// Every change of a mapping between two lives is told, and nothing that is none.
func TestCompare(t *testing.T) {
	tests := []struct {
		name   string
		change func(*mapping.Definition)
		want   mapping.Difference
	}{
		{"nothing", func(*mapping.Definition) {}, mapping.Difference{}},
		{"name", func(d *mapping.Definition) { d.Name = "b" }, mapping.Difference{}},
		{"order", func(d *mapping.Definition) {
			d.Attributes[0], d.Attributes[1] = d.Attributes[1], d.Attributes[0]
			d.Key[0], d.Key[1] = d.Key[1], d.Key[0]
		}, mapping.Difference{}},
		{"case of a name", func(d *mapping.Definition) { d.Attributes[0].Attribute = "Email" }, mapping.Difference{}},
		{"columns renamed", func(d *mapping.Definition) {
			d.Key[0].Column, d.Key[0].Former = "visit_id", []string{"visit", "id"}
			d.Attributes[0].Column, d.Attributes[0].Former = "email", []string{"mail"}
		}, mapping.Difference{}},
		{"coalesce, truncate", func(d *mapping.Definition) { d.Separate, d.OnTruncate = true, mapping.TruncateHalt }, mapping.Difference{}},
		{"key column", func(d *mapping.Definition) { d.Key[0].Column = "visit_id" }, mapping.Difference{Key: true, KeyNames: []string{"rid: {column: [visit_id, id]}"}}},
		{"key constant", func(d *mapping.Definition) { d.Key[1].Constant = &marketo.Value{Kind: marketo.String, Text: "y"} }, mapping.Difference{Key: true}},
		{"key field more", func(d *mapping.Definition) {
			d.Key = append(d.Key, mapping.Rule{Attribute: "n", Column: "n"})
		}, mapping.Difference{Key: true}},
		{"key field less", func(d *mapping.Definition) { d.Key = d.Key[:1] }, mapping.Difference{Key: true}},
		{"attribute more", func(d *mapping.Definition) {
			d.Attributes = append(d.Attributes, mapping.Rule{Attribute: "name", Column: "name"})
		}, mapping.Difference{Added: []string{"name"}}},
		{"attribute less", func(d *mapping.Definition) { d.Attributes = d.Attributes[1:] }, mapping.Difference{Removed: []string{"email"}}},
		{"column", func(d *mapping.Definition) { d.Attributes[0].Column = "email" }, mapping.Difference{Changed: []string{"email"}}},
		{"nulls", func(d *mapping.Definition) { d.Attributes[0].OmitNull = false }, mapping.Difference{Changed: []string{"email"}}},
		{"expression", func(d *mapping.Definition) { d.Attributes[1].Expr = "a * 3" }, mapping.Difference{Changed: []string{"size"}}},
		{"column for an expression", func(d *mapping.Definition) {
			d.Attributes[1] = mapping.Rule{Attribute: "size", Column: "a"}
		}, mapping.Difference{Changed: []string{"size"}}},
		{"constant", func(d *mapping.Definition) { d.Attributes[2].Constant.Text = "mysql" }, mapping.Difference{Changed: []string{"source"}}},
		{"constant of another kind", func(d *mapping.Definition) { d.Key[1].Constant = &marketo.Value{Kind: marketo.Null} }, mapping.Difference{Key: true}},
		{"lookup's order", func(d *mapping.Definition) {
			m := d.Attributes[3].Lookup.Match
			m[0], m[1] = m[1], m[0]
		}, mapping.Difference{}},
		{"lookup's match", func(d *mapping.Definition) { d.Attributes[3].Lookup.Match[0].Ours = "c" }, mapping.Difference{Changed: []string{"city"}}},
		{"lookup's table", func(d *mapping.Definition) { d.Attributes[3].Lookup.Table = "v" }, mapping.Difference{Changed: []string{"city"}}},
		{"column for a lookup", func(d *mapping.Definition) { d.Attributes[3] = mapping.Rule{Attribute: "city", Column: "c"} }, mapping.Difference{Changed: []string{"city"}}},
		{"where", func(d *mapping.Definition) { d.Where = "" }, mapping.Difference{Where: true}},
		{"operation", func(d *mapping.Definition) { d.Operation = marketo.Update }, mapping.Difference{Operation: true}},
		{"on_delete", func(d *mapping.Definition) { d.OnDelete = mapping.DeletePolicy{Delete: true} }, mapping.Difference{OnDelete: true}},
		{"on_delete's values", func(d *mapping.Definition) { d.OnDelete.Set[0].Constant.Text = "false" }, mapping.Difference{OnDelete: true}},
		{"characters", func(d *mapping.Definition) { d.Characters = mapping.CharactersStrip }, mapping.Difference{Characters: true}},
		{"beyond_bmp", func(d *mapping.Definition) { d.BeyondBMP = mapping.BeyondStrip }, mapping.Difference{Characters: true}},
	}
	old := recordable()
	for _, tt := range tests {
		now := recordable()
		tt.change(&now)
		got, err := now.Compare(old.Record())
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
		if got.None() != reflect.DeepEqual(got, mapping.Difference{}) {
			t.Errorf("%s: None() is %v", tt.name, got.None())
		}
	}
	old.Key[1].Constant = &marketo.Value{Kind: marketo.Null}
	if got, err := old.Compare(old.Record()); err != nil || !got.None() {
		t.Errorf("a constant null: got %+v, %v", got, err)
	}
	if _, err := old.Compare("{"); err == nil {
		t.Error("a record that is cut: got no error")
	}
}

// What is recorded is in state files: a later release compares with it.
func TestRecordIsStored(t *testing.T) {
	d := recordable()
	const stored = `{"key":[{"attribute":"rid","column":"id"},{"attribute":"kind","constant":"x"}],` +
		`"attributes":[{"attribute":"email","column":"mail","omit_null":true},{"attribute":"size","expr":"a * 2"},{"attribute":"source","constant":"p<g"},` +
		`{"attribute":"city","lookup":{"schema":"s","table":"u","column":"c","match":{"i":"a","j":"b"}}}],` +
		`"where":"a > 1","operation":"UPSERT","on_delete":{"set":[{"attribute":"gone","constant":true}]}}`
	if got := d.Record(); got != stored {
		t.Errorf("recorded:\n got %s\nwant %s", got, stored)
	}
}

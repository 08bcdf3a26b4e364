package mapping_test

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// FuzzArray: whatever the text, the result is JSON or a problem.
func FuzzArray(f *testing.F) {
	for _, seed := range []string{
		"{}", "{1,NULL,3}", `{a,"b,c",NULL,"\"","NULL","back\\slash",""}`, "{{1,2},{3,4}}", "[2:3][1:1]={{1},{2}}",
		`{"{\"a\": 1}"}`, "{t,f}", "{(3,4),(1,2);(7,8),(5,6)}", "{", "{{", `{"`, `{"\`, "[", "[=", "{NaN}", "{{{{{{{}}}}}}}", "{,}", "{1,}",
	} {
		f.Add([]byte(seed))
	}
	oids := []uint32{textArrayOID, int4ArrayOID, float8ArrayOID, boxOID, 1000, 3807, 1185, 1231}
	columns := []pgoutput.Column{column("id", int4OID, true)}
	var rules []mapping.Rule
	for i, oid := range oids {
		name := string(rune('a' + i))
		columns = append(columns, column(name, oid, false))
		rules = append(rules, mapping.Rule{Attribute: name, Column: name})
	}
	rel := relation('d', columns...)
	s := bound(f, mapping.Definition{Attributes: rules}, rel)
	f.Fuzz(func(t *testing.T, text []byte) {
		values := row(1)
		for range oids {
			values = append(values, pgoutput.Value{Kind: pgoutput.Text, Text: text})
		}
		w := s.Apply(&pgoutput.Change{Relation: rel, New: values}, nil)[0]
		for i, v := range w.Object.Values()[1:] {
			if v.Kind != marketo.Omitted && !json.Valid([]byte(v.Text)) {
				t.Errorf("type %d: %q became %q, which is not JSON", oids[i], text, v.Text)
			}
		}
	})
}

// FuzzApply: no tuple makes Apply panic, and every write keeps the promises of
// marketo.Value.
func FuzzApply(f *testing.F) {
	f.Add(uint8(0), uint16(0), uint16(0x5555), []byte("1\x00ny\x0041\x0012.5\x00t\x002024-02-29 12:00:00+00\x00{1,2}"))
	f.Add(uint8(1), uint16(0x5555), uint16(0x1555), []byte("1\x00\x00\x00NaN\x00t\x00infinity\x00{"))
	f.Add(uint8(6), uint16(1), uint16(0), []byte("\xff\x00\x01"))
	var rels []*pgoutput.Relation
	var sets []*mapping.Set
	for _, identity := range []pgoutput.Identity{'d', 'f'} {
		rel := relation(identity, column("id", textOID, true), column("state", textOID, false), column("age", int4OID, false),
			column("amount", numericOID, false), column("vip", boolOID, false), column("seen", timestamptzOID, false), column("tags", textArrayOID, false))
		var rules []mapping.Rule
		for _, c := range rel.Columns[1:] {
			rules = append(rules, mapping.Rule{Attribute: c.Name, Column: c.Name})
		}
		rules = append(rules, mapping.Rule{Attribute: "x", Expr: `seen.Year() + age`}, mapping.Rule{Attribute: "y", Expr: `state ?? string(amount)`})
		for _, policy := range []mapping.DeletePolicy{ignore, del, setGone} {
			d := mapping.Definition{Attributes: rules, Where: "age > 3 || vip", OnDelete: policy}
			rels, sets = append(rels, rel), append(sets, bound(f, d, rel))
		}
	}
	f.Fuzz(func(t *testing.T, flags uint8, oldKinds, newKinds uint16, data []byte) {
		values := func(kinds uint16) []pgoutput.Value {
			var out []pgoutput.Value
			rest := data
			for len(out) < 7 {
				n := 0
				for n < len(rest) && rest[n] != 0 {
					n++
				}
				v := pgoutput.Value{Kind: pgoutput.Kind(kinds & 3 % 3), Text: rest[:n]}
				if rest = rest[n:]; len(rest) > 0 {
					rest = rest[1:]
				}
				kinds >>= 2
				out = append(out, v)
			}
			return out
		}
		for i, s := range sets {
			c := &pgoutput.Change{Relation: rels[i], Operation: pgoutput.Operation(flags % 3), New: values(newKinds)}
			if flags&8 != 0 {
				c.Old, c.OldIsKey = values(oldKinds), flags&16 != 0
			}
			for _, w := range s.Apply(c, nil) {
				checkWrite(t, s, w)
			}
		}
	})
}

func checkWrite(t *testing.T, s *mapping.Set, w mapping.Write) {
	t.Helper()
	if w.Object.Shape != s.Shape(w.Mapping) {
		t.Fatalf("an object of the shape %v", w.Object.Shape)
	}
	if err := w.Object.Check(); err != nil {
		t.Fatal(err)
	}
	if w.Key == "" || w.Reread && w.Problem != nil {
		t.Errorf("key %q, reread %t, problem %v", w.Key, w.Reread, w.Problem)
	}
	if w.Problem == nil && w.Object.Value(0).Text == "" {
		t.Errorf("no key and no problem: %s", show(w))
	}
	for _, v := range w.Object.Values() {
		switch v.Kind {
		case marketo.Omitted, marketo.Null:
			if v.Text != "" {
				t.Errorf("%v has text %q", v.Kind, v.Text)
			}
		case marketo.Boolean:
			if v.Text != "true" && v.Text != "false" {
				t.Errorf("boolean %q", v.Text)
			}
		case marketo.Number:
			if !json.Valid([]byte(v.Text)) {
				t.Errorf("number %q", v.Text)
			}
		case marketo.String:
			if !utf8.ValidString(v.Text) {
				t.Errorf("string %q", v.Text)
			}
		}
	}
}

// FuzzRender: what is rendered reads back as the value it came from.
func FuzzRender(f *testing.F) {
	for _, seed := range []string{"1", "-0.50", "1e+20", "2024-02-29 12:00:00.5+05:30", "2024-02-29", "NaN", "x  ", "0044-03-15 BC"} {
		f.Add(seed)
	}
	rel := relation('d', column("id", int4OID, true), column("n", numericOID, false), column("z", timestamptzOID, false), column("s", textOID, false))
	s := bound(f, mapping.Definition{Attributes: []mapping.Rule{
		{Attribute: "n", Column: "n"}, {Attribute: "z", Column: "z"}, {Attribute: "s", Column: "s"}}}, rel)
	f.Fuzz(func(t *testing.T, text string) {
		w := s.Apply(&pgoutput.Change{Relation: rel, New: row(1, text, text, text)}, nil)[0]
		number, moment, plain := w.Object.Value(1), w.Object.Value(2), w.Object.Value(3)
		if number.Kind == marketo.Number && number.Text != text {
			t.Errorf("number %q became %q", text, number.Text)
		}
		if plain.Kind == marketo.String && plain.Text != text {
			t.Errorf("text %q became %q", text, plain.Text)
		}
		if moment.Kind != marketo.String {
			return
		}
		want, err := time.Parse("2006-01-02 15:04:05Z07", text[:min(len(text), 22)])
		got, parsed := time.Parse("2006-01-02T15:04:05-07:00", moment.Text)
		if err == nil && parsed == nil && len(text) == 22 && !got.Equal(want.Truncate(time.Second)) {
			t.Errorf("time %q became %q", text, moment.Text)
		}
	})
}

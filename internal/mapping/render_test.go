package mapping_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// renderings are by type. The texts on the left are PostgreSQL 15's own, under
// datestyle=ISO, intervalstyle=postgres, extra_float_digits=3. Omitted stands
// for a problem.
var renderings = []struct {
	name string
	oid  uint32
	text string
	kind marketo.Kind
	want string
}{
	{"bool true", boolOID, "t", marketo.Boolean, "true"},
	{"bool false", boolOID, "f", marketo.Boolean, "false"},
	{"bool else", boolOID, "yes", marketo.Omitted, ""},
	{"int2", 21, "-5", marketo.Number, "-5"},
	{"int4", int4OID, "0", marketo.Number, "0"},
	{"int8", int8OID, "-9223372036854775808", marketo.Number, "-9223372036854775808"},
	{"oid", 26, "4294967295", marketo.Number, "4294967295"},
	{"int else", int4OID, "1a", marketo.Omitted, ""},
	{"int empty", int4OID, "", marketo.Omitted, ""},
	{"int padded", int4OID, "007", marketo.Omitted, ""},
	{"numeric", numericOID, "12345678901234567890.123456789", marketo.Number, "12345678901234567890.123456789"},
	{"numeric scale kept", numericOID, "-0.50", marketo.Number, "-0.50"},
	{"numeric NaN", numericOID, "NaN", marketo.Omitted, ""},
	{"numeric infinity", numericOID, "-Infinity", marketo.Omitted, ""},
	{"float8 large", float8OID, "1e+20", marketo.Number, "1e+20"},
	{"float8 small", float8OID, "1.5e-07", marketo.Number, "1.5e-07"},
	{"float4", 700, "0.1", marketo.Number, "0.1"},
	{"float8 NaN", float8OID, "NaN", marketo.Omitted, ""},
	{"float8 infinity", float8OID, "Infinity", marketo.Omitted, ""},
	{"date", dateOID, "2024-02-29", marketo.String, "2024-02-29"},
	{"date first", dateOID, "0001-01-01", marketo.String, "0001-01-01"},
	{"date infinity", dateOID, "infinity", marketo.Omitted, ""},
	{"date BC", dateOID, "0044-03-15 BC", marketo.Omitted, ""},
	{"date 10000", dateOID, "10000-01-01", marketo.Omitted, ""},
	{"date German style", dateOID, "29.02.2024", marketo.Omitted, ""},
	{"timestamptz", timestamptzOID, "2024-02-29 12:00:00+00", marketo.String, "2024-02-29T12:00:00+00:00"},
	{"timestamptz fraction", timestamptzOID, "2024-02-29 10:00:00.5+00", marketo.String, "2024-02-29T10:00:00+00:00"},
	{"timestamptz half hour", timestamptzOID, "2024-02-29 17:30:00+05:30", marketo.String, "2024-02-29T17:30:00+05:30"},
	{"timestamptz west", timestamptzOID, "2024-02-29 17:30:00.123456-08", marketo.String, "2024-02-29T17:30:00-08:00"},
	{"timestamptz offset with seconds", timestamptzOID, "1900-01-01 00:19:32+00:19:32", marketo.Omitted, ""},
	{"timestamptz infinity", timestamptzOID, "-infinity", marketo.Omitted, ""},
	{"timestamptz zone name", timestamptzOID, "2024-02-29 12:00:00 CET", marketo.Omitted, ""},
	{"timestamptz BC", timestamptzOID, "0044-03-15 10:00:00+00 BC", marketo.Omitted, ""},
	{"timestamp", timestampOID, "2024-02-29 12:00:00", marketo.String, "2024-02-29T12:00:00+00:00"},
	{"timestamp fraction", timestampOID, "2024-02-29 12:00:00.000001", marketo.String, "2024-02-29T12:00:00+00:00"},
	{"timestamp BC", timestampOID, "0044-03-15 10:00:00 BC", marketo.Omitted, ""},
	{"timestamp 12345", timestampOID, "12345-01-01 00:00:00", marketo.Omitted, ""},
	{"timestamp cut", timestampOID, "2024-02-29 12:00", marketo.Omitted, ""},
	{"time", 1083, "12:30:00.25", marketo.String, "12:30:00.25"},
	{"timetz", 1266, "12:30:00+05:30", marketo.String, "12:30:00+05:30"},
	{"interval", 1186, "1 year 2 mons -3 days +04:05:06.5", marketo.String, "1 year 2 mons -3 days +04:05:06.5"},
	{"text", textOID, "a'b \t\n é 🙂", marketo.String, "a'b \t\n é 🙂"},
	{"text empty", textOID, "", marketo.String, ""},
	{"varchar blanks kept", varcharOID, "a  ", marketo.String, "a  "},
	{"char(4)", bpcharOID, "a   ", marketo.String, "a"},
	{"uuid", uuidOID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", marketo.String, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{"inet", 869, "192.168.0.1/24", marketo.String, "192.168.0.1/24"},
	{"json", 114, `{ "b":1}`, marketo.String, `{ "b":1}`},
	{"jsonb", jsonbOID, `{"a": [1, 2], "b": 1}`, marketo.String, `{"a": [1, 2], "b": 1}`},
	{"range", 3910, `["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")`, marketo.String, `["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")`},
	{"regclass, not listed", 2205, "visits", marketo.String, "visits"},
	{"int array", int4ArrayOID, "{1,NULL,3}", marketo.String, "[1,null,3]"},
	{"int matrix", int4ArrayOID, "{{1,2},{3,4}}", marketo.String, "[[1,2],[3,4]]"},
	{"int bounds", int4ArrayOID, "[2:3]={1,2}", marketo.String, "[1,2]"},
	{"int array empty", int4ArrayOID, "{}", marketo.String, "[]"},
	{"text array", textArrayOID, `{a,"b,c",NULL,"\"","NULL","back\\slash","","with space"}`, marketo.String, `["a","b,c",null,"\"","NULL","back\\slash","","with space"]`},
	{"text array control", textArrayOID, "{\"a\nb\"}", marketo.String, `["a\u000ab"]`},
	{"float array NaN", float8ArrayOID, "{1.5,NaN}", marketo.Omitted, ""},
	{"bool array", 1000, "{t,f,NULL}", marketo.String, "[true,false,null]"},
	{"timestamptz array", 1185, `{"2024-02-29 12:00:00+00"}`, marketo.String, `["2024-02-29T12:00:00+00:00"]`},
	{"jsonb array", 3807, `{"{\"a\": 1}"}`, marketo.String, `[{"a": 1}]`},
	{"box array", boxOID, "{(3,4),(1,2);(7,8),(5,6)}", marketo.String, `["(3,4),(1,2)","(7,8),(5,6)"]`},
	{"array cut", int4ArrayOID, "{1,2", marketo.Omitted, ""},
	{"array trailing", int4ArrayOID, "{1}x", marketo.Omitted, ""},
}

func TestRender(t *testing.T) {
	for _, tt := range renderings {
		t.Run(tt.name, func(t *testing.T) {
			rel := relation('d', column("id", int4OID, true), column("v", tt.oid, false))
			s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}}}, rel)
			writes := s.Apply(&pgoutput.Change{Relation: rel, New: row(1, tt.text)}, nil)
			if len(writes) != 1 {
				t.Fatalf("got %d writes, want 1", len(writes))
			}
			w := writes[0]
			if got := w.Object.Value(1); got.Kind != tt.kind || got.Text != tt.want {
				t.Errorf("got %v %q, want %v %q", got.Kind, got.Text, tt.kind, tt.want)
			}
			if broken := w.Problem != nil; broken != (tt.kind == marketo.Omitted) {
				t.Errorf("got problem %v", w.Problem)
			}
			if w.Problem == nil {
				return
			}
			if w.Problem.Code != "value" || !strings.Contains(w.Problem.Message, `column "v"`) {
				t.Errorf("problem %v does not name the column", w.Problem)
			}
			if len(tt.text) > 3 && strings.Contains(w.Problem.Message, tt.text) && tt.text != "infinity" {
				t.Errorf("problem %v shows the value", w.Problem)
			}
		})
	}
}

// TestRenderUserTypes: what a type is comes from the catalog, whatever it is
// called.
func TestRenderUserTypes(t *testing.T) {
	const mood, list, domain, lists, point, box, boxes = userOID, 16401, 16402, 16403, 16404, 16405, 16406
	base := catalog.BaseType
	types := []catalog.TypeFacts{
		{OID: mood, Name: "_mood", Kind: catalog.EnumType},
		{OID: list, Name: "__mood", Kind: base, Element: mood, Delimiter: ","},
		{OID: domain, Name: "posint", Kind: catalog.DomainType, Base: int4OID},
		{OID: lists, Name: "lists", Kind: catalog.DomainType, Base: 16407},
		{OID: 16407, Name: "_posint", Kind: base, Element: domain, Delimiter: ","},
		{OID: 16408, Name: "_lists", Kind: base, Element: lists, Delimiter: ","},
		{OID: point, Name: "int4", Schema: "odd", Kind: catalog.CompositeType},
		{OID: 16409, Name: "_int4", Schema: "odd", Kind: base, Element: point, Delimiter: ","},
		{OID: box, Name: "mybox", Kind: catalog.DomainType, Base: 603},
		{OID: boxes, Name: "_mybox", Kind: base, Element: box, Delimiter: ";"},
		{OID: 16410, Name: "flags", Kind: catalog.DomainType, Base: 16411},
		{OID: 16411, Name: "flag", Kind: catalog.DomainType, Base: boolOID},
	}
	facts := &catalog.Facts{Types: map[uint32]catalog.TypeFacts{}}
	for _, typ := range types {
		facts.Types[typ.OID] = typ
	}
	tests := []struct {
		name       string
		oid        uint32
		text, want string
	}{
		{"enum named as an array", mood, "{x}", `v="{x}"`},
		{"enum named as an array", mood, "ok", `v="ok"`},
		{"array of it", list, `{ok,"{x}",NULL}`, `v="[\"ok\",\"{x}\",null]"`},
		{"domain", domain, "5", `v=5`},
		{"domain of a domain", 16410, "t", `v=true`},
		{"array of domain", 16407, "{1,NULL,3}", `v="[1,null,3]"`},
		{"domain over array", lists, "{1,NULL,3}", `v="[1,null,3]"`},
		{"array of domain over array", 16408, `{"{1,2}",NULL,"{{3},{4}}","{}"}`, `v="[[1,2],null,[[3],[4]],[]]"`},
		{"composite named as a number", point, "(5,x)", `v="(5,x)"`},
		{"array of it", 16409, `{"(5,x)","(6,\"y z\")"}`, `v="[\"(5,x)\",\"(6,\\\"y z\\\")\"]"`},
		{"other delimiter", boxes, "{(3,4),(1,2);(7,8),(5,6)}", `v="[\"(3,4),(1,2)\",\"(7,8),(5,6)\"]"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := renderAs(t, tt.oid, facts, tt.text), "UPSERT rid=1 "+tt.want; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestRenderTypesThatAreGone: of a type that was dropped the stream's name is
// all that is known, which does not tell an array from what is called like one.
func TestRenderTypesThatAreGone(t *testing.T) {
	tests := []struct {
		typ        pgoutput.TypeName
		text, want string
	}{
		{pgoutput.TypeName{Schema: "public", Name: "mood"}, "so sad", `v="so sad"`},
		{pgoutput.TypeName{Schema: "public", Name: "mood"}, "{x}", `v="{x}"`},
		{pgoutput.TypeName{Schema: "public", Name: "_mood"}, "ok", `v="ok"`},
		{pgoutput.TypeName{Schema: "public", Name: "_mood"}, "{x}", `problem:value`},
		{pgoutput.TypeName{Schema: "public", Name: "_mood"}, "[2:2]={x}", `problem:value`},
		{pgoutput.TypeName{Schema: "pg_catalog", Name: "int4"}, "5", `v=5`},
		{pgoutput.TypeName{Schema: "", Name: "bool"}, "t", `v=true`},
		{pgoutput.TypeName{Schema: "pg_catalog", Name: "_numeric"}, "{1.0,NULL}", `v="[1.0,null]"`},
		{pgoutput.TypeName{Schema: "pg_catalog", Name: "_box"}, "{(3,4),(1,2);(7,8),(5,6)}", `v="[\"(3,4),(1,2)\",\"(7,8),(5,6)\"]"`},
		{pgoutput.TypeName{Schema: "public", Name: "int4"}, "5", `v="5"`},
		{pgoutput.TypeName{Schema: "public", Name: "citext"}, "Ab", `v="Ab"`},
	}
	for _, tt := range tests {
		t.Run(tt.typ.Schema+"."+tt.typ.Name+" "+tt.text, func(t *testing.T) {
			facts := &catalog.Facts{Named: map[uint32]pgoutput.TypeName{userOID: tt.typ}}
			if got, want := renderAs(t, userOID, facts, tt.text), "UPSERT rid=1 "+tt.want; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func renderAs(t *testing.T, oid uint32, facts *catalog.Facts, text string) string {
	t.Helper()
	rel := relation('d', column("id", int4OID, true), column("v", oid, false))
	s := compile(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}}})
	if err := s.Bind(rel, facts); err != nil {
		t.Fatal(err)
	}
	return showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(1, text)}, nil))
}

func TestCharacters(t *testing.T) {
	tests := []struct{ name, text, strip, replace string }{
		{"control", "a\x01b", "ab", "a\uFFFDb"},
		{"vertical tab", "\vb", "b", "\uFFFDb"},
		{"not UTF-8", "a\xe9", "a", "a\uFFFD"},
		{"surrogate", "\xed\xa0\x80b", "b", "\uFFFD\uFFFD\uFFFDb"},
		{"FFFE", "a\uFFFEb", "ab", "a\uFFFDb"},
		{"FFFF last", "a\uFFFF", "a", "a\uFFFD"},
		{"strip makes no new character", "\xc3\x01\xa9", "", "\uFFFD\uFFFD\uFFFD"},
	}
	rel := relation('d', column("id", int4OID, true), column("v", textOID, false))
	render := func(t *testing.T, policy mapping.CharacterPolicy, text string) string {
		s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}}, Characters: policy}, rel)
		return showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(1, text)}, nil))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := render(t, mapping.CharactersReject, tt.text), "UPSERT rid=1 problem:characters"; got != want {
				t.Errorf("reject: got %s, want %s", got, want)
			}
			if got, want := render(t, mapping.CharactersStrip, tt.text), "UPSERT rid=1 v="+strconv.Quote(tt.strip); got != want {
				t.Errorf("strip: got %s, want %s", got, want)
			}
			if got, want := render(t, mapping.CharactersReplace, tt.text), "UPSERT rid=1 v="+strconv.Quote(tt.replace); got != want {
				t.Errorf("replace: got %s, want %s", got, want)
			}
		})
	}
	if got, want := render(t, mapping.CharactersReject, "\t\r\n\x7f\u0085\uFFFD\U0010FFFF"), "UPSERT rid=1 v="+strconv.Quote("\t\r\n\x7f\u0085\uFFFD\U0010FFFF"); got != want {
		t.Errorf("allowed: got %s, want %s", got, want)
	}
}

func TestBeyondBMP(t *testing.T) {
	rel := relation('d', column("id", textOID, true), column("v", textOID, false), column("tags", textArrayOID, false))
	render := func(characters mapping.CharacterPolicy, beyond mapping.BeyondPolicy, key, text string) string {
		s := bound(t, mapping.Definition{Characters: characters, BeyondBMP: beyond, Attributes: []mapping.Rule{
			{Attribute: "v", Column: "v"}, {Attribute: "tags", Column: "tags"}, {Attribute: "e", Expr: "v"}}}, rel)
		return showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(key, text, "{"+text+"}")}, nil))
	}
	const text = "a🙂é東\x01\U0010FFFFb"
	tests := []struct {
		characters      mapping.CharacterPolicy
		beyond          mapping.BeyondPolicy
		key, text, want string
	}{
		{mapping.CharactersReject, mapping.BeyondKeep, "1", "a🙂b", `rid="1" v="a🙂b" tags="[\"a🙂b\"]" e="a🙂b"`},
		{mapping.CharactersReject, mapping.BeyondStrip, "1", "a🙂b𠮷", `rid="1" v="ab" tags="[\"ab\"]" e="ab"`},
		{mapping.CharactersReject, mapping.BeyondReplace, "1", "a🙂b", `rid="1" v="a�b" tags="[\"a�b\"]" e="a�b"`},
		{mapping.CharactersReject, mapping.BeyondReject, "1", "a🙂b", `rid="1" problem:characters`},
		{mapping.CharactersReject, mapping.BeyondReject, "1", "aé東\uFFFDb", `rid="1" v="aé東�b" tags="[\"aé東�b\"]" e="aé東�b"`},
		{mapping.CharactersReject, mapping.BeyondStrip, "1", text, `rid="1" tags="[\"aé東\\u0001b\"]" problem:characters`},
		{mapping.CharactersStrip, mapping.BeyondReject, "1", text, `rid="1" problem:characters`},
		{mapping.CharactersStrip, mapping.BeyondStrip, "1", text, `rid="1" v="aé東b" tags="[\"aé東\\u0001b\"]" e="aé東b"`},
		{mapping.CharactersStrip, mapping.BeyondReplace, "1", text, `rid="1" v="a�é東�b" tags="[\"a�é東\\u0001�b\"]" e="a�é東�b"`},
		{mapping.CharactersReplace, mapping.BeyondStrip, "1", text, `rid="1" v="aé東�b" tags="[\"aé東\\u0001b\"]" e="aé東�b"`},
		{mapping.CharactersReject, mapping.BeyondKeep, "k🙂", "a", `rid="k🙂" v="a" tags="[\"a\"]" e="a"`},
		{mapping.CharactersReject, mapping.BeyondStrip, "k🙂", "a", `v="a" tags="[\"a\"]" e="a" problem:characters`},
	}
	for _, tt := range tests {
		want := strings.ReplaceAll("UPSERT "+tt.want, "\\ufffd", "\uFFFD")
		if got := strings.ReplaceAll(render(tt.characters, tt.beyond, tt.key, tt.text), "\\ufffd", "\uFFFD"); got != want {
			t.Errorf("%d %d %q: got %s, want %s", tt.characters, tt.beyond, tt.text, got, want)
		}
	}
}

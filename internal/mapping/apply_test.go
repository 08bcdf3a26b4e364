package mapping_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

var (
	ignore  = mapping.DeletePolicy{}
	del     = mapping.DeletePolicy{Delete: true}
	setGone = mapping.DeletePolicy{Set: []mapping.Rule{
		{Attribute: "active", Constant: constant(marketo.Boolean, "false")},
		{Attribute: "city", Constant: constant(marketo.Null, "")},
	}}
)

const (
	insert = pgoutput.Insert
	update = pgoutput.Update
	remove = pgoutput.Delete
	where  = `state != "XX"`
)

// values of a row; see row.
type values = []any

// changes are of the table (id int4, city text, big text, state text); the
// attributes are city and big.
var changes = []struct {
	name     string
	identity pgoutput.Identity
	where    string
	onDelete mapping.DeletePolicy
	op       pgoutput.Operation
	old      values // nil: not sent
	now      values
	want     string
}{
	// Without a condition, by operation, identity and policy.
	{"insert", 'd', "", del, insert, nil, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"insert, identity nothing", 'n', "", ignore, insert, nil, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"insert null", 'd', "", del, insert, nil, values{1, null, "", "s"}, `UPSERT rid=1 city=null big=""`},
	{"insert, filter let the row in", 'd', "", del, insert, nil, values{1, "A", unchanged, "s"}, `UPSERT rid=1 city="A" reread`},
	{"update", 'd', "", del, update, nil, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"update unchanged", 'd', "", del, update, nil, values{1, "A", unchanged, "s"}, `UPSERT rid=1 city="A" partial`},
	{"update unchanged, full", 'f', "", del, update, values{1, "A", "B", "s"}, values{1, "C", unchanged, "s"}, `UPSERT rid=1 city="C" big="B"`},
	{"update unchanged null, full", 'f', "", del, update, values{1, "A", null, "s"}, values{1, "C", unchanged, "s"}, `UPSERT rid=1 city="C" big=null`},
	{"delete ignore", 'd', "", ignore, remove, values{1, null, null, null}, nil, ``},
	{"delete", 'd', "", del, remove, values{1, null, null, null}, nil, `DELETE rid=1`},
	{"delete, full", 'f', "", del, remove, values{1, "A", "B", "s"}, nil, `DELETE rid=1`},
	{"delete, index", 'i', "", del, remove, values{1, null, null, null}, nil, `DELETE rid=1`},
	{"delete set", 'd', "", setGone, remove, values{1, null, null, null}, nil, `UPDATE rid=1 city=null active=false`},
	{"delete set, full", 'f', "", setGone, remove, values{1, "A", "B", "s"}, nil, `UPDATE rid=1 city=null active=false`},

	// Key changes.
	{"key change ignore", 'd', "", ignore, update, values{1, null, null, null}, values{2, "A", "B", "s"}, `UPSERT rid=2 city="A" big="B"`},
	{"key change delete", 'd', "", del, update, values{1, null, null, null}, values{2, "A", "B", "s"}, `DELETE rid=1 | UPSERT rid=2 city="A" big="B"`},
	{"key change set", 'd', "", setGone, update, values{1, null, null, null}, values{2, "A", "B", "s"}, `UPDATE rid=1 city=null active=false | UPSERT rid=2 city="A" big="B"`},
	{"key change unchanged", 'd', "", del, update, values{1, null, null, null}, values{2, "A", unchanged, "s"}, `DELETE rid=1 | UPSERT rid=2 city="A" reread`},
	{"key change unchanged, full", 'f', "", del, update, values{1, "A", "B", "s"}, values{2, "A", unchanged, "s"}, `DELETE rid=1 | UPSERT rid=2 city="A" big="B"`},
	{"old key sent though the same", 'd', "", del, update, values{1, null, null, null}, values{1, "A", unchanged, "s"}, `UPSERT rid=1 city="A" partial`},
	{"key toasted, from old", 'd', "", del, update, values{1, null, null, null}, values{unchanged, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"key toasted, not sent", 'd', "", del, update, nil, values{unchanged, "A", "B", "s"}, `UPSERT city="A" big="B" problem:unchanged`},
	{"key becomes null, full", 'f', "", del, update, values{1, "A", "B", "s"}, values{null, "A", "B", "s"}, `DELETE rid=1 | UPSERT city="A" big="B" problem:null_key`},
	{"key was null, full", 'f', "", del, update, values{null, "A", "B", "s"}, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"delete of a null key, full", 'f', "", del, remove, values{null, "A", "B", "s"}, nil, ``},
	{"delete without old", 'd', "", del, remove, nil, nil, `DELETE problem:unchanged`},
	{"insert null key", 'n', "", del, insert, nil, values{null, "A", "B", "s"}, `UPSERT city="A" big="B" problem:null_key`},

	// With a condition.
	{"where insert", 'd', where, del, insert, nil, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"where insert not", 'd', where, del, insert, nil, values{1, "A", "B", "XX"}, ``},
	{"where update", 'd', where, del, update, nil, values{1, "A", "B", "s"}, `UPSERT rid=1 city="A" big="B"`},
	{"where update unchanged: the object may be new", 'd', where, del, update, nil, values{1, "A", unchanged, "s"}, `UPSERT rid=1 city="A" reread`},
	{"where update no longer", 'd', where, del, update, nil, values{1, "A", unchanged, "XX"}, `DELETE rid=1`},
	{"where update no longer, set", 'd', where, setGone, update, nil, values{1, "A", "B", "XX"}, `UPDATE rid=1 city=null active=false`},
	{"where update no longer, ignore", 'd', where, ignore, update, nil, values{1, "A", "B", "XX"}, ``},
	{"where update still not, full", 'f', where, del, update, values{1, "A", "B", "XX"}, values{1, "C", "B", "XX"}, ``},
	{"where update no longer, full", 'f', where, del, update, values{1, "A", "B", "s"}, values{1, "C", "B", "XX"}, `DELETE rid=1`},
	{"where update from now on, full", 'f', where, del, update, values{1, "A", "B", "XX"}, values{1, "C", unchanged, "s"}, `UPSERT rid=1 city="C" big="B"`},
	{"where toasted", 'd', where, del, update, nil, values{1, "A", "B", unchanged}, `UPSERT rid=1 city="A" big="B" reread`},
	{"where toasted and key unknown", 'd', where, del, update, nil, values{unchanged, "A", "B", unchanged}, `UPSERT city="A" big="B" problem:unchanged`},
	{"where toasted, full", 'f', where, del, update, values{1, "A", "B", "XX"}, values{1, "C", "B", unchanged}, ``},
	{"where delete", 'd', where, del, remove, values{1, null, null, null}, nil, `DELETE rid=1`},
	{"where delete, full", 'f', where, del, remove, values{1, "A", "B", "s"}, nil, `DELETE rid=1`},
	{"where delete not, full", 'f', where, del, remove, values{1, "A", "B", "XX"}, nil, ``},
	{"where key change", 'd', where, del, update, values{1, null, null, null}, values{2, "A", "B", "s"}, `DELETE rid=1 | UPSERT rid=2 city="A" big="B"`},
	{"where key change, no longer", 'd', where, del, update, values{1, null, null, null}, values{2, "A", "B", "XX"}, `DELETE rid=1`},
	{"where key change, from now on, full", 'f', where, del, update, values{1, "A", "B", "XX"}, values{2, "A", "B", "s"}, `UPSERT rid=2 city="A" big="B"`},
	{"where key change, never, full", 'f', where, del, update, values{1, "A", "B", "XX"}, values{2, "A", "B", "XX"}, ``},
	{"where of the key alone, delete", 'd', "id > 10", del, remove, values{1, null, null, null}, nil, ``},
	{"where fails", 'd', "1 % id == 0", del, insert, nil, values{0, "A", "B", "s"}, `UPSERT rid=0 city="A" big="B" problem:expression`},
	{"where null", 'd', "id > len(state)", del, insert, nil, values{1, "A", "B", null}, ``},
}

func TestApply(t *testing.T) {
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			rel := relation(tt.identity, column("id", int4OID, tt.identity != 'n'), column("city", textOID, false),
				column("big", textOID, false), column("state", textOID, false))
			s := bound(t, mapping.Definition{
				Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}, {Attribute: "big", Column: "big"}},
				Where:      tt.where, OnDelete: tt.onDelete,
			}, rel)
			c := &pgoutput.Change{Relation: rel, Operation: tt.op}
			if tt.old != nil {
				c.Old, c.OldIsKey = row(tt.old...), tt.identity != 'f'
			}
			if tt.now != nil {
				c.New = row(tt.now...)
			}
			if got := showAll(s.Apply(c, nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestApplyOperations(t *testing.T) {
	rel := relation('d', column("id", int4OID, true))
	for _, op := range []marketo.Operation{marketo.Upsert, marketo.Insert, marketo.Update} {
		s := bound(t, mapping.Definition{Operation: op, OnDelete: del}, rel)
		writes := s.Apply(&pgoutput.Change{Relation: rel, New: row(1)}, nil)
		writes = s.Apply(&pgoutput.Change{Relation: rel, Operation: pgoutput.Delete, Old: row(1), OldIsKey: true}, writes)
		if got, want := showAll(writes), op.String()+" rid=1 | DELETE rid=1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// An insert that an update asks for counts only where there is no object yet.
func TestApplyInsertIsWhole(t *testing.T) {
	rel := relation('d', column("id", int4OID, true), column("big", textOID, false))
	for op, want := range map[marketo.Operation]string{
		marketo.Insert: "INSERT rid=1 reread", marketo.Update: "UPDATE rid=1 partial", marketo.Upsert: "UPSERT rid=1 partial",
	} {
		s := bound(t, mapping.Definition{Operation: op, Attributes: []mapping.Rule{{Attribute: "big", Column: "big"}}}, rel)
		c := &pgoutput.Change{Relation: rel, Operation: pgoutput.Update, New: row(1, unchanged)}
		if got := showAll(s.Apply(c, nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestApplyNullAndConstants(t *testing.T) {
	rel := relation('d', column("id", int4OID, true), column("a", textOID, false))
	s := bound(t, mapping.Definition{Attributes: []mapping.Rule{
		{Attribute: "clear", Column: "a"},
		{Attribute: "omit", Column: "a", OmitNull: true},
		{Attribute: "exprclear", Expr: "upper(a)"},
		{Attribute: "expromit", Expr: "upper(a)", OmitNull: true},
		{Attribute: "active", Constant: constant(marketo.Boolean, "true")},
		{Attribute: "source", Constant: constant(marketo.String, "pg")},
	}}, rel)
	for in, want := range map[any]string{
		null: `UPSERT rid=1 clear=null exprclear=null active=true source="pg"`,
		"x":  `UPSERT rid=1 clear="x" omit="x" exprclear="X" expromit="X" active=true source="pg"`,
	} {
		if got := showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(1, in)}, nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// One table may feed several mappings; another table feeds none.
func TestApplySeveralMappings(t *testing.T) {
	one := mapping.Definition{Name: "one", Schema: "public", Table: "visits", Object: "One", Key: []mapping.Rule{{Attribute: "k", Column: "id"}}}
	two := one
	two.Name, two.Object = "two", "Two"
	s, err := mapping.Compile([]mapping.Definition{one, two})
	if err != nil {
		t.Fatal(err)
	}
	rel, other := relation('d', column("id", int4OID, true)), relation('d', column("x", int4OID, true))
	other.Name = "others"
	for _, r := range []*pgoutput.Relation{rel, other} {
		if err := s.Bind(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	writes := s.Apply(&pgoutput.Change{Relation: rel, New: row(7)}, nil)
	if len(writes) != 2 || writes[0].Mapping != 0 || writes[1].Mapping != 1 {
		t.Fatalf("got %s, want a write for each mapping", showAll(writes))
	}
	if writes[0].Key == writes[1].Key {
		t.Errorf("two objects share the key %q", writes[0].Key)
	}
	if got := s.Apply(&pgoutput.Change{Relation: other, New: row(7)}, nil); got != nil {
		t.Errorf("got %s of a table that is not mapped", showAll(got))
	}
	if s.Unbind(rel); s.Bound(rel) {
		t.Error("still bound after Unbind")
	}
	if got := s.Apply(&pgoutput.Change{Relation: rel, New: row(7)}, nil); got != nil {
		t.Errorf("got %s of a relation that was unbound", showAll(got))
	}
}

func TestKeys(t *testing.T) {
	key := func(identity pgoutput.Identity, oid uint32, values ...any) string {
		rel := relation(identity, column("a", oid, true), column("b", textOID, true), column("c", textOID, false))
		s := bound(t, mapping.Definition{Key: []mapping.Rule{{Attribute: "a", Column: "a"}, {Attribute: "b", Column: "b"}}}, rel)
		writes := s.Apply(&pgoutput.Change{Relation: rel, New: row(values...)}, nil)
		if len(writes) != 1 {
			t.Fatalf("got %d writes, want 1", len(writes))
		}
		return writes[0].Key
	}
	if got, want := key('d', textOID, "x", "y", "z"), "visit\x00x\x00y\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	same := [][2]string{
		{key('d', numericOID, "1.50", "y", "z"), key('d', numericOID, "1.5", "y", "other")},
		{key('d', numericOID, "10.00", "y", "z"), key('d', numericOID, "10", "y", "z")},
		{key('d', bpcharOID, "ab  ", "y", "z"), key('d', bpcharOID, "ab", "y", "z")},
		{key('f', textOID, null, "y", "z"), key('f', textOID, null, "other", "changed")},
		{key('f', textOID, "", "y", "z"), key('f', textOID, "", "other", "changed")},
		{key('d', dateOID, "infinity", "y", "z"), key('d', dateOID, "infinity", "y", "changed")},
	}
	for _, pair := range same {
		if pair[0] != pair[1] {
			t.Errorf("keys differ: %q and %q", pair[0], pair[1])
		}
	}
	differing := []string{
		key('d', textOID, "x", "yz", ""), key('d', textOID, "xy", "z", ""), key('d', textOID, "x\xff", "y", ""), key('d', textOID, "x\xfe", "y", ""),
		key('f', textOID, null, "y", "1"), key('f', textOID, "y", null, "2"), key('f', textOID, null, null, "2"), key('f', textOID, "", "y", "2"),
		key('f', textOID, "null", "y", "2"), key('f', textOID, "n", "y", "2"), key('d', dateOID, "infinity", "y", ""), key('d', dateOID, "-infinity", "y", ""),
	}
	seen := map[string]int{}
	for i, k := range differing {
		if j, ok := seen[k]; ok {
			t.Errorf("rows %d and %d share the key %q", j, i, k)
		}
		seen[k] = i
	}
	if k := key('f', textOID, null, "secret", "secret"); strings.Contains(k, "secret") {
		t.Errorf("key %q shows a value of the row", k)
	}
}

// A numeric key that is only written differently is no key change.
func TestKeyWrittenDifferently(t *testing.T) {
	rel := relation('d', column("id", numericOID, true))
	s := bound(t, mapping.Definition{OnDelete: del}, rel)
	c := &pgoutput.Change{Relation: rel, Operation: pgoutput.Update, Old: row("1.0"), OldIsKey: true, New: row("1.00")}
	if got, want := showAll(s.Apply(c, nil)), "UPSERT rid=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeyProblems(t *testing.T) {
	tests := []struct {
		name string
		oid  uint32
		text string
		want string
	}{
		{"sub-second", timestamptzOID, "2024-02-29 12:00:00.5+00", "UPSERT problem:value"},
		{"whole second", timestamptzOID, "2024-02-29 12:00:00.000+00", `UPSERT rid="2024-02-29T12:00:00+00:00"`},
		{"characters, whatever the policy", textOID, "a\x01", "UPSERT problem:characters"},
		{"empty", textOID, "", "UPSERT problem:null_key"},
		{"blank char", bpcharOID, "   ", "UPSERT problem:null_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rel := relation('d', column("id", tt.oid, true))
			s := bound(t, mapping.Definition{Characters: mapping.CharactersStrip}, rel)
			if got := showAll(s.Apply(&pgoutput.Change{Relation: rel, New: row(tt.text)}, nil)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The writes stay as they are when the message they came from is overwritten,
// and all their texts lie in one string.
func TestWriteOwnsItsMemory(t *testing.T) {
	rel := relation('d', column("id", int4OID, true), column("a", textOID, false))
	s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "a", Column: "a"}, {Attribute: "b", Expr: "a"}}}, rel)
	values := row(12, "text")
	first := s.Apply(&pgoutput.Change{Relation: rel, New: values}, nil)
	for i := range values {
		for j := range values[i].Text {
			values[i].Text[j] = '9'
		}
	}
	s.Apply(&pgoutput.Change{Relation: rel, New: row(34, "other")}, nil)
	if got, want := showAll(first), `UPSERT rid=12 a="text" b="text"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := first[0].Bytes; got < len(first[0].Key)+8+3*8 {
		t.Errorf("got %d bytes, fewer than it holds", got)
	}
}

func TestRow(t *testing.T) {
	rel := relation('d', column("id", int4OID, true), column("city", textOID, false))
	for _, tt := range []struct {
		policy     mapping.DeletePolicy
		city       string
		want, gone string
	}{
		{del, "A", `UPSERT rid=1 city="A"`, "DELETE rid=1"},
		{del, "XX", "", "DELETE rid=1"},
		{setGone, "XX", "", "UPDATE rid=1 city=null active=false"},
		{ignore, "XX", "", ""},
	} {
		s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}}, Where: `city != "XX"`, OnDelete: tt.policy}, rel)
		w, matches, err := s.Row(0, rel, row(1, tt.city))
		if err != nil {
			t.Fatal(err)
		}
		if matches != (tt.want != "") || matches && show(w) != tt.want {
			t.Errorf("got %s, %t; want %q", show(w), matches, tt.want)
		}
		if w.Key != "visit\x001\x00" {
			t.Errorf("got key %q", w.Key)
		}
		before := show(w)
		gone, ok := s.Gone(w)
		if ok != (tt.gone != "") || ok && (show(gone) != tt.gone || gone.Key != w.Key) {
			t.Errorf("gone: got %s, %t; want %q", show(gone), ok, tt.gone)
		}
		if show(w) != before {
			t.Errorf("Gone changed the write it was given: %s", show(w))
		}
	}
	s := compile(t, mapping.Definition{})
	if _, _, err := s.Row(0, rel, row(1, "A")); err == nil {
		t.Error("got no error for a relation that is not bound")
	}
}

// Every text that is not plain is written as such, in the key as elsewhere.
func TestTextsThatAreEscaped(t *testing.T) {
	rel := relation('d', column("id", bpcharOID, true), column("name", textOID, false), column("tags", textArrayOID, false))
	s := bound(t, mapping.Definition{Attributes: []mapping.Rule{
		{Attribute: "name", Column: "name"}, {Attribute: "tags", Column: "tags"}, {Attribute: "both", Expr: "name + id"},
		{Attribute: "fixed", Constant: constant(marketo.String, "R&D")},
	}}, rel)
	for _, text := range []string{"plain", "a<b", "R&D", `"quoted"`, `back\slash`, "Zürich", "two\nlines"} {
		w := s.Apply(&pgoutput.Change{Relation: rel, New: row(text+"  ", text, "{x}")}, nil)[0]
		if err := w.Object.Check(); err != nil || w.Object.Value(0).Text != text || w.Object.Value(1).Text != text {
			t.Errorf("%q: %s, %v", text, show(w), err)
		}
	}
}

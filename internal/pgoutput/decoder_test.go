package pgoutput_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
)

func decodeAll(t testing.TB, d *pgoutput.Decoder, messages ...pgoutputtest.Message) pgoutput.Message {
	t.Helper()
	var last pgoutput.Message
	for _, m := range messages {
		var err error
		if last, err = d.Decode(m); err != nil {
			t.Fatalf("Decode(%q) = %v", m, err)
		}
	}
	return last
}

func TestDecodeRows(t *testing.T) {
	tests := []struct {
		name     string
		message  pgoutputtest.Message
		op       pgoutput.Operation
		old, new string
		oldIsKey bool
	}{
		{"insert", pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", nil, ""), pgoutput.Insert, "-", `"1" null ""`, false},
		{"update", pgoutputtest.Start('U').U32(16385).Byte('N').Tuple("1", true, "c"), pgoutput.Update, "-", `"1" unchanged "c"`, false},
		{"update of the key", pgoutputtest.Start('U').U32(16385).Byte('K').Tuple("1", nil, nil).Byte('N').Tuple("2", true, "c"), pgoutput.Update, `"1" null null`, `"2" unchanged "c"`, true},
		{"update under full", pgoutputtest.Start('U').U32(16385).Byte('O').Tuple("1", "b", nil).Byte('N').Tuple("1", true, "c"), pgoutput.Update, `"1" "b" null`, `"1" unchanged "c"`, false},
		{"delete", pgoutputtest.Start('D').U32(16385).Byte('K').Tuple("1", nil, nil), pgoutput.Delete, `"1" null null`, "-", true},
		{"delete under full", pgoutputtest.Start('D').U32(16385).Byte('O').Tuple("1", "b", "c"), pgoutput.Delete, `"1" "b" "c"`, "-", false},
	}
	var d pgoutput.Decoder
	decodeAll(t, &d, pgoutputtest.Begin(100), pgoutputtest.People("id", "name", "city"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := decodeAll(t, &d, tt.message)
			c, ok := m.(*pgoutput.Change)
			if !ok {
				t.Fatalf("got %T, want *Change", m)
			}
			if c.Operation != tt.op || c.OldIsKey != tt.oldIsKey || pgoutputtest.Show(c.Old) != tt.old || pgoutputtest.Show(c.New) != tt.new {
				t.Errorf("got %v old %s (key %v) new %s; want %v old %s (key %v) new %s",
					c.Operation, pgoutputtest.Show(c.Old), c.OldIsKey, pgoutputtest.Show(c.New), tt.op, tt.old, tt.oldIsKey, tt.new)
			}
			if c.Relation.Name != "people" {
				t.Errorf("relation = %s, want people", c.Relation.Name)
			}
		})
	}
}

func TestDecodeOthers(t *testing.T) {
	var d pgoutput.Decoder
	b := decodeAll(t, &d, pgoutputtest.Begin(100)).(*pgoutput.Begin)
	if b.Final != 100 || b.XID != 77 || !b.Time.Equal(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)) {
		t.Errorf("begin = %+v", b)
	}
	if !d.InTransaction() {
		t.Error("InTransaction() = false after begin")
	}
	y := decodeAll(t, &d, pgoutputtest.Start('Y').U32(20000).CString("").CString("int4")).(*pgoutput.Type)
	if want := (pgoutput.TypeName{Schema: "pg_catalog", Name: "int4"}); y.ID != 20000 || y.Name != want {
		t.Errorf("type = %+v, want %+v", y, want)
	}
	if name, ok := d.TypeName(20000); !ok || name.Name != "int4" {
		t.Errorf("TypeName(20000) = %v, %v", name, ok)
	}
	r := decodeAll(t, &d, pgoutputtest.People("id", "name")).(*pgoutput.Relation)
	want := pgoutput.Column{Name: "id", Type: 25, Modifier: -1, Key: true}
	if r.ID != 16385 || r.Schema != "public" || r.Identity != pgoutput.IdentityDefault || r.Columns[0] != want || r.Columns[1].Key {
		t.Errorf("relation = %+v", r)
	}
	tr := decodeAll(t, &d, pgoutputtest.Start('T').U32(1).Byte(3).U32(16385)).(*pgoutput.Truncate)
	if len(tr.Relations) != 1 || tr.Relations[0] != r || !tr.Cascade || !tr.Restart {
		t.Errorf("truncate = %+v", tr)
	}
	l := decodeAll(t, &d, append(pgoutputtest.Start('M').Byte(1).U64(90).CString("cdcsync").U32(2), "hi"...)).(*pgoutput.Logical)
	if !l.Transactional || l.LSN != 90 || l.Prefix != "cdcsync" || string(l.Content) != "hi" {
		t.Errorf("logical = %+v", l)
	}
	o := decodeAll(t, &d, pgoutputtest.Start('O').U64(5).CString("elsewhere")).(*pgoutput.Origin)
	if o.Name != "elsewhere" {
		t.Errorf("origin = %+v", o)
	}
	c := decodeAll(t, &d, pgoutputtest.Commit(100, 150)).(*pgoutput.Commit)
	if c.LSN != 100 || c.End != 150 || !c.Time.Equal(time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC)) {
		t.Errorf("commit = %+v", c)
	}
	if d.InTransaction() {
		t.Error("InTransaction() = true after commit")
	}
	// The next transaction may start where the last one ended.
	decodeAll(t, &d, pgoutputtest.Start('M').Byte(0).U64(120).CString("p").U32(0), pgoutputtest.Begin(150), pgoutputtest.Commit(150, 180))

	d.Reset()
	if _, ok := d.TypeName(20000); ok {
		t.Error("TypeName(20000) is known after Reset")
	}
	decodeAll(t, &d, pgoutputtest.Begin(100))
}

// TestRelationsNeverChange: what was handed out stays as it is.
func TestRelationsNeverChange(t *testing.T) {
	var d pgoutput.Decoder
	decodeAll(t, &d, pgoutputtest.Begin(100))
	first := decodeAll(t, &d, pgoutputtest.People("id", "name")).(*pgoutput.Relation)
	change := decodeAll(t, &d, pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "x")).(*pgoutput.Change)
	if change.Relation != first {
		t.Error("the row's relation is not the one that was handed out")
	}
	second := decodeAll(t, &d, pgoutputtest.People("id", "full_name", "city")).(*pgoutput.Relation)
	if first == second || first.Columns[1].Name != "name" || len(first.Columns) != 2 {
		t.Errorf("the old relation became %+v", first)
	}
	change = decodeAll(t, &d, pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "x", "y")).(*pgoutput.Change)
	if change.Relation != second {
		t.Errorf("a row after the change has the relation %+v", change.Relation)
	}
}

func TestDecodeErrors(t *testing.T) {
	insert := pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "b")
	opened := []pgoutputtest.Message{pgoutputtest.Begin(100), pgoutputtest.People("id", "name")}
	closed := []pgoutputtest.Message{pgoutputtest.Begin(100), pgoutputtest.People("id", "name"), pgoutputtest.Commit(100, 150)}
	tests := []struct {
		name    string
		before  []pgoutputtest.Message
		message pgoutputtest.Message
		want    string
	}{
		{"empty", nil, pgoutputtest.Message{}, "empty message"},
		{"unknown kind", nil, pgoutputtest.Start('Q'), `message 'Q': unknown kind`},
		{"stream start", nil, pgoutputtest.Start('S').U32(1).Byte(1), "not asked for"},
		{"stream commit", nil, pgoutputtest.Start('c'), "not asked for"},
		{"prepare", nil, pgoutputtest.Start('P'), "two_phase"},
		{"begin prepare", nil, pgoutputtest.Start('b'), "two_phase"},
		{"nested begin", opened, pgoutputtest.Begin(200), "inside"},
		{"begin in the past", closed, pgoutputtest.Begin(149), "after the transaction that ended"},
		{"commit without begin", nil, pgoutputtest.Commit(100, 150), "without begin"},
		{"commit of another", opened, pgoutputtest.Commit(101, 150), "begin announced 0/64"},
		{"commit that ends before it starts", opened, pgoutputtest.Commit(100, 100), "ends at"},
		{"row outside", closed, insert, "outside a transaction"},
		{"truncate outside", closed, pgoutputtest.Start('T').U32(0).Byte(0), "outside a transaction"},
		{"transactional message outside", nil, pgoutputtest.Start('M').Byte(1).U64(9).CString("").U32(0), "outside a transaction"},
		{"unknown relation", opened, pgoutputtest.Start('I').U32(9).Byte('N').Tuple("1"), "relation 9 was not described"},
		{"truncate of unknown relation", opened, pgoutputtest.Start('T').U32(1).Byte(0).U32(9), "relation 9 was not described"},
		{"too few columns", opened, pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1"), "a row of 1 columns, where relation public.people has 2"},
		{"too many columns", opened, pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "2", "3"), "has 2"},
		{"binary value", opened, pgoutputtest.Start('I').U32(16385).Byte('N').U16(2).Byte('b').U32(0).Byte('n'), "binary value"},
		{"unknown value", opened, pgoutputtest.Start('I').U32(16385).Byte('N').U16(2).Byte('x').Byte('n'), "unknown kind of value 'x'"},
		{"insert without new", opened, pgoutputtest.Start('I').U32(16385).Byte('K').Tuple("1", "b"), "unknown part 'K'"},
		{"update without new", opened, pgoutputtest.Start('U').U32(16385).Byte('X').Tuple("1", "b"), "unknown part 'X'"},
		{"delete without old", opened, pgoutputtest.Start('D').U32(16385).Byte('N').Tuple("1", "b"), "unknown part 'N'"},
		{"negative length", opened, pgoutputtest.Start('I').U32(16385).Byte('N').U16(2).Byte('t').U32(0xffffffff).Byte('n'), "truncated"},
		{"huge length", opened, pgoutputtest.Start('I').U32(16385).Byte('N').U16(2).Byte('t').U32(1 << 30).Byte('n'), "truncated"},
		{"huge column count", opened, pgoutputtest.Start('R').U32(1).CString("s").CString("t").Byte('d').U16(65535), "truncated"},
		{"huge truncate count", opened, pgoutputtest.Start('T').U32(1 << 31).Byte(0), "truncated"},
		{"truncate of nothing", opened, pgoutputtest.Start('T').U32(0).Byte(0), "no relation"},
		{"unknown identity", opened, pgoutputtest.Start('R').U32(1).CString("s").CString("t").Byte('z').U16(0), "replica identity 'z'"},
		{"string without end", opened, append(pgoutputtest.Start('O').U64(1), "abc"...), "without an end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d pgoutput.Decoder
			decodeAll(t, &d, tt.before...)
			m, err := d.Decode(tt.message)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode() = %v, %v; want an error with %q", m, err, tt.want)
			}
			if m != nil {
				t.Errorf("Decode() = %v beside the error, want nil", m)
			}
		})
	}
}

// TestErrorsLeaveTheDecoder: a bad message does not change what comes after.
func TestErrorsLeaveTheDecoder(t *testing.T) {
	var d pgoutput.Decoder
	decodeAll(t, &d, pgoutputtest.Begin(100), pgoutputtest.People("id", "name"))
	bad := []pgoutputtest.Message{
		pgoutputtest.Begin(300), pgoutputtest.Commit(101, 150), pgoutputtest.People("id", "name")[:20],
		append(pgoutputtest.People("only"), 'x'), append(pgoutputtest.Commit(100, 150), 'x'),
	}
	for _, m := range bad {
		if _, err := d.Decode(m); err == nil {
			t.Fatalf("Decode(%q): got no error", m)
		}
	}
	decodeAll(t, &d, pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "b"), pgoutputtest.Commit(100, 150))
}

// valid is one message of each kind, to be read inside the transaction that
// opens at 100.
func valid() map[string]pgoutputtest.Message {
	return map[string]pgoutputtest.Message{
		"relation": pgoutputtest.People("id", "name"),
		"type":     pgoutputtest.Start('Y').U32(20000).CString("public").CString("mood"),
		"insert":   pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("1", "b"),
		"update":   pgoutputtest.Start('U').U32(16385).Byte('O').Tuple("1", "a").Byte('N').Tuple("1", true),
		"delete":   pgoutputtest.Start('D').U32(16385).Byte('K').Tuple("1", nil),
		"truncate": pgoutputtest.Start('T').U32(1).Byte(0).U32(16385),
		"logical":  append(pgoutputtest.Start('M').Byte(1).U64(90).CString("p").U32(2), "hi"...),
		"origin":   pgoutputtest.Start('O').U64(1).CString("o"),
		"commit":   pgoutputtest.Commit(100, 150),
	}
}

// TestEveryLength: a message cut anywhere, or one byte too long, is an error.
func TestEveryLength(t *testing.T) {
	for name, m := range valid() {
		t.Run(name, func(t *testing.T) {
			for n := range len(m) + 2 {
				var d pgoutput.Decoder
				decodeAll(t, &d, pgoutputtest.Begin(100), pgoutputtest.People("id", "name"))
				cut := append(append(pgoutputtest.Message{}, m...), 0)[:n]
				got, err := d.Decode(cut)
				if whole := n == len(m); (err == nil) != whole {
					t.Errorf("%d of %d bytes: got %v, %v", n, len(m), got, err)
				}
			}
		})
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var d pgoutput.Decoder
	decodeAll(t, &d, pgoutputtest.Begin(100), pgoutputtest.People("id", "name"))
	rows := []pgoutputtest.Message{valid()["insert"], valid()["update"], valid()["delete"], valid()["truncate"]}
	decodeAll(t, &d, rows...)
	got := testing.AllocsPerRun(100, func() {
		for _, m := range rows {
			if _, err := d.Decode(m); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for four rows, want 0", got)
	}
	decodeAll(t, &d, pgoutputtest.Commit(100, 150))
	const runs = 100
	var bounds []pgoutputtest.Message // AllocsPerRun makes one run more
	for end := uint64(150); len(bounds) < 2*(runs+1); end++ {
		bounds = append(bounds, pgoutputtest.Begin(end), pgoutputtest.Commit(end, end+1))
	}
	got = testing.AllocsPerRun(runs, func() {
		for _, m := range bounds[:2] {
			if _, err := d.Decode(m); err != nil {
				t.Fatal(err)
			}
		}
		bounds = bounds[2:]
	})
	if got != 0 {
		t.Errorf("%v allocations for begin and commit, want 0", got)
	}
}

func BenchmarkDecode(b *testing.B) {
	wide := make([]string, 50)
	wideValues := make([]any, 50)
	for i := range wide {
		wide[i], wideValues[i] = fmt.Sprint("c", i), strings.Repeat("x", 200)
	}
	benchmarks := []struct {
		name     string
		relation pgoutputtest.Message
		row      pgoutputtest.Message
	}{
		{"insert 6 columns", pgoutputtest.People("id", "lead", "city", "zip", "state", "at"),
			pgoutputtest.Start('I').U32(16385).Byte('N').Tuple("4711", "123456", "Springfield", "12345", "IL", "2024-02-29 12:34:56.789012+00")},
		{"update 6 columns full", pgoutputtest.People("id", "lead", "city", "zip", "state", "at"),
			pgoutputtest.Start('U').U32(16385).Byte('O').Tuple("4711", "1", "Springfield", "12345", "IL", nil).
				Byte('N').Tuple("4711", "1", "Springfield", "12345", true, "2024-02-29 12:34:56.789012+00")},
		{"insert 50 columns", pgoutputtest.People(wide...), pgoutputtest.Start('I').U32(16385).Byte('N').Tuple(wideValues...)},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			var d pgoutput.Decoder
			decodeAll(b, &d, pgoutputtest.Begin(100), bb.relation)
			b.SetBytes(int64(len(bb.row)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(bb.row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package replication_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// message builds a pgoutput message field by field.
type message []byte

func (m message) byte(b byte) message     { return append(m, b) }
func (m message) u16(v int) message       { return binary.BigEndian.AppendUint16(m, uint16(v)) }
func (m message) u32(v uint32) message    { return binary.BigEndian.AppendUint32(m, v) }
func (m message) u64(v uint64) message    { return binary.BigEndian.AppendUint64(m, v) }
func (m message) cstr(s string) message   { return append(append(m, s...), 0) }
func (m message) text(s string) message   { return append(m.byte('t').u32(uint32(len(s))), s...) }
func (m message) tuple(vs ...any) message { return m.u16(len(vs)).values(vs...) }

// values appends a string as text, nil as null and true as unchanged.
func (m message) values(vs ...any) message {
	for _, v := range vs {
		switch v := v.(type) {
		case nil:
			m = m.byte('n')
		case bool:
			m = m.byte('u')
		case string:
			m = m.text(v)
		}
	}
	return m
}

func start(kind byte) message { return message{kind} }

func begin(final uint64) message { return start('B').u64(final).u64(1_000_000).u32(77) }

func commit(lsn, end uint64) message { return start('C').byte(0).u64(lsn).u64(end).u64(2_000_000) }

func people(columns ...string) message {
	m := start('R').u32(16385).cstr("public").cstr("people").byte('d').u16(len(columns))
	for i, c := range columns {
		key := byte(0)
		if i == 0 {
			key = 1
		}
		m = m.byte(key).cstr(c).u32(25).u32(0xffffffff)
	}
	return m
}

func decodeAll(t testing.TB, d *replication.Decoder, messages ...message) replication.Message {
	t.Helper()
	var last replication.Message
	for _, m := range messages {
		var err error
		if last, err = d.Decode(m); err != nil {
			t.Fatalf("Decode(%q) = %v", m, err)
		}
	}
	return last
}

// show renders values for comparing: null, unchanged, and text in quotes.
func show(values []replication.Value) string {
	if values == nil {
		return "-"
	}
	parts := make([]string, len(values))
	for i, v := range values {
		switch v.Kind {
		case replication.Null:
			parts[i] = "null"
		case replication.Unchanged:
			parts[i] = "unchanged"
		case replication.Text:
			parts[i] = fmt.Sprintf("%q", v.Text)
		}
	}
	return strings.Join(parts, " ")
}

func TestDecodeRows(t *testing.T) {
	tests := []struct {
		name     string
		message  message
		op       replication.Operation
		old, new string
		oldIsKey bool
	}{
		{"insert", start('I').u32(16385).byte('N').tuple("1", nil, ""), replication.Insert, "-", `"1" null ""`, false},
		{"update", start('U').u32(16385).byte('N').tuple("1", true, "c"), replication.Update, "-", `"1" unchanged "c"`, false},
		{"update of the key", start('U').u32(16385).byte('K').tuple("1", nil, nil).byte('N').tuple("2", true, "c"), replication.Update, `"1" null null`, `"2" unchanged "c"`, true},
		{"update under full", start('U').u32(16385).byte('O').tuple("1", "b", nil).byte('N').tuple("1", true, "c"), replication.Update, `"1" "b" null`, `"1" unchanged "c"`, false},
		{"delete", start('D').u32(16385).byte('K').tuple("1", nil, nil), replication.Delete, `"1" null null`, "-", true},
		{"delete under full", start('D').u32(16385).byte('O').tuple("1", "b", "c"), replication.Delete, `"1" "b" "c"`, "-", false},
	}
	var d replication.Decoder
	decodeAll(t, &d, begin(100), people("id", "name", "city"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := decodeAll(t, &d, tt.message)
			c, ok := m.(*replication.Change)
			if !ok {
				t.Fatalf("got %T, want *Change", m)
			}
			if c.Operation != tt.op || c.OldIsKey != tt.oldIsKey || show(c.Old) != tt.old || show(c.New) != tt.new {
				t.Errorf("got %v old %s (key %v) new %s; want %v old %s (key %v) new %s",
					c.Operation, show(c.Old), c.OldIsKey, show(c.New), tt.op, tt.old, tt.oldIsKey, tt.new)
			}
			if c.Relation.Name != "people" {
				t.Errorf("relation = %s, want people", c.Relation.Name)
			}
		})
	}
}

func TestDecodeOthers(t *testing.T) {
	var d replication.Decoder
	b := decodeAll(t, &d, begin(100)).(*replication.Begin)
	if b.Final != 100 || b.XID != 77 || !b.Time.Equal(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)) {
		t.Errorf("begin = %+v", b)
	}
	if !d.InTransaction() {
		t.Error("InTransaction() = false after begin")
	}
	y := decodeAll(t, &d, start('Y').u32(20000).cstr("").cstr("int4")).(*replication.Type)
	if want := (replication.TypeName{Schema: "pg_catalog", Name: "int4"}); y.ID != 20000 || y.Name != want {
		t.Errorf("type = %+v, want %+v", y, want)
	}
	if name, ok := d.TypeName(20000); !ok || name.Name != "int4" {
		t.Errorf("TypeName(20000) = %v, %v", name, ok)
	}
	r := decodeAll(t, &d, people("id", "name")).(*replication.Relation)
	want := replication.Column{Name: "id", Type: 25, Modifier: -1, Key: true}
	if r.ID != 16385 || r.Schema != "public" || r.Identity != replication.IdentityDefault || r.Columns[0] != want || r.Columns[1].Key {
		t.Errorf("relation = %+v", r)
	}
	tr := decodeAll(t, &d, start('T').u32(1).byte(3).u32(16385)).(*replication.Truncate)
	if len(tr.Relations) != 1 || tr.Relations[0] != r || !tr.Cascade || !tr.Restart {
		t.Errorf("truncate = %+v", tr)
	}
	l := decodeAll(t, &d, append(start('M').byte(1).u64(90).cstr("cdcsync").u32(2), "hi"...)).(*replication.Logical)
	if !l.Transactional || l.LSN != 90 || l.Prefix != "cdcsync" || string(l.Content) != "hi" {
		t.Errorf("logical = %+v", l)
	}
	o := decodeAll(t, &d, start('O').u64(5).cstr("elsewhere")).(*replication.Origin)
	if o.Name != "elsewhere" {
		t.Errorf("origin = %+v", o)
	}
	c := decodeAll(t, &d, commit(100, 150)).(*replication.Commit)
	if c.LSN != 100 || c.End != 150 || !c.Time.Equal(time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC)) {
		t.Errorf("commit = %+v", c)
	}
	if d.InTransaction() {
		t.Error("InTransaction() = true after commit")
	}
	// The next transaction may start where the last one ended.
	decodeAll(t, &d, start('M').byte(0).u64(120).cstr("p").u32(0), begin(150), commit(150, 180))

	d.Reset()
	if _, ok := d.TypeName(20000); ok {
		t.Error("TypeName(20000) is known after Reset")
	}
	decodeAll(t, &d, begin(100))
}

// TestRelationsNeverChange: what was handed out stays as it is.
func TestRelationsNeverChange(t *testing.T) {
	var d replication.Decoder
	decodeAll(t, &d, begin(100))
	first := decodeAll(t, &d, people("id", "name")).(*replication.Relation)
	change := decodeAll(t, &d, start('I').u32(16385).byte('N').tuple("1", "x")).(*replication.Change)
	if change.Relation != first {
		t.Error("the row's relation is not the one that was handed out")
	}
	second := decodeAll(t, &d, people("id", "full_name", "city")).(*replication.Relation)
	if first == second || first.Columns[1].Name != "name" || len(first.Columns) != 2 {
		t.Errorf("the old relation became %+v", first)
	}
	change = decodeAll(t, &d, start('I').u32(16385).byte('N').tuple("1", "x", "y")).(*replication.Change)
	if change.Relation != second {
		t.Errorf("a row after the change has the relation %+v", change.Relation)
	}
}

func TestDecodeErrors(t *testing.T) {
	insert := start('I').u32(16385).byte('N').tuple("1", "b")
	opened := []message{begin(100), people("id", "name")}
	closed := []message{begin(100), people("id", "name"), commit(100, 150)}
	tests := []struct {
		name    string
		before  []message
		message message
		want    string
	}{
		{"empty", nil, message{}, "empty message"},
		{"unknown kind", nil, start('Q'), `message 'Q': unknown kind`},
		{"stream start", nil, start('S').u32(1).byte(1), "not asked for"},
		{"stream commit", nil, start('c'), "not asked for"},
		{"prepare", nil, start('P'), "two_phase"},
		{"begin prepare", nil, start('b'), "two_phase"},
		{"nested begin", opened, begin(200), "inside"},
		{"begin in the past", closed, begin(149), "after the transaction that ended"},
		{"commit without begin", nil, commit(100, 150), "without begin"},
		{"commit of another", opened, commit(101, 150), "begin announced 0/64"},
		{"commit that ends before it starts", opened, commit(100, 100), "ends at"},
		{"row outside", closed, insert, "outside a transaction"},
		{"truncate outside", closed, start('T').u32(0).byte(0), "outside a transaction"},
		{"transactional message outside", nil, start('M').byte(1).u64(9).cstr("").u32(0), "outside a transaction"},
		{"unknown relation", opened, start('I').u32(9).byte('N').tuple("1"), "relation 9 was not described"},
		{"truncate of unknown relation", opened, start('T').u32(1).byte(0).u32(9), "relation 9 was not described"},
		{"too few columns", opened, start('I').u32(16385).byte('N').tuple("1"), "a row of 1 columns, where relation public.people has 2"},
		{"too many columns", opened, start('I').u32(16385).byte('N').tuple("1", "2", "3"), "has 2"},
		{"binary value", opened, start('I').u32(16385).byte('N').u16(2).byte('b').u32(0).byte('n'), "binary value"},
		{"unknown value", opened, start('I').u32(16385).byte('N').u16(2).byte('x').byte('n'), "unknown kind of value 'x'"},
		{"insert without new", opened, start('I').u32(16385).byte('K').tuple("1", "b"), "unknown part 'K'"},
		{"update without new", opened, start('U').u32(16385).byte('X').tuple("1", "b"), "unknown part 'X'"},
		{"delete without old", opened, start('D').u32(16385).byte('N').tuple("1", "b"), "unknown part 'N'"},
		{"negative length", opened, start('I').u32(16385).byte('N').u16(2).byte('t').u32(0xffffffff).byte('n'), "truncated"},
		{"huge length", opened, start('I').u32(16385).byte('N').u16(2).byte('t').u32(1 << 30).byte('n'), "truncated"},
		{"huge column count", opened, start('R').u32(1).cstr("s").cstr("t").byte('d').u16(65535), "truncated"},
		{"huge truncate count", opened, start('T').u32(1 << 31).byte(0), "truncated"},
		{"truncate of nothing", opened, start('T').u32(0).byte(0), "no relation"},
		{"unknown identity", opened, start('R').u32(1).cstr("s").cstr("t").byte('z').u16(0), "replica identity 'z'"},
		{"string without end", opened, append(start('O').u64(1), "abc"...), "without an end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d replication.Decoder
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
	var d replication.Decoder
	decodeAll(t, &d, begin(100), people("id", "name"))
	bad := []message{
		begin(300), commit(101, 150), people("id", "name")[:20],
		append(people("only"), 'x'), append(commit(100, 150), 'x'),
	}
	for _, m := range bad {
		if _, err := d.Decode(m); err == nil {
			t.Fatalf("Decode(%q): got no error", m)
		}
	}
	decodeAll(t, &d, start('I').u32(16385).byte('N').tuple("1", "b"), commit(100, 150))
}

// valid is one message of each kind, to be read inside the transaction that
// opens at 100.
func valid() map[string]message {
	return map[string]message{
		"relation": people("id", "name"),
		"type":     start('Y').u32(20000).cstr("public").cstr("mood"),
		"insert":   start('I').u32(16385).byte('N').tuple("1", "b"),
		"update":   start('U').u32(16385).byte('O').tuple("1", "a").byte('N').tuple("1", true),
		"delete":   start('D').u32(16385).byte('K').tuple("1", nil),
		"truncate": start('T').u32(1).byte(0).u32(16385),
		"logical":  append(start('M').byte(1).u64(90).cstr("p").u32(2), "hi"...),
		"origin":   start('O').u64(1).cstr("o"),
		"commit":   commit(100, 150),
	}
}

// TestEveryLength: a message cut anywhere, or one byte too long, is an error.
func TestEveryLength(t *testing.T) {
	for name, m := range valid() {
		t.Run(name, func(t *testing.T) {
			for n := range len(m) + 2 {
				var d replication.Decoder
				decodeAll(t, &d, begin(100), people("id", "name"))
				cut := append(append(message{}, m...), 0)[:n]
				got, err := d.Decode(cut)
				if whole := n == len(m); (err == nil) != whole {
					t.Errorf("%d of %d bytes: got %v, %v", n, len(m), got, err)
				}
			}
		})
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var d replication.Decoder
	decodeAll(t, &d, begin(100), people("id", "name"))
	rows := []message{valid()["insert"], valid()["update"], valid()["delete"], valid()["truncate"]}
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
	decodeAll(t, &d, commit(100, 150))
	const runs = 100
	var bounds []message // AllocsPerRun makes one run more
	for end := uint64(150); len(bounds) < 2*(runs+1); end++ {
		bounds = append(bounds, begin(end), commit(end, end+1))
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
		relation message
		row      message
	}{
		{"insert 6 columns", people("id", "lead", "city", "zip", "state", "at"),
			start('I').u32(16385).byte('N').tuple("4711", "123456", "Springfield", "12345", "IL", "2024-02-29 12:34:56.789012+00")},
		{"update 6 columns full", people("id", "lead", "city", "zip", "state", "at"),
			start('U').u32(16385).byte('O').tuple("4711", "1", "Springfield", "12345", "IL", nil).
				byte('N').tuple("4711", "1", "Springfield", "12345", true, "2024-02-29 12:34:56.789012+00")},
		{"insert 50 columns", people(wide...), start('I').u32(16385).byte('N').tuple(wideValues...)},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			var d replication.Decoder
			decodeAll(b, &d, begin(100), bb.relation)
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

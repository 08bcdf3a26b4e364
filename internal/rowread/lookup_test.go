package rowread_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
	"github.com/cdcsync/cdcsync/internal/rowread/rowreadtest"
)

// orders is a set with one attribute that is looked up, and the writes of orders
// whose columns a and b, of type text, have these values.
func orders(t *testing.T, l *mapping.Lookup, values ...[2]string) (*mapping.Set, []*mapping.Write) {
	t.Helper()
	set, err := mapping.Compile([]mapping.Definition{{Name: "orders", Schema: "public", Table: "orders", Object: "Order",
		Key: []mapping.Rule{{Attribute: "oid", Column: "id"}}, Attributes: []mapping.Rule{{Attribute: "found", Lookup: l}}}})
	if err != nil {
		t.Fatal(err)
	}
	rel := &pgoutput.Relation{ID: 1, Schema: "public", Name: "orders", Columns: []pgoutput.Column{
		{Name: "id", Type: 23, Modifier: -1, Key: true}, {Name: "a", Type: 25, Modifier: -1}, {Name: "b", Type: 25, Modifier: -1}}}
	if err := set.Bind(rel, nil); err != nil {
		t.Fatal(err)
	}
	var writes []*mapping.Write
	text := func(s string) pgoutput.Value { return pgoutput.Value{Kind: pgoutput.Text, Text: []byte(s)} }
	for i, v := range values {
		made := set.Apply(&pgoutput.Change{Relation: rel, Operation: pgoutput.Insert, New: []pgoutput.Value{text(fmt.Sprint(i)), text(v[0]), text(v[1])}}, nil)
		writes = append(writes, &made[0])
	}
	return set, writes
}

func lookup(table, column string, match ...mapping.Match) *mapping.Lookup {
	schema, name, _ := strings.Cut(table, ".")
	return &mapping.Lookup{Schema: schema, Table: name, Column: column, Match: match}
}

func match(theirs, ours string) mapping.Match { return mapping.Match{Theirs: theirs, Ours: ours} }

// values are what was found, problems by their codes.
func values(writes []*mapping.Write) []string {
	var found []string
	for _, w := range writes {
		switch v := w.Object.Value(1); {
		case w.Sought != nil:
			found = append(found, "open")
		case w.Problem != nil:
			found = append(found, w.Problem.Code)
		default:
			found = append(found, v.Text)
		}
	}
	return found
}

// Whatever the other table is like, each write gets the value of its row.
func TestLookUp(t *testing.T) {
	d := newDatabase(t, `CREATE SCHEMA "Odd Schema"; CREATE EXTENSION citext; CREATE DOMAIN code AS varchar(9);
		CREATE TABLE "Odd Schema".orders (id int PRIMARY KEY, "E mail" text); INSERT INTO "Odd Schema".orders VALUES (1, 'other'), (2, NULL);
		CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (1, 'own');
		CREATE TABLE pair (x int, y code, v numeric, PRIMARY KEY (y, x)); INSERT INTO pair VALUES (1, 'a', 1.50), (1, 'b', 2), (2, 'a', 3);
		CREATE TABLE plain (k text, v text); INSERT INTO plain SELECT 'k' || i % 7, i FROM generate_series(1, 12) i;
		CREATE TABLE cities (k citext PRIMARY KEY, v text); INSERT INTO cities VALUES ('Berlin', 'B');
		CREATE TABLE part (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k); CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (5);
		CREATE TABLE part_2 PARTITION OF part DEFAULT; INSERT INTO part VALUES (1, 'one'), (9, 'nine');
		CREATE TABLE parent (k int, v text); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1, 'of a child');
		CREATE PUBLICATION test FOR TABLE pair`)
	session := rowreadtest.Open(t, d.source)
	for _, test := range []struct {
		name   string
		lookup *mapping.Lookup
		ours   [][2]string
		want   string
	}{
		{"a table of the same name in another schema", lookup("Odd Schema.orders", "E mail", match("id", "a")), [][2]string{{"1"}, {"2"}, {"3"}}, "other,,"},
		{"the mapped table itself", lookup("public.orders", "note", match("id", "a")), [][2]string{{"1"}, {"2"}}, "own,"},
		{"two columns, in another order than their index", lookup("public.pair", "v", match("x", "a"), match("y", "b")),
			[][2]string{{"1", "a"}, {"2", "a"}, {"1", "b"}, {"2", "b"}, {"1", "a"}}, "1.50,3,2,,1.50"},
		{"a text that is no value of their type", lookup("public.pair", "v", match("x", "a"), match("y", "b")), [][2]string{{"1", "a"}, {"x", "a"}, {"99999999999", "a"}, {"2", "a"}}, "1.50,,,3"},
		{"not unique", lookup("public.plain", "v", match("k", "a")), [][2]string{{"k1"}, {"k6"}, {"k0"}, {"k9"}}, "lookup,6,7,"},
		{"citext", lookup("public.cities", "v", match("k", "a")), [][2]string{{"BERLIN"}, {"Bern"}}, "B,"},
		{"partitions", lookup("public.part", "v", match("k", "a")), [][2]string{{"9"}, {"1"}, {"2"}}, "nine,one,"},
		{"a table that others inherit from", lookup("public.parent", "v", match("k", "a")), [][2]string{{"1"}}, "of a child"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, writes := orders(t, test.lookup, test.ours...)
			if err := session.LookUp(t.Context(), set, writes, nil); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(values(writes), ","); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Texts that are no values of the other column's type find nothing, and cost the
// server no error each.
func TestLookUpOfTextsThatAreNoValues(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE users (id bigint PRIMARY KEY, u uuid UNIQUE, s smallint UNIQUE, v text);
		INSERT INTO users VALUES (7, '11111111-1111-1111-1111-11111111111a', -3, 'seven')`)
	session := rowreadtest.Open(t, d.source)
	d.exec(`DO $$ BEGIN RAISE LOG 'from here on'; END $$`) // the log is that of all tests
	for theirs, ours := range map[string][][2]string{
		"id": {{"7"}, {" 7 "}, {"+7"}, {"007"}, {"seven"}, {"7.0"}, {""}, {"99999999999999999999"}},
		"u":  {{"11111111-1111-1111-1111-11111111111A"}, {"{11111111111111111111111111111111a}"}, {"1111111111111111111111111111111a"}, {"x"}, {"11111111-1111"}},
		"s":  {{"-3"}, {"40000"}, {"-"}},
	} {
		set, writes := orders(t, lookup("public.users", "v", match(theirs, "a")), ours...)
		if err := session.LookUp(t.Context(), set, writes, nil); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(values(writes), ",")
		if want := map[string]string{"id": "seven,seven,seven,seven,,,,", "u": "seven,,seven,,", "s": "seven,,"}[theirs]; got != want {
			t.Errorf("%s: got %s, want %s", theirs, got, want)
		}
	}
	if _, log, found := strings.Cut(d.cluster.Log(), "from here on"); !found || strings.Contains(log, "invalid input syntax") || strings.Contains(log, "out of range") {
		t.Errorf("the server's log has errors:\n%s", log)
	}
}

// A transaction that has been streamed is waited for until it can be seen, and
// what cannot be looked up is an error, with its reason: no value is taken for
// missing.
func TestLookUpErrors(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE users (id int PRIMARY KEY, v text); INSERT INTO users VALUES (1, 'one')`)
	session := rowreadtest.Open(t, d.source)
	set, writes := orders(t, lookup("public.users", "v", match("id", "a")), [2]string{"1"})
	if err := session.LookUp(t.Context(), set, writes, []uint32{1 << 30}); !errors.Is(err, rowread.ErrNotVisible) {
		t.Errorf("a transaction to come: %v", err)
	}
	for _, test := range []struct {
		name   string
		lookup *mapping.Lookup
		reason replication.Reason
	}{
		{"table", lookup("public.usrs", "v", match("id", "a")), replication.TableMissing},
		{"match", lookup("public.users", "v", match("uid", "a")), replication.Unreadable},
	} {
		set, writes := orders(t, test.lookup, [2]string{"1"})
		wantReason(t, session.LookUp(t.Context(), set, writes, nil), test.reason)
		if got := strings.Join(values(writes), ","); got != "open" {
			t.Errorf("%s: got %s", test.name, got)
		}
	}
	set, writes = orders(t, lookup("public.users", "w", match("id", "a")), [2]string{"1"})
	var mistakes mapping.Mistakes
	if err := session.LookUp(t.Context(), set, writes, nil); !errors.As(err, &mistakes) {
		t.Errorf("column: %v", err)
	}
	set, writes = orders(t, lookup("public.users", "v", match("id", "a")), [2]string{"1"})
	if err := session.LookUp(t.Context(), set, writes, nil); err != nil || values(writes)[0] != "one" {
		t.Errorf("the session is of no use any more: %v", err)
	}
}

// Large values are taken a part at a time: as many writes as they may be, memory
// is bounded.
func TestLookUpOfLargeValues(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE users (id int PRIMARY KEY, v text); INSERT INTO users SELECT i, repeat('x', 100000) || i FROM generate_series(1, 50) i`)
	session := rowreadtest.Open(t, d.source)
	var ours [][2]string
	for i := range 200 {
		ours = append(ours, [2]string{fmt.Sprint(1 + i%50)})
	}
	set, writes := orders(t, lookup("public.users", "v", match("id", "a")), ours...)
	for rest, rounds := writes, 0; len(rest) > 0; rounds++ {
		n, err := session.LookUpSome(t.Context(), set, rest, nil)
		if err != nil || n == 0 || n > 12 || rounds > 100 {
			t.Fatalf("round %d: %d writes, %v; want about a megabyte", rounds, n, err)
		}
		rest = rest[n:]
	}
	for i, v := range values(writes) {
		if want := strings.Repeat("x", 100000) + fmt.Sprint(1+i%50); v != want {
			t.Fatalf("write %d has %d bytes that end in %q", i, len(v), v[max(0, len(v)-5):])
		}
	}
}

package rowread_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
	"github.com/cdcsync/cdcsync/internal/rowread/rowreadtest"
)

const table = "CREATE TABLE t (id int PRIMARY KEY, s text)"

func TestRows(t *testing.T) {
	d := newDatabase(t, `CREATE DOMAIN email AS text; CREATE TABLE "T" (id bigint, "Na""me" text, e email, b bytea);
		INSERT INTO "T" VALUES (1, NULL, 'a@b', '\x01'), (2, '', 'c', NULL), (2, 'x', 'd', NULL), (3, 'y', 'e', NULL)`)
	r := rowreadtest.Open(t, d.source)
	s := r.Begin("T", "id")
	rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("1", "2", "4", "3", "1")),
		`"1" null "a@b" "\\x01"`, `"2" "" "c" null, "2" "x" "d" null`, "", `"3" "y" "e" null`, `"1" null "a@b" "\\x01"`)
	c := s.Relation.Columns
	if len(c) != 4 || c[1].Name != `Na"me` || c[0].Type != 20 || c[2].Type < 16384 {
		t.Errorf("columns %+v, want the domain's own type", c)
	}
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := r.Snapshot(t.Context(), catalog.TableName{Schema: "public", Name: "T"}, []string{"id", `Na"me`}, []string{"id", "e", "missing"})
	if err != nil {
		t.Fatal(err)
	}
	rowreadtest.Want(t, rowreadtest.Answers(t, s, []rowread.Key{{Values: []string{"2", ""}}, {Values: []string{"2", "y"}}, {Values: []string{"2", "x"}}}),
		`"2" "c"`, "", `"2" "d"`)
	for _, tt := range []struct {
		name, table string
		key         []string
		reason      replication.Reason
	}{
		{"no such column", "T", []string{"missing"}, replication.Unreadable},
		{"no such table", "t", []string{"id"}, replication.TableMissing},
		{"no key", "T", nil, replication.Unreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rowreadtest.Open(t, d.source).Take(tt.table, tt.key...)
			wantReason(t, err, tt.reason)
		})
	}
	if err := s.Rows(t.Context(), make([]rowread.Key, 1), nil); err == nil {
		t.Error("a key without values is read")
	}
}

// One session reads many rows, as of one moment at a time. What the server
// refuses of one row is nothing to the others.
func TestSnapshots(t *testing.T) {
	d := newDatabase(t, table+`; INSERT INTO t SELECT i, 'a' FROM generate_series(1, 300) i`)
	r := rowreadtest.Open(t, d.source)
	s := r.Begin("t", "id")
	d.exec("UPDATE t SET s = 'c' WHERE id = 2")
	flushed, err := pgoutput.ParseLSN(d.value("SELECT pg_current_wal_flush_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	var xid uint32
	if _, err := fmt.Sscan(d.value("SELECT txid_current()"), &xid); err != nil {
		t.Fatal(err)
	}
	if s.Seen.See(xid) || s.Seen.Flushed == 0 || s.Seen.Flushed >= flushed || s.Seen.Timeline != 1 {
		t.Errorf("before transaction %d, at %s, the snapshot sees %+v", xid, flushed, s.Seen)
	}
	keys := rowreadtest.Texts("1", "2", "x", "2", "99999999999999999999", "3")
	keys[3].XID = xid
	shown := []string{`"1" "a"`, `"2" "a"`, "", "error " + rowread.ErrNotVisible.Error(), "", `"3" "a"`}
	rowreadtest.Want(t, rowreadtest.Answers(t, s, keys), shown...)
	rowreadtest.Want(t, rowreadtest.Answers(t, s, keys), shown...)
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = r.Begin("t", "id")
	if !s.Seen.SeeStreamed(xid, flushed-1, 1) {
		t.Errorf("after transaction %d, at %s, the snapshot sees %+v", xid, flushed, s.Seen)
	}
	shown[1], shown[3] = `"2" "c"`, `"2" "c"`
	rowreadtest.Want(t, rowreadtest.Answers(t, s, keys), shown...)

	many, all := rowreadtest.Texts(), []string{}
	for i := 400; i > 0; i-- {
		many = append(many, rowread.Key{Values: []string{fmt.Sprint(i)}})
		switch {
		case i > 300:
			all = append(all, "")
		case i == 2:
			all = append(all, `"2" "c"`)
		default:
			all = append(all, fmt.Sprintf(`"%d" "a"`, i))
		}
	}
	rowreadtest.Want(t, rowreadtest.Answers(t, s, many), all...)
}

// A key is found by the equality of its own type, wherever that type lives.
func TestKeyTypes(t *testing.T) {
	d := newDatabase(t, `CREATE SCHEMA "Ext";
		CREATE EXTENSION ltree SCHEMA "Ext"; CREATE EXTENSION citext SCHEMA "Ext";
		CREATE TYPE "Ext".mood AS ENUM ('ok', '{x}');
		CREATE DOMAIN "Ext".small AS int CHECK (VALUE < 100); CREATE DOMAIN "Ext".path AS "Ext".ltree;
		CREATE OPERATOR public.= (leftarg = text, rightarg = text, function = textne);
		CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
	r := rowreadtest.Open(t, d.source)
	for i, tt := range []struct {
		kind, value string
		same        []string // other spellings that are the same key
		none        []string
	}{
		{`"Ext".ltree`, "a.B", nil, []string{"a.b", "a b !"}},
		{`"Ext".path`, "a.B", nil, []string{"a.b", "a b !"}},
		{`"Ext".citext`, "Bob", []string{"bOB"}, []string{"bob "}},
		{`"Ext".mood`, "{x}", nil, []string{"ok", "x"}},
		{`"Ext".small`, "7", []string{"07"}, []string{"8", "200", "seven"}},
		{"text", "a", nil, []string{"A", "a ", ""}},
		{"text COLLATE nocase", "a", []string{"A"}, []string{"b"}},
		{"varchar(3)", "abc", nil, []string{"abcd", "ab", "abc "}},
		{"char(3)", "ab", []string{"ab "}, []string{"abcd", "a"}},
		{`"char"`, "a", nil, []string{"b"}},
		{"name", "a", nil, []string{"b"}},
		{"smallint", "7", nil, []string{"70000", "x"}},
		{"bigint", "7", nil, []string{"8"}},
		{"oid", "7", nil, []string{"8"}},
		{"numeric(9,2)", "1.50", []string{"1.5"}, []string{"1.505"}},
		{"boolean", "true", []string{"t"}, []string{"false", "maybe"}},
		{"date", "2026-02-28", nil, []string{"2026-02-27", "2026-02-30"}},
		{"timestamp", "2026-02-28T12:00:00+00:00", nil, []string{"2026-02-28T12:00:01+00:00"}},
		{"timestamptz", "2026-02-28T12:00:00+00:00", []string{"2026-02-28T13:00:00+01:00"}, []string{"infinity"}},
		{"time", "12:00:00", nil, []string{"25:00:00"}},
		{"uuid", "11111111-1111-1111-1111-11111111111a", []string{"11111111-1111-1111-1111-11111111111A"}, []string{"x"}},
		{"inet", "10.0.0.1", nil, []string{"10.0.0.2"}},
		{"cidr", "10.0.0.0/8", nil, []string{"10.0.0.1/8"}},
		{"macaddr", "08:00:2b:01:02:03", nil, []string{"x"}},
		{"bit(3)", "101", nil, []string{"1010", "100", "2"}},
		{"varbit", "101", nil, []string{"1010"}},
		{"pg_lsn", "0/10", nil, []string{"0/11"}},
		{"json", `{"a": 1}`, nil, []string{`{"a":1}`}},
		{"int[]", "{1,2}", []string{"{1, 2}"}, []string{"{2,1}", "[1,2]"}},
		{"int4range", "[1,3)", []string{"[1,2]"}, []string{"[1,4)"}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			table := fmt.Sprint("k", i)
			d.exec("CREATE TABLE "+table+" (k "+tt.kind+", note text)", "INSERT INTO "+table+" VALUES ('"+tt.value+"', 'found')")
			if !slices.Contains([]string{"json"}, tt.kind) {
				d.exec("CREATE UNIQUE INDEX ON " + table + " (k)")
			}
			s := r.Begin(table, "k")
			defer s.End(t.Context())
			spelled := append([]string{tt.value}, tt.same...)
			var got []string
			for _, a := range rowreadtest.Answers(t, s, rowreadtest.Texts(append(slices.Clone(spelled), tt.none...)...)) {
				_, note, _ := strings.Cut(a, `" "`)
				got = append(got, strings.TrimSuffix(note, `"`))
			}
			var expected []string
			for range spelled {
				expected = append(expected, "found")
			}
			rowreadtest.Want(t, got, append(expected, make([]string, len(tt.none))...)...)
		})
	}
}

// Rows are the table's own: those of its partitions, and not those of tables
// that inherit from it.
func TestRowsOfFamilies(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE thing (code text PRIMARY KEY, name text);
		CREATE TABLE thing_2026 (PRIMARY KEY (code)) INHERITS (thing);
		INSERT INTO thing VALUES ('a', 'own'); INSERT INTO thing_2026 VALUES ('a', 'child'), ('b', 'child');
		CREATE TABLE part (code text PRIMARY KEY, name text) PARTITION BY RANGE (code);
		CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('a') TO ('b');
		CREATE TABLE part_b PARTITION OF part FOR VALUES FROM ('b') TO ('c');
		INSERT INTO part VALUES ('a', 'in a'), ('b', 'in b')`)
	r := rowreadtest.Open(t, d.source)
	s := r.Begin("thing", "code")
	rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("a", "b")), `"a" "own"`, "")
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = r.Begin("part", "code")
	rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("a", "b", "c")), `"a" "in a"`, `"b" "in b"`, "")
}

// Generated columns are read: the stream may have them.
func TestRowsWithGeneratedColumns(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Version: 18})
	if errors.Is(err, cluster.ErrNotInstalled) {
		d := newDatabase(t, "CREATE TABLE g (code text PRIMARY KEY, name text GENERATED ALWAYS AS (upper(code)) STORED); INSERT INTO g VALUES ('a')")
		rowreadtest.Want(t, rowreadtest.Answers(t, rowreadtest.Open(t, d.source).Begin("g", "code"), rowreadtest.Texts("a")), `"a" "A"`)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	url, err := c.NewDatabase(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	// A virtual column is computed when it is read, and may fail then.
	if err := c.Exec(t.Context(), "g", `CREATE TABLE g (id int PRIMARY KEY, stored int GENERATED ALWAYS AS (id * 2) STORED, half int GENERATED ALWAYS AS (100 / (id - 3)) VIRTUAL);
		INSERT INTO g SELECT generate_series(1, 7)`); err != nil {
		t.Fatal(err)
	}
	s := rowreadtest.Open(t, &replication.Source{URL: url, Slot: "s", Publication: "p"}).Begin("g", "id")
	rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("1", "2", "3", "x", "4", "5", "6", "7", "8")), `"1" "2" "-50"`, `"2" "4" "-100"`,
		"error the server cannot read the row (SQLSTATE 22012); its log says more", "",
		`"4" "8" "100"`, `"5" "10" "50"`, `"6" "12" "33"`, `"7" "14" "25"`, "")
}

// A key that no row has exactly is found in another case, spelled as the row
// has it.
func TestFoldedRows(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE f (id int, code text, note text, PRIMARY KEY (id, code));
		INSERT INTO f VALUES (1, 'Bob@Example.com', 'one'), (1, 'bob@example.com', 'two'), (1, 'ANN ', 'three'), (2, 'ann', 'four'), (1, 'MÜLLER', 'five'), (1, 'Straße', 'six')`)
	s := rowreadtest.Open(t, d.source).Begin("f", "id", "code")
	key := func(id, code string) rowread.Key {
		return rowread.Key{Values: []string{id, code}, Folded: true}
	}
	plain := key("1", "ann")
	plain.Folded = false
	rowreadtest.Want(t, rowreadtest.Answers(t, s, []rowread.Key{
		key("1", "bob@example.com"), key("1", "BOB@example.com"), key("1", "ann"), key("3", "ann"), key("1", "müller\t"), key("x", "ann"), plain, key("1", "STRASSE"), key("1", "")}),
		`"1" "bob@example.com" "two"`, `"1" "Bob@Example.com" "one", "1" "bob@example.com" "two"`, `"1" "ANN " "three"`, "", `"1" "MÜLLER" "five"`, "", "", `"1" "Straße" "six"`, "")
}

// A row that is being read again while the application rewrites its table is
// not taken for gone: what is older than the rewriting sees an empty table.
func TestRowsBehindARewrite(t *testing.T) {
	for _, ddl := range []string{
		"ALTER TABLE t ALTER id TYPE bigint",
		"ALTER TABLE t ADD r float DEFAULT random()",
	} {
		t.Run(ddl, func(t *testing.T) {
			d := newDatabase(t, table+"; INSERT INTO t VALUES (1, 'a')")
			application, err := d.source.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer application.Close(context.Background())
			if _, err := application.Exec(t.Context(), "SET search_path = public; BEGIN; "+ddl).ReadAll(); err != nil {
				t.Fatal(err)
			}
			r := rowreadtest.Open(t, d.source)
			done := make(chan []string)
			go func() {
				s, err := r.Take("t", "id")
				if err != nil {
					t.Error(err)
					close(done)
					return
				}
				done <- rowreadtest.Answers(t, s, rowreadtest.Texts("1"))
			}()
			clustertest.Eventually(t, "the reader waits for the table", func() bool {
				return d.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass") == "1"
			})
			if _, err := application.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
				t.Fatal(err)
			}
			if got := <-done; len(got) != 1 || !strings.HasPrefix(got[0], `"1" "a"`) {
				t.Errorf("the row behind the rewriting: %q", got)
			}
		})
	}
}

// Whoever waits for a lock may keep the application waiting: not for long.
func TestRowsDoNotWaitLongForALock(t *testing.T) {
	d := newDatabase(t, table+"; INSERT INTO t VALUES (1, 'a')")
	d.source.LockTimeout = 100 * time.Millisecond
	application, err := d.source.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer application.Close(context.Background())
	if _, err := application.Exec(t.Context(), "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	r := rowreadtest.Open(t, d.source)
	_, err = r.Take("t", "id")
	wantReason(t, err, replication.Locked)
	if class := replication.Classify(err); class != replication.RetrySoon {
		t.Errorf("class %v, want %v", class, replication.RetrySoon)
	}
	if _, err := application.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
		t.Fatal(err)
	}
	rowreadtest.Want(t, rowreadtest.Answers(t, r.Begin("t", "id"), rowreadtest.Texts("1")), `"1" "a"`)
	// What is held while rows are read keeps nobody from reading and writing.
	d.exec("UPDATE t SET s = 'b'", "DELETE FROM t")
}

// What holds a lock for the application's ALTER TABLE to wait for is over with
// the snapshot, and does not stay when this process stands still.
func TestRowsLeaveNoLock(t *testing.T) {
	d := newDatabase(t, table+"; INSERT INTO t VALUES (1, 'a')")
	r := rowreadtest.Open(t, d.source)
	locks := "SELECT string_agg(mode, ' ') FROM pg_locks WHERE relation IN (SELECT oid FROM pg_class WHERE relname IN ('t', 't_pkey')) AND mode <> 'AccessShareLock'"
	s := r.Begin("t", "id")
	rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("1")), `"1" "a"`)
	if modes := d.value(locks); modes != "" {
		t.Errorf("locks %s are held, want ACCESS SHARE alone", modes)
	}
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.exec("SET lock_timeout = 100; ALTER TABLE t ADD c int")
	conn, err := d.source.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	limit, err := conn.Exec(t.Context(), "SHOW idle_in_transaction_session_timeout").ReadAll()
	if err != nil || string(limit[0].Rows[0][0]) != "1min" {
		t.Errorf("idle_in_transaction_session_timeout = %s, %v; want 1min", limit[0].Rows[0][0], err)
	}
}

package rowread_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

func public(table string) catalog.TableName { return catalog.TableName{Schema: "public", Name: table} }

func openSession(t *testing.T, source *replication.Source) *rowread.Session {
	t.Helper()
	s, err := rowread.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// chunks reads a table up to a row, at most so many rows at a time, and returns the
// keys in the order in which they came.
func chunks(t *testing.T, s *rowread.Session, table string, most int, until []string) (keys []string) {
	t.Helper()
	var after []string
	for range 1000 {
		c, err := s.BeginChunk(t.Context(), public(table), []string{"note"})
		if err != nil {
			t.Fatal(err)
		}
		c.Until = until
		last, done, err := c.Next(t.Context(), after, most, func(row rowread.Row) bool {
			keys = append(keys, strings.ReplaceAll(row.Key, "\x00", "|"))
			return true
		})
		if err := errors.Join(err, c.End(t.Context())); err != nil {
			t.Fatal(err)
		}
		if done {
			return keys
		}
		after = last
	}
	t.Fatal("the table does not end")
	return nil
}

// last is the key of the last row.
func last(t *testing.T, s *rowread.Session, table string) []string {
	t.Helper()
	c, err := s.BeginChunk(t.Context(), public(table), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Last(t.Context())
	if err := errors.Join(err, c.End(t.Context())); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestChunksOfEveryKey reads tables in parts of two rows, by keys of every type
// that has an order, and finds every row once, in the order of the key.
func TestChunksOfEveryKey(t *testing.T) {
	d := newDatabase(t, `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`)
	d.exec(`CREATE DOMAIN feeling AS mood`, `CREATE DOMAIN code AS text COLLATE "C"`, `CREATE TYPE pair AS (a int, b text)`,
		`CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
	citext := d.cluster.Exec(t.Context(), d.name, `CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext`) == nil
	s := openSession(t, d.source)
	for _, test := range []struct{ name, columns, rows, order, into string }{
		{"bigint", `id bigint PRIMARY KEY`, `SELECT n - 5 FROM generate_series(1, 11) n`, `id`, ""},
		{"text_db", `id text PRIMARY KEY`, `VALUES ('a'), ('B'), ('b'), (''), ('ä'), ('Z'), ('a b'), ('ab'), ('_x'), ('''"\')`, `id`, ""},
		{"text_c", `id text COLLATE "C" PRIMARY KEY`, `VALUES ('a'), ('B'), ('b'), (''), ('ä'), ('Z')`, `id`, ""},
		{"text_icu", `id text COLLATE "en-x-icu" PRIMARY KEY`, `VALUES ('a'), ('B'), ('b'), ('-a'), ('ä'), ('Z')`, `id`, ""},
		{"text_loose", `id text COLLATE loose PRIMARY KEY`, `VALUES ('a'), ('B'), ('-a'), ('ä'), ('Z'), ('c')`, `id`, ""},
		{"code", `id code PRIMARY KEY`, `VALUES ('a'), ('B'), ('b'), (''), ('Z')`, `id`, ""},
		{"varchar", `id varchar(9) PRIMARY KEY`, `VALUES ('a'), ('B'), ('b'), (''), ('Z')`, `id`, ""},
		{"bpchar", `id char(3) PRIMARY KEY`, `VALUES ('a'), ('B'), ('b '), ('abc'), ('')`, `id`, ""},
		{"uuid", `id uuid PRIMARY KEY`, `SELECT md5(n::text)::uuid FROM generate_series(1, 9) n`, `id`, ""},
		{"numeric", `id numeric PRIMARY KEY`, `VALUES (1.50), (-2), (1e30), ('NaN'), (0.0001), (1.05)`, `id`, ""},
		{"float", `id float8 PRIMARY KEY`, `VALUES (0.1), (0.30000000000000004), ('Infinity'), (-1e-300), ('NaN')`, `id`, ""},
		{"stamp", `id timestamptz PRIMARY KEY`, `SELECT '2024-03-31 00:00:00.123456+01'::timestamptz + n * '7 hours'::interval FROM generate_series(1, 7) n`, `id`, ""},
		{"day", `id date PRIMARY KEY`, `VALUES ('2024-01-01'::date), ('0044-03-15 BC'), ('infinity'), ('-infinity'), ('2023-12-31')`, `id`, ""},
		{"span", `id interval PRIMARY KEY`, `SELECT n * '1 day 3 hours'::interval FROM generate_series(1, 5) n`, `id`, ""},
		{"bytes", `id bytea PRIMARY KEY`, `VALUES ('\x00'::bytea), ('\xff'), (''), ('\x0001')`, `id`, ""},
		{"net", `id inet PRIMARY KEY`, `VALUES ('10.0.0.1'::inet), ('10.0.0.0/8'), ('::1'), ('9.1.1.1')`, `id`, ""},
		{"enum", `id mood PRIMARY KEY`, `VALUES ('happy'::mood), ('sad'), ('ok')`, `id`, ""},
		{"domain", `id feeling PRIMARY KEY`, `VALUES ('happy'::feeling), ('sad'), ('ok')`, `id`, ""},
		{"array", `id int[] PRIMARY KEY`, `VALUES ('{1,2}'::int[]), ('{}'), ('{1}'), ('{1,NULL}')`, `id`, ""},
		{"composite", `id pair PRIMARY KEY`, `VALUES ('(1,a)'::pair), ('(1,b)'), ('(0,)')`, `id`, ""},
		{"range", `id int4range PRIMARY KEY`, `VALUES ('[1,3)'::int4range), ('empty'), ('(,5)'), ('[1,)')`, `id`, ""},
		{"truth", `id bool PRIMARY KEY`, `VALUES (true), (false)`, `id`, ""},
		{"two", `a int, id text, PRIMARY KEY (id, a)`, `SELECT n % 3, chr(97 + n % 4) FROM generate_series(1, 12) n`, `id, a`, "a, id"},
		{"three", `a numeric, b text COLLATE "C", id int, UNIQUE (a, b, id), PRIMARY KEY (b, a, id)`, `SELECT n % 2, chr(65 + n % 3), n FROM generate_series(1, 13) n`, `b, a, id`, "a, b, id"},
		{"down", `id int NOT NULL, a int NOT NULL`, `SELECT n, n % 2 FROM generate_series(1, 7) n`, `a DESC, id`, "id, a"},
		{"pattern", `id text NOT NULL`, `VALUES ('a'), ('B'), ('b'), ('Z')`, `id COLLATE "C"`, ""},
		{"indexed", `id text NOT NULL`, `VALUES ('a'), ('B'), ('b'), ('Z')`, `id COLLATE "C"`, ""},
		{"citext", `id ext.citext, a int, PRIMARY KEY (a, id)`, `SELECT x::ext.citext, n FROM unnest('{a,B,c}'::text[]) x, generate_series(1, 2) n`, `a, id`, "id, a"},
		{"parts", `id int PRIMARY KEY`, `SELECT generate_series(1, 9)`, `id`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "citext" && !citext {
				t.Skip("citext is not installed")
			}
			table := "by_" + test.name
			suffix := ""
			if test.name == "parts" {
				suffix = " PARTITION BY RANGE (id)"
			}
			d.exec("CREATE TABLE " + table + " (" + test.columns + ", note text)" + suffix)
			if more := map[string]string{
				"down":    `CREATE UNIQUE INDEX ON by_down (a DESC, id)`,
				"pattern": `CREATE UNIQUE INDEX ON by_pattern (id text_pattern_ops)`,
				"indexed": `CREATE UNIQUE INDEX ON by_indexed (id COLLATE "C")`,
				"parts":   `CREATE TABLE parts_1 PARTITION OF by_parts FOR VALUES FROM (0) TO (5); CREATE TABLE parts_2 PARTITION OF by_parts DEFAULT`,
			}[test.name]; more != "" {
				d.exec(more)
			}
			if got := last(t, s, table); got != nil {
				t.Errorf("the last row of an empty table: %q", got)
			}
			d.exec("INSERT INTO " + table + " (" + or(test.into, "id") + ") " + test.rows)
			want := d.ordered(table, test.order)
			if got := last(t, s, table); strings.Join(got, "|") != want[len(want)-1] {
				t.Errorf("the last row: %q, want %q", got, want[len(want)-1])
			}
			for _, most := range []int{1, 2, 1000} {
				if got := chunks(t, s, table, most, nil); !slices.Equal(got, want) {
					t.Errorf("%d at a time: %q, want %q", most, got, want)
				}
				for i, key := range want {
					if got := chunks(t, s, table, most, strings.Split(key, "|")); !slices.Equal(got, want[:i+1]) {
						t.Errorf("%d at a time up to %s: %q, want %q", most, key, got, want[:i+1])
					}
				}
			}
		})
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// ordered returns the keys of a table in an order, as the server writes them.
func (d *database) ordered(table, order string) (keys []string) {
	d.t.Helper()
	columns := strings.NewReplacer(" DESC", "", ` COLLATE "C"`, "").Replace(order)
	conn, err := d.source.Connect(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(d.t.Context(), `SET search_path = public, ext; SELECT `+columns+` FROM `+table+` ORDER BY `+order).ReadAll()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, row := range results[1].Rows {
		var texts []string
		for _, text := range row {
			texts = append(texts, string(text))
		}
		keys = append(keys, strings.Join(texts, "|"))
	}
	return keys
}

// TestChunkKeys: which keys a table can be read by, and what is said of others.
func TestChunkKeys(t *testing.T) {
	d := newDatabase(t, `SELECT 1`)
	s := openSession(t, d.source)
	for _, test := range []struct {
		name, ddl string
		key       []string
		says      string
	}{
		{"nokey", `CREATE TABLE nokey (id int, note text)`, nil, "takes a primary key, or a unique index"},
		{"deferred", `CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, note text)`, nil, "deferred_pkey: it is deferrable"},
		{"nullable", `CREATE TABLE nullable (id int UNIQUE, note text)`, nil, "a column of it may be null"},
		{"partial", `CREATE TABLE partial (id int NOT NULL, note text); CREATE UNIQUE INDEX ON partial (id) WHERE id > 0`, nil, "covers a part of the rows only"},
		{"computed", `CREATE TABLE computed (id int NOT NULL, note text); CREATE UNIQUE INDEX ON computed (abs(id))`, nil, "it has an expression"},
		{"byindex", `CREATE TABLE byindex (id int PRIMARY KEY, code text NOT NULL UNIQUE, note text); ALTER TABLE byindex REPLICA IDENTITY USING INDEX byindex_code_key`, []string{"code"}, ""},
		{"full", `CREATE TABLE "full" (id int, code text NOT NULL UNIQUE, note text); ALTER TABLE "full" REPLICA IDENTITY FULL`, []string{"code"}, ""},
		{"nothing", `CREATE TABLE nothing (id int PRIMARY KEY, note text); ALTER TABLE nothing REPLICA IDENTITY NOTHING`, []string{"id"}, ""},
		{"odd", `CREATE TABLE odd (id int PRIMARY KEY, code int NOT NULL UNIQUE, note text); ALTER TABLE odd DROP CONSTRAINT odd_code_key; DROP TABLE odd;
			CREATE TABLE odd (id int PRIMARY KEY, code int NOT NULL, note text) PARTITION BY RANGE (id);
			CREATE TABLE odd_1 PARTITION OF odd DEFAULT; CREATE UNIQUE INDEX odd_1_code ON odd_1 (code); ALTER TABLE odd_1 REPLICA IDENTITY USING INDEX odd_1_code`, nil, "partition public.odd_1"},
	} {
		d.exec(test.ddl)
		c, err := s.BeginChunk(t.Context(), public(test.name), []string{"note"})
		if test.says != "" {
			wantReason(t, err, replication.Unreadable)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v, want %q", test.name, err, test.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if !slices.Equal(c.Key, test.key) {
			t.Errorf("%s: read by %q", test.name, c.Key)
		}
		if err := c.End(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChunkRows: row security is refused, not silently short; the row filter
// of the publication counts, and a generated column is read.
func TestChunkRows(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE item (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, note text)`)
	d.exec(`INSERT INTO item (id, n) SELECT n, n FROM generate_series(1, 20) n`)
	filter := ""
	if d.value(`SELECT current_setting('server_version_num')::int >= 150000`) == "t" {
		filter = ` WHERE (id % 2 = 0)`
	}
	d.exec(`CREATE PUBLICATION ` + d.name + ` FOR TABLE item` + filter)
	s := openSession(t, d.source)
	c, err := s.BeginChunk(t.Context(), public("item"), []string{"twice"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	last, done, err := c.Next(t.Context(), []string{"3"}, 6, func(row rowread.Row) bool {
		got = append(got, row.Key+"="+string(row.Values[1].Text))
		return true
	})
	want := []string{"4=8", "5=10", "6=12", "7=14", "8=16", "9=18"}
	if filter != "" {
		want = []string{"4=8", "6=12", "8=16"}
	}
	if err != nil || done || last[0] != "9" || !slices.Equal(got, want) {
		t.Errorf("%q up to %q, done %v: %v; want %q", got, last, done, err, want)
	}
	got = nil
	err = errors.Join(c.End(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = s.BeginChunk(t.Context(), public("item"), []string{"twice"}); err != nil {
		t.Fatal(err)
	}
	// What somebody gives as keys may name a row twice, and be no value at all.
	err = c.Rows(t.Context(), []string{"n"}, [][]string{{"2"}, {"abc"}, {"4"}, {"04"}, {"99"}, {"99999999999"}, {"2"}}, func(row rowread.Row) bool {
		got = append(got, row.Key)
		return true
	}, func(key int, err *rowread.RowError) { t.Errorf("key %d: %v", key, err) })
	if slices.Sort(got); err != nil || !slices.Equal(got, []string{"2", "4"}) {
		t.Errorf("by n: %q, %v", got, err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}

	d.exec(`CREATE ROLE limited LOGIN`, `GRANT SELECT ON item TO limited`, `ALTER TABLE item ENABLE ROW LEVEL SECURITY`)
	defer d.exec(`DROP OWNED BY limited`, `DROP ROLE limited`)
	other := &replication.Source{URL: strings.Replace(d.source.URL, "user=postgres", "user=limited", 1), Slot: d.name, Publication: d.name}
	if other.URL == d.source.URL {
		other.URL = strings.Replace(d.source.URL, "postgres@", "limited@", 1)
	}
	if _, err := openSession(t, other).BeginChunk(t.Context(), public("item"), nil); err == nil || !strings.Contains(err.Error(), "row security hides rows") {
		t.Errorf("row security: %v", err)
	}
}

// TestChunkRowsThatCannotBeRead: a row that the server cannot read keeps no other
// one from being read by its key.
func TestChunkRowsThatCannotBeRead(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE item (id int PRIMARY KEY, n int)`)
	d.exec(`INSERT INTO item SELECT n, n FROM generate_series(1, 9) n`, `CREATE PUBLICATION `+d.name+` FOR TABLE item`)
	s := openSession(t, d.source)
	if d.value(`SELECT current_setting('server_version_num')::int >= 150000`) != "t" {
		t.Skip("a row filter needs PostgreSQL 15")
	}
	d.exec(`ALTER PUBLICATION ` + d.name + ` SET TABLE item WHERE (1 / (n - 5) >= -1)`)
	c, err := s.BeginChunk(t.Context(), public("item"), []string{"n"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var unreadable []int
	err = c.Rows(t.Context(), []string{"id"}, [][]string{{"3"}, {"4"}, {"5"}, {"6"}}, func(row rowread.Row) bool {
		got = append(got, row.Key)
		return true
	}, func(key int, err *rowread.RowError) { unreadable = append(unreadable, key) })
	if slices.Sort(got); err != nil || !slices.Equal(got, []string{"3", "4", "6"}) || !slices.Equal(unreadable, []int{2}) {
		t.Errorf("%q, not %v: %v", got, unreadable, err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestChunkBehindRewrite: a rewriting ALTER TABLE is waited for no longer than
// the lock timeout, and the snapshot is taken behind it; meanwhile nobody waits
// for us, and the lock is the weakest.
func TestChunkBehindRewrite(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE item (id int PRIMARY KEY, n int)`)
	d.exec(`INSERT INTO item SELECT n, n FROM generate_series(1, 100) n`)
	d.source.LockTimeout = 300 * time.Millisecond
	s := openSession(t, d.source)
	conn, err := pgconn.Connect(t.Context(), d.source.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	run := func(sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
	run(`BEGIN; ALTER TABLE item ALTER n TYPE bigint`)
	began := time.Now()
	_, err = s.BeginChunk(t.Context(), public("item"), nil)
	wantReason(t, err, replication.Locked)
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("waited %s for the lock", waited)
	}
	// This time it gets the lock as soon as the ALTER is done.
	d.source.LockTimeout = 10 * time.Second
	s = openSession(t, d.source)
	type begun struct {
		chunk *rowread.Chunk
		err   error
	}
	result := make(chan begun)
	go func() {
		c, err := s.BeginChunk(context.Background(), public("item"), nil)
		result <- begun{c, err}
	}()
	clustertest.Eventually(t, "the reader waits for the lock", func() bool {
		return d.value(`SELECT count(*) FROM pg_locks WHERE NOT granted`) == "1"
	})
	run(`COMMIT`)
	b := <-result
	if b.err != nil {
		t.Fatal(b.err)
	}
	rows := 0
	if _, _, err := b.chunk.Next(t.Context(), nil, 1000, func(rowread.Row) bool { rows++; return true }); err != nil || rows != 100 {
		t.Errorf("%d rows of 100 came: %v", rows, err)
	}
	if modes := d.value(`SELECT string_agg(DISTINCT mode, ' ') FROM pg_locks WHERE relation::regclass::text ~ 'item' AND pid <> pg_backend_pid()`); modes != "AccessShareLock" {
		t.Errorf("locks: %s", modes)
	}
	if err := b.chunk.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := d.value(`SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND application_name = 'cdcsync'`); held != "0" {
		t.Errorf("%s sessions keep a snapshot", held)
	}
}

// TestMarks: a mark is behind the snapshot, and is a message where one can be
// written.
func TestMarks(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE item (id int PRIMARY KEY)`)
	s := openSession(t, d.source)
	before, err := pgoutput.ParseLSN(d.value(`SELECT pg_current_wal_insert_lsn()`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Mark(t.Context(), "here")
	if err != nil || m.Name != "here" || m.LSN < before {
		t.Errorf("%+v, %v", m, err)
	}
	first, err := s.Bound(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Now(t.Context())
	if err != nil || now.Standby || now.Xmax <= first {
		t.Errorf("a snapshot %+v behind transaction %d: %v", now, first, err)
	}
	f := backfill.Follow(m.LSN)
	f.Bound(first)
	f.Open()
	if !f.Admits(&now) {
		t.Error("not admitted")
	}
	// Its arguments are others from PostgreSQL 17 on.
	d.exec(`DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message' LOOP
		EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC'; END LOOP; END $$`, `CREATE ROLE mute LOGIN`)
	defer d.exec(`DROP OWNED BY mute`, `DROP ROLE mute`)
	other := &replication.Source{URL: strings.Replace(strings.Replace(d.source.URL, "user=postgres", "user=mute", 1), "postgres@", "mute@", 1), Slot: d.name, Publication: d.name}
	m, err = openSession(t, other).Mark(t.Context(), "here")
	if err != nil || m.Name != "" || m.LSN < before {
		t.Errorf("without the right: %+v, %v", m, err)
	}
}

// TestChunkOfAlteredTable: what a session knows of a table from chunk to chunk ends
// with whatever changes it.
func TestChunkOfAlteredTable(t *testing.T) {
	d := newDatabase(t, `CREATE TYPE mood AS ENUM ('a', 'b')`)
	d.exec(`CREATE TABLE item (id int PRIMARY KEY, n int, m mood, code int NOT NULL DEFAULT 0)`, `INSERT INTO item (id, n) SELECT n, n FROM generate_series(1, 4) n`,
		`CREATE PUBLICATION `+d.name+` FOR TABLE item`)
	s := openSession(t, d.source)
	// look reads the table once more, and returns what it is.
	look := func() string {
		t.Helper()
		c, err := s.BeginChunk(t.Context(), public("item"), []string{"n", "m", "late"})
		if err != nil {
			return "error: " + err.Error()
		}
		rows := 0
		_, _, err = c.Next(t.Context(), nil, 10, func(rowread.Row) bool { rows++; return true })
		if err := errors.Join(err, c.End(t.Context())); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(c.Key, ",") + ":"
		for _, col := range c.Relation.Columns {
			text += fmt.Sprintf(" %s/%d", col.Name, col.Type)
		}
		return text + fmt.Sprintf(" %v, %d rows", c.Table.Types, rows)
	}
	if first, again := look(), look(); first != again {
		t.Fatalf("%s, and then %s", first, again)
	}
	before := look()
	changes := []string{
		`ALTER TABLE item ADD late text`,
		`ALTER TABLE item ALTER n TYPE bigint`,
		`ALTER TYPE mood RENAME TO humour`,
		`ALTER TABLE item RENAME late TO later`,
		`ALTER TABLE item RENAME later TO late`,
		`ALTER TABLE item DROP CONSTRAINT item_pkey, ADD CONSTRAINT item_pkey PRIMARY KEY (id, code)`,
		`DELETE FROM item WHERE id = 4`,
		`ALTER TABLE item RENAME TO item_old; CREATE TABLE item (id int PRIMARY KEY)`,
		`DROP TABLE item; CREATE TABLE item (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); CREATE TABLE item_1 PARTITION OF item DEFAULT; INSERT INTO item VALUES (1)`,
		`DROP TABLE item; CREATE TABLE item (id int)`,
		`ALTER TABLE item ADD PRIMARY KEY (id)`,
	}
	if d.value(`SELECT current_setting('server_version_num')::int >= 150000`) == "t" {
		changes = append(changes, `INSERT INTO item VALUES (1), (2)`, `ALTER PUBLICATION `+d.name+` ADD TABLE item WHERE (id > 1)`)
	}
	for _, change := range changes {
		d.exec(change)
		// An error may be of what was known; the next look is not.
		after := look()
		if strings.HasPrefix(after, "error") {
			after = look()
		}
		if after == before {
			t.Errorf("%s: still %s", change, after)
		}
		before = after
	}
}

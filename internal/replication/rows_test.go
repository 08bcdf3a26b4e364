package replication_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// rows runs statements, each a transaction, and returns what the stream says.
func rows(t *testing.T, ddl string, tables string, statements ...string) string {
	t.Helper()
	d := newDatabase(t, ddl)
	d.capture(strings.Fields(tables)...)
	d.exec(statements...)
	got, _ := d.read(d.stream(0), len(statements))
	return got
}

func wantLines(t *testing.T, got string, want ...string) {
	t.Helper()
	if w := strings.Join(want, "\n"); got != w {
		t.Errorf("got\n%s\nwant\n%s", got, w)
	}
}

func TestEveryOperationAndIdentity(t *testing.T) {
	dml := []string{
		"INSERT INTO t VALUES (1, 10, 'a')",
		"UPDATE t SET name = 'b'",
		"UPDATE t SET id = 2",
		"UPDATE t SET code = 20",
		"UPDATE t SET name = NULL",
		"DELETE FROM t",
	}
	tests := []struct {
		name, identity, relation string
		want                     []string
	}{
		{"default", "DEFAULT", "relation public.t DEFAULT (id* code name)", []string{
			`update t: - -> "1" "10" "b"`,
			`update t: key "1" null null -> "2" "10" "b"`,
			`update t: - -> "2" "20" "b"`,
			`update t: - -> "2" "20" null`,
			`delete t: key "2" null null -> -`,
		}},
		{"index", "USING INDEX t_code_key", "relation public.t USING INDEX (id code* name)", []string{
			`update t: - -> "1" "10" "b"`,
			`update t: - -> "2" "10" "b"`,
			`update t: key null "10" null -> "2" "20" "b"`,
			`update t: - -> "2" "20" null`,
			`delete t: key null "20" null -> -`,
		}},
		{"full", "FULL", "relation public.t FULL (id* code* name*)", []string{
			`update t: "1" "10" "a" -> "1" "10" "b"`,
			`update t: "1" "10" "b" -> "2" "10" "b"`,
			`update t: "2" "10" "b" -> "2" "20" "b"`,
			`update t: "2" "20" "b" -> "2" "20" null`,
			`delete t: "2" "20" null -> -`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rows(t, "CREATE TABLE t (id int PRIMARY KEY, code int NOT NULL UNIQUE, name text);"+
				"ALTER TABLE t REPLICA IDENTITY "+tt.identity, "t", dml...)
			wantLines(t, got, append([]string{tt.relation, `insert t: - -> "1" "10" "a"`}, tt.want...)...)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		got := rows(t, "CREATE TABLE t (id int PRIMARY KEY, code int); ALTER TABLE t REPLICA IDENTITY NOTHING", "t",
			"INSERT INTO t VALUES (1, NULL)")
		wantLines(t, got, "relation public.t NOTHING (id code)", `insert t: - -> "1" null`)
	})
}

// TestToast: a value kept out of line and left alone is Unchanged, not null
// and not empty; under FULL it is in the old row.
func TestToast(t *testing.T) {
	big := strings.Repeat("x", 5000)
	ddl := "CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
	dml := []string{
		"INSERT INTO t VALUES (1, 1, repeat('x', 5000))",
		"UPDATE t SET n = 2",
		"UPDATE t SET id = 7",
	}
	wantLines(t, rows(t, ddl, "t", dml...),
		"relation public.t DEFAULT (id* n big)",
		`insert t: - -> "1" "1" "`+big+`"`,
		`update t: - -> "1" "2" unchanged`,
		`update t: key "1" null null -> "7" "2" unchanged`)
	wantLines(t, rows(t, ddl+"ALTER TABLE t REPLICA IDENTITY FULL", "t", dml...),
		"relation public.t FULL (id* n* big*)",
		`insert t: - -> "1" "1" "`+big+`"`,
		`update t: "1" "1" "`+big+`" -> "1" "2" unchanged`,
		`update t: "1" "2" "`+big+`" -> "7" "2" unchanged`)
}

func TestTruncate(t *testing.T) {
	got := rows(t, "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)", "a b",
		"INSERT INTO a VALUES (1)", "TRUNCATE a RESTART IDENTITY CASCADE", "TRUNCATE b")
	wantLines(t, got,
		"relation public.a DEFAULT (id*)",
		`insert a: - -> "1"`,
		"relation public.a DEFAULT (id*)",
		"relation public.b DEFAULT (id*)",
		"truncate a,b cascade=true restart=true",
		"relation public.b DEFAULT (id*)",
		"truncate b cascade=false restart=false")
}

// TestDDL: a changed table is described anew before its next row, also within
// one transaction.
func TestDDL(t *testing.T) {
	got := rows(t, "CREATE TABLE t (id int PRIMARY KEY, a text)", "t",
		"INSERT INTO t VALUES (1, 'x')",
		"INSERT INTO t VALUES (2, 'x'); ALTER TABLE t ADD b int DEFAULT 5; INSERT INTO t VALUES (3, 'y')",
		"ALTER TABLE t DROP a; ALTER TABLE t RENAME TO renamed; UPDATE renamed SET b = 6 WHERE id = 1")
	wantLines(t, got,
		"relation public.t DEFAULT (id* a)",
		`insert t: - -> "1" "x"`,
		`insert t: - -> "2" "x"`,
		"relation public.t DEFAULT (id* a b)",
		`insert t: - -> "3" "y" "5"`,
		"relation public.renamed DEFAULT (id* b)",
		`update renamed: - -> "1" "6"`)
}

func TestTypesAreNamed(t *testing.T) {
	got := rows(t, `CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN email AS text; CREATE DOMAIN "other mood" AS mood;
		CREATE TABLE t (id int PRIMARY KEY, m mood, e email, o "other mood")`, "t",
		"INSERT INTO t VALUES (1, 'happy', 'a@b', 'sad')")
	wantLines(t, got,
		"type public.mood", "type pg_catalog.text", "type public.mood",
		"relation public.t DEFAULT (id* m e o)",
		`insert t: - -> "1" "happy" "a@b" "sad"`)
}

func TestLogicalMessages(t *testing.T) {
	for _, asked := range []bool{false, true} {
		d := newDatabase(t, "CREATE TABLE t (id int PRIMARY KEY)")
		d.source.Messages = asked
		d.capture("t")
		d.exec("INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'cdcsync', 'mark')",
			"SELECT pg_logical_emit_message(false, 'other', 'now'); INSERT INTO t VALUES (2)")
		got, _ := d.read(d.stream(0), 2)
		want := []string{"relation public.t DEFAULT (id*)", `insert t: - -> "1"`}
		if asked {
			want = append(want, `message cdcsync transactional=true "mark"`, `message other transactional=false "now"`)
		}
		wantLines(t, got, append(want, `insert t: - -> "2"`)...)
	}
}

// TestPartitions: changes of partitions come as those of the whole table.
func TestPartitions(t *testing.T) {
	got := rows(t, `CREATE TABLE p (id int, y int, PRIMARY KEY (id, y)) PARTITION BY LIST (y);
		CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)`, "p",
		"INSERT INTO p VALUES (1, 1)", "UPDATE p SET y = 2")
	if strings.Contains(got, "insert p1") || !strings.Contains(got, `insert p: - -> "1" "1"`) {
		t.Errorf("rows of a partitioned table:\n%s\nwant them as those of p", got)
	}
	if !strings.Contains(got, `delete p: key "1" "1" -> -`) || !strings.Contains(got, `insert p: - -> "1" "2"`) {
		t.Errorf("a row that moves:\n%s\nwant its delete and insert", got)
	}
}

// TestInheritanceStaysOut: only the tables that were named are published.
func TestInheritanceStaysOut(t *testing.T) {
	got := rows(t, "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (t)", "t",
		"INSERT INTO child VALUES (1); INSERT INTO t VALUES (2)")
	wantLines(t, got, "relation public.t DEFAULT (id*)", `insert t: - -> "2"`)
}

// TestTextForm: values have one form, whatever database and role prefer, in
// the stream and in rows that are read.
func TestTextForm(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE t (id int PRIMARY KEY, d date, ts timestamptz, i interval, f float8, b bytea, s text, n numeric)`)
	d.exec("ALTER ROLE postgres SET bytea_output = 'escape'")
	t.Cleanup(func() {
		if err := d.cluster.Exec(context.Background(), d.name, "ALTER ROLE postgres RESET ALL"); err != nil {
			t.Error(err)
		}
	})
	for _, setting := range []string{"datestyle = 'German'", "timezone = 'Asia/Kolkata'", "intervalstyle = 'iso_8601'", "extra_float_digits = -5", "client_encoding = 'LATIN1'"} {
		d.exec("ALTER DATABASE " + d.name + " SET " + setting)
	}
	d.source.URL += "&client_encoding=LATIN1&options=-c%20timezone%3DAmerica/New_York%20-c%20DateStyle%3DSQL"
	d.capture("t")
	d.exec(`INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 12:00+00', '1 year 2 days', 0.1::float8 + 0.2, '\x00ff', U&'\00e9', 'NaN')`)
	want := `"1" "2024-02-29" "2024-02-29 12:00:00+00" "1 year 2 days" "0.30000000000000004" "\\x00ff" "é" "NaN"`

	stream := d.stream(0)
	got, _ := d.read(stream, 1)
	if line := got[strings.Index(got, "\n")+1:]; line != "insert t: - -> "+want {
		t.Errorf("stream: got %s, want %s", line, want)
	}
	session, err := rowread.Open(t.Context(), d.source)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	snapshot, err := session.Snapshot(t.Context(), catalog.TableName{Schema: "public", Name: "t"}, []string{"id", "d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Rows(t.Context(), []rowread.Key{{Values: []string{"1", "2024-02-29"}}}, func(_ int, rows [][]pgoutput.Value, err error) {
		if err != nil || len(rows) != 1 || pgoutputtest.Show(rows[0]) != want {
			t.Errorf("row: got %d, %v, want %s", len(rows), err, want)
		}
	}); err != nil {
		t.Error(err)
	}
}

// TestOtherEncoding: text of a database in another encoding comes as UTF-8.
func TestOtherEncoding(t *testing.T) {
	c := server(t)
	if err := c.Exec(t.Context(), "postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	d := &database{t: t, cluster: c, name: "latin", source: &replication.Source{URL: c.URL("latin"), Slot: "latin", Publication: `odd "name", it's`}}
	d.exec("CREATE TABLE t (id int PRIMARY KEY, s text)")
	d.capture("t")
	d.exec(`INSERT INTO t VALUES (1, convert_from('\xe9', 'LATIN1'))`)
	got, _ := d.read(d.stream(0), 1)
	wantLines(t, got, "relation public.t DEFAULT (id* s)", `insert t: - -> "1" "é"`)
}

// TestLargeRow: a row larger than the read buffer comes whole, and what
// follows too.
func TestLargeRow(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE t (id int PRIMARY KEY, s text)")
	d.capture("t")
	d.exec("INSERT INTO t VALUES (1, repeat('0123456789', 500000)), (2, 'small')")
	s := d.stream(0)
	var sizes []int
	for len(sizes) < 2 {
		m, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := m.(*pgoutput.Change); ok {
			sizes = append(sizes, len(c.New[1].Text))
		}
	}
	if sizes[0] != 5_000_000 || sizes[1] != 5 {
		t.Errorf("sizes = %v, want 5000000 and 5", sizes)
	}
	if bytes, messages := s.Counters(); bytes < 5_000_000 || messages < 4 {
		t.Errorf("Counters() = %d bytes, %d messages", bytes, messages)
	}
}

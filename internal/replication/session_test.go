package replication_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread/rowreadtest"
)

// spared are settings of a role that no session can undo, or that would break a
// server for anybody.
var spared = map[string]bool{
	"role": true, "session_authorization": true, "max_stack_depth": true, "wal_sender_timeout": true,
	"debug_discard_caches": true, "ignore_invalid_pages": true, "default_with_oids": true,
}

// hostile gives a role every setting that differs from the default, as far as
// the server takes it: flags turned, the last of several words, the smallest
// number, and timeouts that a session of ours outlasts.
func hostile(t *testing.T, d *database, role string) int {
	t.Helper()
	words := strings.Split(d.value(`SELECT string_agg(name || '=' || CASE vartype
			WHEN 'bool' THEN CASE boot_val WHEN 'on' THEN 'off' ELSE 'on' END
			WHEN 'enum' THEN enumvals[CASE WHEN enumvals[cardinality(enumvals)] = boot_val THEN 1 ELSE cardinality(enumvals) END]
			ELSE min_val END, ' ')
		FROM pg_settings WHERE context IN ('user', 'superuser') AND vartype <> 'string'`), " ")
	words = append(words, "statement_timeout=1", "lock_timeout=1", "idle_in_transaction_session_timeout=1", "idle_session_timeout=200",
		"transaction_timeout=200", "search_path=other", "datestyle=German", "timezone=Asia/Kolkata", "default_tablespace=pg_default")
	conn, err := pgconn.Connect(t.Context(), d.source.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	taken := 0
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if spared[name] {
			continue
		}
		if _, err := conn.Exec(t.Context(), "ALTER ROLE "+role+" SET "+name+" = '"+value+"'").ReadAll(); err == nil {
			taken++
		}
	}
	return taken
}

// No setting of a role is felt by a session of ours.
func TestSettingsOfTheRole(t *testing.T) {
	for _, version := range []int{0, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			d := databaseOf(t, version)
			d.exec("CREATE SCHEMA other; CREATE OPERATOR other.= (leftarg = int, rightarg = int, function = int4ne)",
				"CREATE TABLE t (id int PRIMARY KEY, at timestamptz, f float8, b bytea, x xml, a text[], r regclass, i interval)",
				"INSERT INTO t VALUES (1, '2026-02-28 12:00+00', 0.1::float8 + 0.2, '\\x00ff', '<a/>', '{a,NULL}', 't', '1 day 2 hours')",
				"CREATE ROLE hostile LOGIN SUPERUSER")
			t.Cleanup(func() {
				if err := d.cluster.Exec(context.Background(), d.name, "DROP OWNED BY hostile; DROP ROLE hostile"); err != nil {
					t.Error(err)
				}
			})
			if n := hostile(t, d, "hostile"); n < 100 {
				t.Fatalf("%d settings were taken, want more than 100", n)
			}
			d.source.URL = strings.Replace(d.source.URL, "postgres@", "hostile@", 1)
			row := `"1" "2026-02-28 12:00:00+00" "0.30000000000000004" "\\x00ff" "<a/>" "{a,NULL}" "public.t" "1 day 02:00:00"`
			if got, err := d.source.Inspect(t.Context()); err != nil || !got.MayReplicate {
				t.Errorf("Inspect() = %+v, %v", got, err)
			}
			r := rowreadtest.Open(t, d.source)
			time.Sleep(300 * time.Millisecond)
			s := r.Begin("t", "id")
			time.Sleep(300 * time.Millisecond)
			rowreadtest.Want(t, rowreadtest.Answers(t, s, rowreadtest.Texts("1", "2", "x")), row, "", "")
			r.Close(t.Context())

			d.capture("t")
			stream := d.stream(0)
			time.Sleep(300 * time.Millisecond)
			d.exec("UPDATE t SET id = id")
			got, _ := d.read(stream, 1)
			if line := got[strings.LastIndex(got, "\n")+1:]; line != "update t: - -> "+row {
				t.Errorf("stream: got %s, want %s", line, row)
			}
		})
	}
}

// databaseOf is a database on a server of that version; 0 is the shared one.
func databaseOf(t *testing.T, version int) *database {
	t.Helper()
	if version == 0 {
		return newDatabase(t, "")
	}
	c := clustertest.Start(t, cluster.Options{Version: version})
	url, err := c.NewDatabase(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	return &database{t: t, cluster: c, name: "d", source: &replication.Source{URL: url, Slot: "d", Publication: "d"}}
}

// The publication takes a lock that others' DDL and VACUUM have to wait for. It
// is not waited for behind them for long, and the application reads and writes
// meanwhile.
func TestPublicationDoesNotWaitLongForALock(t *testing.T) {
	d := newDatabase(t, table)
	d.source.LockTimeout = 500 * time.Millisecond
	holder, err := d.source.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE public.t IN SHARE UPDATE EXCLUSIVE MODE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	created := make(chan error)
	go func() {
		created <- d.source.CreatePublication(t.Context(), []catalog.TableName{{Schema: "public", Name: "t"}})
	}()
	clustertest.Eventually(t, "the publication waits for the table", func() bool {
		return d.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass") == "1"
	})
	d.exec("SET statement_timeout = 200; INSERT INTO t VALUES (1, 'a'); UPDATE t SET s = 'b'; SELECT * FROM t")
	wantReason(t, <-created, replication.Locked)
	if n := d.value("SELECT count(*) FROM pg_publication WHERE pubname = '" + d.name + "'"); n != "0" {
		t.Errorf("%s publications, want none", n)
	}
	if _, err := holder.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
		t.Fatal(err)
	}
	d.capture("t")
}

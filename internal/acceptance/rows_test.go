package acceptance_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// things is the table of the tests that have rows read again: memo is stored
// apart, so that an update which leaves it alone does not carry it.
const things = `
	CREATE TABLE thing (code text PRIMARY KEY, n int, name text, memo text);
	ALTER TABLE thing ALTER memo SET STORAGE EXTERNAL`

func newThings(t *testing.T, c *cluster.Cluster, api, mapping string) *world {
	t.Helper()
	w := newWorld(t, c, api, simulator.Options{Dedupe: map[string][]string{"Thing": {"code"}}})
	w.config.mappings = `
  - table: public.thing
    object: Thing
    key: {code: code}
    attributes: {n: n, name: name}
` + mapping
	return w
}

// TestRowStopsMatching has rows stop matching in an update that leaves alone
// the large value which where asks about: only the table can tell, and no other
// change will.
func TestRowStopsMatching(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for onDelete, want := range map[string]string{"delete": "", "{set: {n: 0}}": "0", "ignore": "1"} {
			t.Run(onDelete, func(t *testing.T) {
				t.Parallel()
				w := newThings(t, server, api, `
    where: 'n > 0 && memo != "none"'
    on_delete: `+onDelete)
				w.exec(things)
				p := w.start()
				w.exec(`INSERT INTO thing SELECT i, 1, 'a', $1::text FROM generate_series(1, 8) i`, large())
				w.settle(p)
				w.exec(`UPDATE thing SET n = -1 WHERE code <= '4'`)
				w.settle(p)
				objects := w.sim.Objects("Thing")
				for _, code := range []string{"1", "2", "3", "4"} {
					if got := objects[code]["n"]; got != want {
						t.Errorf("object %s of a row that stopped matching has n %q, want %q", code, got, want)
					}
				}
				if got := objects["5"]["n"]; got != "1" {
					t.Errorf("object 5 has n %q, want 1", got)
				}
				w.noViolations()
				p.stop(t)
			})
		}
	})
}

// TestSharedKey reads again a row whose key another row has, too. It is parked,
// and what comes behind it goes on.
func TestSharedKey(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, "    on_delete: delete\n    where: 'memo != \"none\"'")
		w.exec(things)
		w.exec(`ALTER TABLE thing DROP CONSTRAINT thing_pkey, ADD PRIMARY KEY (code, name)`)
		p := w.start()
		w.exec(`INSERT INTO thing SELECT i, 1, 'a', $1::text FROM generate_series(1, 3) i`, large())
		w.exec(`INSERT INTO thing SELECT '2', 1, 'b', $1::text`, large())
		w.settle(p)
		w.exec(`UPDATE thing SET n = 2`)
		w.settle(p)
		w.awaitParked(1)
		if got := w.parkedNow().Groups[0].Code; got != "shared_key" {
			t.Errorf("parked with code %q, want shared_key", got)
		}
		objects := w.sim.Objects("Thing")
		if objects["1"]["n"] != "2" || objects["3"]["n"] != "2" {
			t.Errorf("objects %v, want n of 2 for 1 and 3", objects)
		}
		p.stop(t)
	})
}

// names are the names of all objects by their keys.
func (w *world) names() map[string]string {
	names := map[string]string{}
	for code, object := range w.sim.Objects("Thing") {
		names[code] = object["name"]
	}
	return names
}

// wantNames compares all objects with what they should be called.
func (w *world) wantNames(want map[string]string) {
	w.t.Helper()
	if got := w.names(); !maps.Equal(got, want) {
		w.t.Errorf("names by key: got %v, want %v", got, want)
	}
}

// reread is a mapping whose rows are read again whenever memo is left alone.
const reread = `
    where: 'memo != "none"'
    on_delete: delete
`

// TestRowsAreReadDuringARewrite has rows read again while the application's
// ALTER TABLE rewrites their table: to whoever looks from before it the table
// is empty, and rows that were taken for gone would never come.
func TestRowsAreReadDuringARewrite(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for _, ddl := range []string{"ALTER COLUMN n TYPE bigint", "ADD COLUMN r float DEFAULT random()"} {
			t.Run(ddl, func(t *testing.T) {
				t.Parallel()
				w := newThings(t, server, api, reread)
				w.exec(things)
				w.exec(`INSERT INTO thing SELECT i, 1, 'old', $1::text FROM generate_series(1, 21) i`, large())
				p := w.start()
				w.exec(`UPDATE thing SET name = 'new'`)
				w.exec(`BEGIN; ALTER TABLE thing ` + ddl)
				time.Sleep(500 * time.Millisecond) // the program waits for the table, and gives up waiting
				w.exec(`COMMIT`)
				w.settle(p)
				want := map[string]string{}
				for i := range 21 {
					want[fmt.Sprint(i+1)] = "new"
				}
				w.wantNames(want)
				p.stop(t)
			})
		}
	})
}

// TestRowsOfAFamily reads again a row of a table that another inherits from,
// with a row of the same key.
func TestRowsOfAFamily(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, reread)
		w.exec(things)
		w.exec(`CREATE TABLE thing_2026 (PRIMARY KEY (code)) INHERITS (thing)`)
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'own', $1)`, large())
		w.exec(`INSERT INTO thing_2026 VALUES ('a', 1, 'of 2026', $1)`, large())
		w.exec(`UPDATE ONLY thing SET name = 'own again'`)
		w.settle(p)
		w.awaitParked(0)
		w.wantNames(map[string]string{"a": "own again"})
		p.stop(t)
	})
}

// TestKeysOfExtensionTypes reads rows again by keys whose type, and its
// operators, are in a schema that nobody looks at by itself.
func TestKeysOfExtensionTypes(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for kind, codes := range map[string][2]string{"ltree": {"a.b", "a.c"}, "citext": {"Bob", "Ann"}, "mood": {"{x}", "ok"}} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				w := newThings(t, server, api, reread)
				w.exec(`CREATE SCHEMA extensions; CREATE EXTENSION ltree SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions;
					CREATE TYPE extensions.mood AS ENUM ('ok', '{x}')`)
				w.exec(strings.Replace(things, "code text", "code extensions."+kind, 1))
				p := w.start()
				for _, code := range codes {
					w.exec(fmt.Sprintf(`INSERT INTO thing VALUES ('%s', 1, 'a', $1)`, code), large())
				}
				w.exec(`UPDATE thing SET name = 'b'`)
				w.settle(p)
				w.wantNames(map[string]string{codes[0]: "b", codes[1]: "b"})
				p.stop(t)
			})
		}
	})
}

// asGuest has the program connect as a role that owns nothing, and reads a table. The
// publication is there already.
func (w *world) asGuest(table string) string {
	role := "guest_" + w.database
	w.exec(`CREATE ROLE ` + role + ` LOGIN REPLICATION; GRANT SELECT ON ` + table + ` TO ` + role)
	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE ` + table)
	w.config.url = strings.Replace(w.config.url, "postgres@", role+"@", 1)
	w.t.Cleanup(func() {
		w.disconnect()
		_ = w.cluster.Exec(context.Background(), w.database, "DROP OWNED BY "+role+"; DROP ROLE "+role)
	})
	return role
}

// TestRightToReadIsTakenAway takes the program's right to read rows away while
// it needs it. It gives nothing up and says what it lacks, and goes on by itself
// once it has it again.
func TestRightToReadIsTakenAway(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for _, test := range []struct{ name, take, give string }{
			{"select", "REVOKE SELECT ON thing FROM %s", "GRANT SELECT ON thing TO %s"},
			{"row security", "ALTER TABLE thing ENABLE ROW LEVEL SECURITY; -- %s", "ALTER TABLE thing DISABLE ROW LEVEL SECURITY; -- %s"},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				w := newThings(t, server, api, reread)
				w.exec(things)
				role := w.asGuest("thing")
				w.exec(`INSERT INTO thing VALUES ('a', 1, 'old', $1)`, large())
				p := w.start()
				w.exec(fmt.Sprintf(test.take, role))
				w.exec(`UPDATE thing SET name = 'new'`)
				await(t, time.Minute, func() (bool, string) {
					status, reason := w.get("/readyz")
					return status == 503 && strings.Contains(reason, "unreadable: rows of mapping thing cannot be read") && strings.Contains(reason, "BYPASSRLS"), "readyz says " + reason
				})
				w.awaitParked(0)
				w.wantNames(map[string]string{})
				w.exec(fmt.Sprintf(test.give, role))
				w.settle(p)
				w.awaitReady(p)
				w.wantNames(map[string]string{"a": "new"})
				p.stop(t)
			})
		}
	})
}

// TestReadOnlyRole connects as a role that the house lets only read, by its
// settings. The program makes its publication and goes on.
func TestReadOnlyRole(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, reread)
		w.exec(things)
		role := "reader_" + w.database
		w.exec(`CREATE ROLE ` + role + ` SUPERUSER LOGIN`)
		w.t.Cleanup(func() {
			w.disconnect()
			_ = w.cluster.Exec(context.Background(), w.database, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		})
		for _, setting := range []string{"default_transaction_read_only = on", "default_transaction_isolation = serializable", "search_path = nowhere",
			"row_security = on", "session_replication_role = replica", "lock_timeout = 1", "quote_all_identifiers = on",
			"client_min_messages = debug5", "wal_sender_timeout = 0", "logical_decoding_work_mem = '64kB'"} {
			w.exec(`ALTER ROLE ` + role + ` SET ` + setting)
		}
		w.config.url = strings.Replace(w.config.url, "postgres@", role+"@", 1) + "&target_session_attrs=read-write"
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'old', $1)`, large())
		p := w.start()
		w.exec(`UPDATE thing SET name = 'new'`)
		w.settle(p)
		w.wantNames(map[string]string{"a": "new"})
		if output, code := w.command("check"); code != 0 {
			t.Errorf("check: exit code %d:\n%s", code, output)
		}
		p.stop(t)
	})
}

// TestRoleActsAsAnother connects as a role that acts as the tables' owner, by its
// settings, and may not read by itself. The right to replicate is its own all
// the same.
func TestRoleActsAsAnother(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newThings(t, server, "rest", reread)
	w.exec(things)
	owner, login := "owner_"+w.database, "login_"+w.database
	w.exec(`CREATE ROLE ` + owner + `; ALTER TABLE thing OWNER TO ` + owner + `; GRANT CREATE ON DATABASE ` + w.database + ` TO ` + owner)
	w.exec(`CREATE ROLE ` + login + ` LOGIN REPLICATION NOINHERIT; GRANT ` + owner + ` TO ` + login + `; ALTER ROLE ` + login + ` SET role = '` + owner + `'`)
	w.t.Cleanup(func() {
		w.disconnect()
		_ = w.cluster.Exec(context.Background(), w.database, "DROP OWNED BY "+owner+"; DROP ROLE "+login+", "+owner)
	})
	w.config.url = strings.Replace(w.config.url, "postgres@", login+"@", 1)
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'old', $1)`, large())
	p := w.start()
	w.exec(`UPDATE thing SET name = 'new'`)
	w.settle(p)
	w.wantNames(map[string]string{"a": "new"})
	p.stop(t)
	w.exec(`UPDATE thing SET name = 'newer'`)
	if output, code := w.command("check"); code != 0 || !strings.Contains(output, "all fit the mappings") || !strings.Contains(output, login+" may replicate") {
		t.Errorf("check: exit code %d:\n%s", code, output)
	}
}

// TestApplicationIsNotHeldUp has the application lock its table for longer than
// the program waits, while rows of it are to be read, and change the table once
// the program reads. No statement of the application fails or waits for it.
func TestApplicationIsNotHeldUp(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, reread)
		w.exec(things)
		w.exec(`INSERT INTO thing SELECT i, 1, 'old', $1::text FROM generate_series(1, 50) i`, large())
		p := w.start()
		// The program must not have read the rows before the lock is there.
		p.signal(t, syscall.SIGSTOP)
		w.exec(`UPDATE thing SET name = 'new'`)
		w.exec(`BEGIN; LOCK TABLE thing IN ACCESS EXCLUSIVE MODE`)
		p.signal(t, syscall.SIGCONT)
		await(t, time.Minute, func() (bool, string) {
			return strings.Contains(p.output.String(), "lock timeout"), "the program waits for the lock without an end"
		})
		w.exec(`COMMIT`)
		w.exec(`SET lock_timeout = '10s'`)
		w.exec(`CREATE TABLE beside (code text)`)
		// A table that nobody reads tells how slow the machine is.
		var longest, beside time.Duration
		alter := func(table string, i int) time.Duration {
			began := time.Now()
			w.exec(fmt.Sprintf(`ALTER TABLE %s ADD c%d int DEFAULT %d`, table, i, i))
			return time.Since(began)
		}
		for i := range 40 {
			w.exec(`UPDATE thing SET n = n + 1 WHERE code = '7'`)
			longest, beside = max(longest, alter("thing", i)), max(beside, alter("beside", i))
			w.exec(`UPDATE thing SET name = $1`, fmt.Sprint("new ", i))
		}
		if longest > time.Second+5*beside {
			t.Errorf("a statement of the application waited for %s; one beside it took %s", longest, beside)
		}
		w.settle(p)
		want := map[string]string{}
		for i := range 50 {
			want[fmt.Sprint(i+1)] = "new 39"
		}
		w.wantNames(want)
		w.awaitParked(0)
		p.stop(t)
	})
}

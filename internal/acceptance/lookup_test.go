package acceptance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// newOrders is a world of orders, whose e-mail is in the table of users of
// another schema, and their discount in one with a key of two columns.
func newOrders(t *testing.T, c *cluster.Cluster, api string) *world {
	t.Helper()
	w := newWorld(t, c, api, simulator.Options{Dedupe: map[string][]string{"Order": {"id"}}})
	w.config.maxWait = time.Second
	w.config.mappings = `
  - table: public.orders
    object: Order
    key: {id: id}
    attributes:
      total: total
      email: {lookup: {table: crm.users, column: email, match: {id: user_id}}}
      phone: {lookup: {table: crm.users, column: phone, match: {id: user_id}}, "null": omit}
      mailbox: {lookup: {table: crm.users, column: email, match: {id: user_id}}, expr: 'split(email, "@")[0]'}
      percent: {lookup: {table: prices, column: percent, match: {region: region, kind: kind}}}
    on_delete: delete
`
	w.exec(`CREATE SCHEMA crm;
		CREATE TABLE crm.users (id bigint PRIMARY KEY, email text, phone text);
		CREATE TABLE prices (kind text, region text, percent numeric(4,1), PRIMARY KEY (kind, region));
		CREATE TABLE orders (id int PRIMARY KEY, user_id int, region text, kind varchar(9), total numeric, memo text);
		ALTER TABLE orders ALTER memo SET STORAGE EXTERNAL;
		INSERT INTO crm.users SELECT i, 'u' || i || '@example.com', CASE WHEN i % 2 = 0 THEN '+' || i END FROM generate_series(1, 1000) i;
		INSERT INTO prices VALUES ('a', 'eu', 12.5), ('b', 'eu', 7)`)
	return w
}

// wantOrders compares attributes of objects, given as they are shown here.
func (w *world) wantOrders(want map[string]string) {
	w.t.Helper()
	objects := w.sim.Objects("Order")
	for id, line := range want {
		o := objects[id]
		if got := strings.Join([]string{o["total"], o["email"], o["phone"], o["mailbox"], o["percent"]}, " "); got != line {
			w.t.Errorf("order %s has %q, want %q", id, got, line)
		}
	}
	w.noViolations()
}

// TestLookups takes attributes from other tables: as they are when a row
// changes, and also where the change itself is not all of the row.
func TestLookups(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		w.exec(`INSERT INTO orders VALUES (50, 2, 'eu', 'a', 5, $1)`, large()) // older than the slot
		p := w.start()
		w.exec(`INSERT INTO orders VALUES (1, 2, 'eu', 'a', 10), (2, 3, 'eu', 'b', 20), (3, NULL, 'eu', 'c', 30), (4, 77777, NULL, 'a', 40)`)
		// A user who comes with the order, in one transaction.
		w.exec(`BEGIN; INSERT INTO orders VALUES (5, 2000, 'eu', 'a', 50); INSERT INTO crm.users VALUES (2000, 'new@example.com', '1'); COMMIT`)
		w.settle(p)
		w.wantOrders(map[string]string{
			"1": "10 u2@example.com +2 u2 12.5", "2": "20 u3@example.com  u3 7.0", "3": "30    ", "4": "40    ", "5": "50 new@example.com 1 new 12.5",
		})
		// A user who was not there the first time.
		w.exec(`INSERT INTO crm.users VALUES (77777, 'late@example.com', NULL)`)
		w.exec(`UPDATE orders SET total = 41 WHERE id = 4`)
		w.settle(p)
		w.wantOrders(map[string]string{"4": "41 late@example.com  late "})
		// A change of the other table sends nothing by itself. What a lookup
		// does not find is cleared, or left as it is.
		w.exec(`UPDATE crm.users SET email = 'changed@example.com', phone = NULL WHERE id = 2`)
		w.exec(`DELETE FROM crm.users WHERE id = 3`)
		w.settle(p)
		w.wantOrders(map[string]string{"1": "10 u2@example.com +2 u2 12.5", "2": "20 u3@example.com  u3 7.0"})
		w.exec(`UPDATE orders SET total = total + 1 WHERE id <= 2`)
		w.settle(p)
		w.wantOrders(map[string]string{"1": "11 changed@example.com +2 changed 12.5", "2": "21    7.0"})
		// An update of a row whose object was never sent, and that leaves the
		// large value alone: not of an attribute, so that it is whole; and a row
		// that is read again.
		w.exec(`UPDATE orders SET total = 6 WHERE id = 50`)
		w.settle(p)
		w.wantOrders(map[string]string{"50": "6 changed@example.com  changed 12.5"})
		w.exec(`DELETE FROM orders WHERE id = 1`)
		w.settle(p)
		if w.sim.Objects("Order")["1"] != nil {
			t.Error("the object of a row that has gone is still there")
		}
		p.stop(t)
	})
}

// TestLookupOfRowsThatAreReadAgain has rows read again, as a large value that
// where asks about was left alone, or as Marketo refused them first: what they
// take from other tables comes with them.
func TestLookupOfRowsThatAreReadAgain(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		w.config.mappings += `    where: 'memo != "none"'` + "\n"
		p := w.start()
		w.exec(`INSERT INTO orders SELECT i, i, 'eu', 'a', i, $1::text FROM generate_series(1, 20) i`, large())
		w.settle(p)
		w.exec(`UPDATE crm.users SET email = 'changed' || id || '@example.com'`)
		w.exec(`UPDATE orders SET total = 100 + id`)
		w.settle(p)
		w.wantOrders(map[string]string{"2": "102 changed2@example.com +2 changed2 12.5", "20": "120 changed20@example.com +20 changed20 12.5"})
		if err := w.sim.Fail(simulator.Rule{Objects: &simulator.ObjectFault{Key: "7", Message: "Value not allowed"}}); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE orders SET total = 200 WHERE id = 7`)
		w.awaitParked(1)
		w.sim.Heal()
		w.exec(`UPDATE crm.users SET email = 'last@example.com' WHERE id = 7`)
		if output, code := w.command("parked", "retry", "--all"); code != 0 {
			t.Fatalf("retry: exit code %d: %s", code, output)
		}
		w.awaitParked(0)
		w.wantOrders(map[string]string{"7": "200 last@example.com  last 12.5"})
		p.stop(t)
	})
}

// statements are how many statements of the program the server's log has that
// look into a table.
func (w *world) statements(table string) int {
	w.t.Helper()
	log, err := os.ReadFile(filepath.Join(w.cluster.Dir(), "server.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for line := range strings.SplitSeq(string(log), "\n") {
		if strings.Contains(line, "SELECT k.n") && strings.Contains(line, table) {
			n++
		}
	}
	return n
}

// TestLookupsAreBatched changes 1,000 orders, each of another user: in one
// transaction, and in 1,000. It takes 20 queries at most, in either case.
func TestLookupsAreBatched(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for _, in := range []struct{ name, change string }{
			{"one transaction", `UPDATE orders SET total = total + 1`},
			{"1000 transactions", `DO $$ BEGIN FOR i IN 1..1000 LOOP UPDATE orders SET total = total + 1 WHERE id = i; COMMIT; END LOOP; END $$`},
		} {
			t.Run(in.name, func(t *testing.T) {
				t.Parallel()
				w := newOrders(t, server, api)
				// The log is that of all tests.
				schema := "crm_" + w.database
				w.exec(`ALTER SCHEMA crm RENAME TO ` + schema)
				w.config.mappings = strings.ReplaceAll(w.config.mappings, "crm.", schema+".")
				w.exec(`INSERT INTO orders SELECT i, i, 'eu', 'a', 0 FROM generate_series(1, 1000) i`)
				w.exec(`ALTER DATABASE ` + w.database + ` SET log_statement = 'all'`)
				p := w.start()
				w.exec(in.change)
				w.settle(p)
				n := w.statements(`"` + schema + `"."users"`)
				t.Logf("%d queries", n)
				if n == 0 || n > 20 {
					t.Errorf("%d queries for 1,000 lookups, want 1 to 20", n)
				}
				w.wantOrders(map[string]string{"1": "1 u1@example.com  u1 12.5", "1000": "1 u1000@example.com +1000 u1000 12.5"})
				if n := w.sim.Count("Order"); n != 1000 {
					t.Errorf("%d objects, want 1,000", n)
				}
				p.stop(t)
			})
		}
	})
}

// TestLookupOfSeveralRows parks the order whose lookup finds more than one row,
// and no other.
func TestLookupOfSeveralRows(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		w.exec(`ALTER TABLE crm.users DROP CONSTRAINT users_pkey; INSERT INTO crm.users VALUES (2, 'twin@example.com'), (2, 'third@example.com')`)
		p := w.start()
		w.exec(`INSERT INTO orders SELECT i, i, 'eu', 'a', i FROM generate_series(1, 3) i`)
		w.settle(p)
		w.awaitParked(1)
		if got := w.parkedNow().Groups[0]; got.Code != "lookup" || strings.Contains(got.Message, "@") {
			t.Errorf("parked with code %q, %q; want lookup, and no value", got.Code, got.Message)
		}
		w.wantOrders(map[string]string{"1": "1 u1@example.com  u1 12.5", "3": "3 u3@example.com  u3 12.5"})
		w.exec(`DELETE FROM crm.users WHERE email LIKE 't%'`)
		if output, code := w.command("parked", "retry", "--all"); code != 0 {
			t.Fatalf("retry: exit code %d: %s", code, output)
		}
		w.awaitParked(0)
		w.wantOrders(map[string]string{"2": "2 u2@example.com +2 u2 12.5"})
		p.stop(t)
	})
}

// TestLookupIsOutOfReach keeps the program from looking anything up: it waits,
// says why, ends within seconds when it is asked to, and goes on by itself.
func TestLookupIsOutOfReach(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		for _, test := range []struct{ name, take, give, words string }{
			{"right", "REVOKE SELECT ON crm.users FROM guest", "GRANT SELECT ON crm.users TO guest", "permission denied for table users"},
			{"column", "ALTER TABLE crm.users RENAME email TO mail", "ALTER TABLE crm.users RENAME mail TO email", `column "email" is not in "crm"."users"`},
			{"table", "ALTER TABLE crm.users RENAME TO people", "ALTER TABLE crm.people RENAME TO users", "the table does not exist"},
			{"row security", "ALTER TABLE crm.users ENABLE ROW LEVEL SECURITY", "ALTER TABLE crm.users DISABLE ROW LEVEL SECURITY", "BYPASSRLS"},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				w := newOrders(t, server, api)
				w.exec(`CREATE TABLE thing ()`)
				role := w.asGuest("thing")
				as := func(sql string) { w.exec(strings.ReplaceAll(sql, "guest", role)) }
				w.exec(`ALTER PUBLICATION ` + w.config.publication + ` SET TABLE orders`)
				as(`GRANT USAGE ON SCHEMA crm TO guest; GRANT SELECT ON orders, prices, crm.users TO guest`)
				p := w.start()
				as(test.take)
				w.exec(`INSERT INTO orders VALUES (1, 2, 'eu', 'a', 10)`)
				await(t, time.Minute, func() (bool, string) {
					status, reason := w.get("/readyz")
					return status == 503 && strings.Contains(reason, "unreadable: ") && strings.Contains(reason, "crm.users") && strings.Contains(reason, test.words), "readyz says " + reason
				})
				if n := w.sim.Count("Order"); n != 0 {
					t.Errorf("%d objects, want none", n)
				}
				began := time.Now()
				p.stop(t)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s to end", took)
				}
				p = w.launch()
				as(test.give)
				w.awaitReady(p)
				w.settle(p)
				w.wantOrders(map[string]string{"1": "10 u2@example.com +2 u2 12.5"})
				p.stop(t)
			})
		}
	})
}

// TestLookupBehindALock has the application hold the other table locked, and
// rewrite it: the stream waits for it, and no value is taken for missing.
func TestLookupBehindALock(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		p := w.start()
		holder := w.db()
		w.exec(`BEGIN; ALTER TABLE crm.users ALTER id TYPE int`)
		w.conn = nil
		w.exec(`INSERT INTO orders SELECT i, i, 'eu', 'a', i FROM generate_series(1, 600) i`)
		time.Sleep(3 * time.Second)
		if n := w.sim.Count("Order"); n != 0 {
			t.Errorf("%d objects while their users cannot be read", n)
		}
		if _, err := holder.Exec(t.Context(), `COMMIT`); err != nil {
			t.Fatal(err)
		}
		_ = holder.Close(t.Context())
		w.settle(p)
		w.wantOrders(map[string]string{"1": "1 u1@example.com  u1 12.5", "600": "600 u600@example.com +600 u600 12.5"})
		p.stop(t)
	})
}

// TestLookupOfLargeValues takes a large value of few users for many orders: what
// is looked up is in memory only as far as the limits allow, whatever comes at
// once.
func TestLookupOfLargeValues(t *testing.T) {
	needServer(t)
	t.Parallel()
	busyPlace(t)
	w := newWorld(t, server, "rest", simulator.Options{Dedupe: map[string][]string{"Order": {"id"}}})
	w.config.mappings = `
  - table: public.orders
    object: Order
    key: {id: id}
    attributes: {note: {lookup: {table: users, column: note, match: {id: user_id}}}}
`
	w.exec(`CREATE TABLE users (id int PRIMARY KEY, note text); CREATE TABLE orders (id int PRIMARY KEY, user_id int);
		INSERT INTO users SELECT i, repeat('n', 200000) || i FROM generate_series(1, 5) i`)
	w.program = static
	p := w.start()
	w.exec(`INSERT INTO orders SELECT i, 1 + i % 5 FROM generate_series(1, 300) i`)
	w.settle(p)
	objects := w.sim.Objects("Order")
	for i := 1; i <= 300; i++ {
		if note := objects[strconv.Itoa(i)]["note"]; len(note) != 200_001 || note[200_000:] != strconv.Itoa(1+i%5) {
			t.Fatalf("order %d has a note of %d bytes", i, len(note))
		}
	}
	p.atMost(t, 128*mebibyte)
	p.stop(t)
}

// TestLookupsOfABackfill sends the rows that a table has, while orders and users
// change: each object has what its order and its user have in the end, as far as
// the order changed after the user did.
func TestLookupsOfABackfill(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		w.config.mappings += "    backfill: true\n"
		w.exec(`INSERT INTO orders SELECT i, 1 + i % 1000, 'eu', 'a', 0 FROM generate_series(1, 3000) i`)
		p := w.start()
		for i := range 40 {
			w.exec(`UPDATE crm.users SET email = 'x' || id || '@example.com' WHERE id % 40 = $1`, i)
			w.exec(`UPDATE orders SET total = total + 1 WHERE (user_id % 40) = $1`, i)
		}
		w.awaitBackfill(p, "done")
		w.settle(p)
		objects := w.sim.Objects("Order")
		for i := 1; i <= 3000; i++ {
			o, user := objects[strconv.Itoa(i)], 1+i%1000
			if o["total"] != "1" || o["email"] != fmt.Sprintf("x%d@example.com", user) || o["mailbox"] != fmt.Sprintf("x%d", user) || o["percent"] != "12.5" {
				t.Fatalf("order %d is %v", i, o)
			}
		}
		w.noViolations()
		p.stop(t)
	})
}

// TestLookupBeforeTheRowIsVisible commits an order and its user while a
// synchronous standby is waited for that never comes: both are streamed, and
// nobody can see them. The user must not be taken for missing.
func TestLookupBeforeTheRowIsVisible(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, ownServer(t, map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}), api)
		p := w.start()
		hidden, err := pgx.Connect(t.Context(), w.cluster.URL(w.database))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error, 1)
		go func() {
			_, err := hidden.Exec(ctx, `SET synchronous_commit = on; BEGIN; INSERT INTO crm.users VALUES (5000, 'hidden@example.com', '5');
				INSERT INTO orders VALUES (1, 5000, 'eu', 'a', 10); COMMIT`)
			waiting <- err
		}()
		time.Sleep(2 * time.Second)
		if objects := w.sim.Objects("Order"); len(objects) != 0 {
			t.Errorf("sent before anybody can see it: %v", objects)
		}
		cancel() // the wait ends with the session, and the rows are there
		<-waiting
		await(t, time.Minute, func() (bool, string) { return w.sim.Count("Order") == 1, "the object does not come" })
		w.wantOrders(map[string]string{"1": "10 hidden@example.com 5 hidden 12.5"})
		p.stop(t)
	})
}

// TestLookupsOverKills kills the program while changes wait for values of other
// tables: no change is lost with them.
func TestLookupsOverKills(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newOrders(t, server, api)
		w.config.hold = 10 * time.Second
		w.exec(`INSERT INTO orders SELECT i, i, 'eu', 'a', 0 FROM generate_series(1, 1000) i`)
		p := w.start()
		for range 4 {
			w.exec(`DO $$ BEGIN FOR i IN 1..1000 LOOP UPDATE orders SET total = total + 1 WHERE id = i; IF i % 3 = 0 THEN COMMIT; END IF; END LOOP; END $$`)
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			w.killed(p)
			p = w.launch()
		}
		w.awaitReady(p)
		w.settle(p)
		objects := w.sim.Objects("Order")
		for i := 1; i <= 1000; i++ {
			if o := objects[strconv.Itoa(i)]; o["total"] != "4" || o["email"] != fmt.Sprintf("u%d@example.com", i) {
				t.Fatalf("order %d is %v", i, o)
			}
		}
		p.stop(t)
	})
}

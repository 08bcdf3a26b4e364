package acceptance_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillBesideWaitingCommits has commits wait for a synchronous standby,
// which are in the stream long before they are visible to whoever reads the
// table: nothing older overwrites what they brought.
func TestBackfillBesideWaitingCommits(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, nil)
		w := newItems(t, c, api, 3000, simulator.Options{RecordHistory: true})
		p := w.start()
		// One commit waits before the backfill begins, others on its way.
		w.standby(true)
		held := w.hold(1)
		await(t, time.Minute, func() (bool, string) {
			return w.sim.Objects("Item")["1"]["version"] == "1", "the waiting commit does not arrive"
		})
		if output, code := w.command("backfill", "start", "items"); code != 0 {
			t.Fatalf("exit code %d: %s", code, output)
		}
		time.Sleep(500 * time.Millisecond)
		if n := len(w.sim.Objects("Item")); n != 1 {
			t.Errorf("%d objects were sent although a streamed commit is not visible", n)
		}
		w.standby(false)
		<-held
		w.awaitBackfill(p, "done")

		load := w.startLoad(3000, 5, time.Millisecond)
		for range 3 {
			if output, code := w.command("backfill", "start", "items"); code != 0 {
				t.Fatalf("exit code %d: %s", code, output)
			}
			for range 4 {
				w.standby(true)
				time.Sleep(40 * time.Millisecond)
				w.standby(false)
				time.Sleep(20 * time.Millisecond)
			}
			w.awaitBackfill(p, "done")
		}
		load.stop()
		w.settle(p)
		w.itemsAgree()
		w.neverBack()
		p.stop(t)
	})
}

// standby has commits wait for a standby that is not there, or not any more.
func (w *world) standby(wait bool) {
	w.t.Helper()
	name := ""
	if wait {
		name = "nobody"
	}
	w.exec(`SET synchronous_commit = local`)
	w.exec(`ALTER SYSTEM SET synchronous_standby_names = '` + name + `'`)
	w.exec(`SELECT pg_reload_conf()`)
}

// hold commits a change of a row, which waits; the channel is closed when it is
// done.
func (w *world) hold(id int) <-chan struct{} {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.cluster.URL(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	await(w.t, time.Minute, func() (bool, string) {
		return w.value(`current_setting('synchronous_standby_names')`) == "nobody", "the setting does not take effect"
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close(context.Background())
		_, _ = conn.Exec(context.Background(), `UPDATE items SET version = version + 1 WHERE id = $1`, id)
	}()
	return done
}

// TestBackfillIsAGuest rewrites the table in the middle of a backfill: no row is
// missed, the ALTER TABLE waits no longer than a chunk is read, no lock of ours
// is stronger than ACCESS SHARE, and no snapshot older than two seconds.
func TestBackfillIsAGuest(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 100 * time.Millisecond}})
		w.config.mappings = backfilled
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 4, calls_per_day: 0}"
		rows := w.rowsOfCalls(200) // five seconds of calls at least: all that is done to the table falls into them
		p := w.start()
		seen := w.observe()
		for i := range 4 {
			calls := len(w.writes())
			await(t, time.Minute, func() (bool, string) { return len(w.writes()) > calls+5, "no calls are made" })
			statement := []string{`ALTER TABLE items ALTER pad TYPE varchar(100) USING pad || ''`, `ALTER TABLE items ALTER pad TYPE text USING pad || ''`,
				`VACUUM FULL items`, `CLUSTER items USING items_pkey`}[i]
			if took := w.timed(statement); took > 3*time.Second {
				t.Errorf("%s took %s", statement, took)
			}
			w.exec(`UPDATE items SET version = version + 1 WHERE id % 1000 = $1::bigint`, i)
		}
		w.awaitBackfill(p, "done")
		w.settle(p)
		wrong := seen()
		if len(wrong) > 0 {
			t.Errorf("seen of our sessions: %s", strings.Join(wrong, "; "))
		}
		if n := len(w.sim.Objects("Item")); n != rows {
			t.Errorf("%d objects for %d rows", n, rows)
		}
		w.itemsAgree()
		p.stop(t)
	})
}

// TestBackfillWithOneSession: where the server gives a backfill no second session, it
// goes on with one, and does not ask for another all the time.
func TestBackfillWithOneSession(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 4, calls_per_day: 0}"
		rows, role := w.rowsOfCalls(600), w.asGuest("items")
		p := w.start()
		await(t, time.Minute, func() (bool, string) { // walsenders are not counted
			return w.value(`SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = $1`, role) == "0", "the sessions of the start stay"
		})
		w.exec(`ALTER ROLE ` + role + ` CONNECTION LIMIT 1`)
		if output, code := w.command("backfill", "start", "items"); code != 0 {
			t.Fatalf("backfill start: exit code %d: %s", code, output)
		}
		w.awaitBackfill(p, "done")
		if n := strings.Count(w.cluster.Log(), "too many connections for role \""+role); n > 5 {
			t.Errorf("%d sessions were asked for in vain, want one for 30 chunks, none where all goes slowly, and a few that look at the schema", n)
		}
		if n := len(w.sim.Objects("Item")); n != rows {
			t.Errorf("%d objects for %d rows", n, rows)
		}
		w.itemsAgree()
		p.stop(t)
	})
}

// observe watches the program's sessions until the function is called that it
// returns: it tells of locks that are too strong, and of snapshots too old.
func (w *world) observe() func() []string {
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	found := map[string]bool{}
	wait.Go(func() {
		conn, err := pgx.Connect(ctx, w.cluster.URL(w.database))
		if err != nil {
			found[err.Error()] = true
			return
		}
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			var locks, old []string
			err := conn.QueryRow(ctx, `SELECT
				array(SELECT DISTINCT l.mode || ' on ' || c.relname FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
					WHERE a.application_name = 'cdcsync' AND a.datname = current_database() AND l.mode <> 'AccessShareLock'),
				array(SELECT 'a snapshot of ' || (clock_timestamp() - xact_start) FROM pg_stat_activity
					WHERE application_name = 'cdcsync' AND datname = current_database() AND backend_xmin IS NOT NULL AND backend_type = 'client backend' AND clock_timestamp() - xact_start > '2 seconds')`).Scan(&locks, &old)
			if err != nil && ctx.Err() == nil {
				found[err.Error()] = true
				return
			}
			for _, text := range append(locks, old...) {
				found[text] = true
			}
			sleep(ctx, 3*time.Millisecond)
		}
	})
	return func() (wrong []string) {
		cancel()
		wait.Wait()
		for text := range found {
			wrong = append(wrong, text)
		}
		return wrong
	}
}

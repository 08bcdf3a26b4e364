package acceptance_test

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var (
	hugeRows  = flag.Int("huge.rows", 30_000, "rows of the transactions of TestHugeTransactionOfEachKind")
	hugeKills = flag.Int("huge.kills", 1, "kills in the middle of them")
)

// hugeKinds are transactions that change very many rows. Those that do not
// insert find so many rows, which have no objects.
var hugeKinds = []struct {
	name    string
	there   bool
	changes int  // of each row
	long    bool // with -long only
	run     func(w *world, rows int)
}{
	{name: "inserts", long: true, changes: 1, run: func(w *world, rows int) { w.insertItems(1, rows) }},
	{name: "updates", long: true, there: true, changes: 1, run: func(w *world, _ int) { w.exec(`UPDATE items SET version = 1`) }},
	{name: "deletes", long: true, there: true, changes: 1, run: func(w *world, _ int) { w.exec(`DELETE FROM items`) }},
	{name: "keys", there: true, changes: 2, run: func(w *world, _ int) { w.exec(`UPDATE items SET id = -id, version = 1`) }},
	{name: "one delete first", there: true, changes: 1, run: func(w *world, rows int) {
		w.exec(`WITH gone AS (DELETE FROM items WHERE id = 1) UPDATE items SET version = 1 WHERE id > 1`)
	}},
	{name: "rows replaced", there: true, changes: 1, run: func(w *world, rows int) {
		w.exec(`CREATE FUNCTION replace_rows(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			FOR i IN 1..n LOOP DELETE FROM items WHERE id = i; INSERT INTO items VALUES (i, 1, 'pad'); END LOOP; END $$`)
		w.exec(`SELECT replace_rows($1)`, rows)
	}},
	{name: "several at once", long: true, changes: 1, run: func(w *world, rows int) {
		var wait sync.WaitGroup
		for i := range 4 {
			conn, err := pgx.Connect(w.t.Context(), w.cluster.URL(w.database))
			if err != nil {
				w.t.Fatal(err)
			}
			wait.Go(func() {
				defer conn.Close(w.t.Context())
				if _, err := conn.Exec(w.t.Context(), insertItems, i*rows/4+1, (i+1)*rows/4); err != nil {
					w.t.Error(err)
				}
			})
		}
		wait.Wait()
	}},
	{name: "truncated first", long: true, there: true, changes: 1, run: func(w *world, rows int) {
		w.exec(`BEGIN`)
		w.exec(`TRUNCATE items`)
		w.insertItems(1, rows)
		w.exec(`COMMIT`)
	}},
}

const insertItems = `INSERT INTO items SELECT i, 1, 'pad of the row ' || i FROM generate_series($1::bigint, $2::bigint) i`

func (w *world) insertItems(from, to int) { w.exec(insertItems, from, to) }

// TestHugeTransactionOfEachKind kills the program in the middle of a huge
// transaction: neither its memory nor its state file, nor those of the next
// life, follow the size of the transaction, and what was settled is not sent
// again.
func TestHugeTransactionOfEachKind(t *testing.T) {
	needServer(t)
	t.Parallel()
	for _, kind := range hugeKinds {
		if kind.long && !*long {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			busyPlace(t)
			rows := *hugeRows
			there := 0
			if kind.there {
				there = rows
			}
			w := newItems(t, server, "rest", there, simulator.Options{Latency: simulator.Latency{Fixed: 5 * time.Millisecond}})
			w.config.mappings = items + "    on_truncate: ignore\n"
			// A call that takes longer is given up, and sent again: of very many rows
			// that would be many, on a machine that is busy.
			patience := 3*time.Second + time.Duration(rows)*10*time.Microsecond
			w.config.timeout, w.config.hold = patience, patience
			w.program = static
			p := w.start()
			began := time.Now()
			kind.run(w, rows)
			limit := time.Minute + time.Duration(rows)*time.Millisecond
			var lives []string
			givenUp := 0
			live := func() {
				givenUp += int(w.metrics().Sum("cdcsync_call_unknown_outcomes_total"))
				peak, _ := p.peakMemory(t)
				if peak > 96*mebibyte {
					t.Errorf("life %d took %d MiB, want at most 96", len(lives)+1, peak/mebibyte)
				}
				file, entries := w.storeSize()
				lives = append(lives, fmt.Sprintf("%s: peak %d MiB, %d sent, state file with its log %d KiB with %d entries",
					time.Since(began).Round(time.Millisecond), peak/mebibyte, w.objectsSent(), file>>10, entries))
			}
			for kill := range *hugeKills {
				w.awaitSent(limit, rows*kind.changes*(kill+1)/(*hugeKills+1))
				live()
				w.killed(p)
				w.storeAtMost()
				p = w.start()
			}
			w.settleWithin(p, limit)
			live()
			p.stop(t)
			// Of a call that the program has given up the simulator may know nothing:
			// its reply had left.
			most := (*hugeKills*roundsAtOnce*10 + givenUp) * mostObjects["rest"]
			if again := w.objectsSent() - rows*kind.changes; again > most {
				t.Errorf("%d objects were sent again, want at most the %d of the calls in flight at a kill and of the %d that were given up", again, most, givenUp)
			}
			t.Logf("%s: %d rows, %d sent, %.0f a call\n%s", kind.name, rows, w.objectsSent(), w.sim.Stats().ObjectsPerCall, strings.Join(lives, "\n"))
			w.noViolations()
		})
	}
}

// objectsSent counts the objects of all calls that were answered.
func (w *world) objectsSent() int {
	sent := 0
	for _, n := range w.sim.Stats().Statuses {
		sent += n
	}
	return sent
}

func (w *world) awaitSent(limit time.Duration, n int) {
	w.t.Helper()
	await(w.t, limit, func() (bool, string) {
		sent := w.objectsSent()
		return sent >= n, fmt.Sprintf("%d of %d objects were sent", sent, n)
	})
}

// storeAtMost checks that the state file does not have every settled change of a
// huge transaction.
func (w *world) storeAtMost() {
	w.t.Helper()
	const most = 60_000
	bytes, entries := w.storeSize()
	if entries > most {
		w.t.Errorf("the state file has %d settled changes, want at most %d", entries, most)
	}
	if bytes > 48*mebibyte { // half of it is the log
		w.t.Errorf("the state file and its log take %d MiB", bytes/mebibyte)
	}
}

// storeSize returns the size of the state file with its log, and how many
// settled changes it has.
func (w *world) storeSize() (bytes int64, entries int) {
	w.t.Helper()
	path := filepath.Join(w.dir, w.config.state)
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			bytes += info.Size()
		}
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT coalesce(sum(entries), 0) FROM settled`).Scan(&entries); err != nil {
		w.t.Fatal(err)
	}
	return bytes, entries
}

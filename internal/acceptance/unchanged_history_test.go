package acceptance_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// keepState copies the state file, and returns what puts the copy back.
func (w *world) keepState() (restore func()) {
	w.t.Helper()
	file := filepath.Join(w.dir, "state.db")
	kept, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if log, err := os.Stat(file + "-wal"); err == nil && log.Size() > 0 {
		w.t.Fatal("the state file is not all there is")
	}
	return func() {
		w.t.Helper()
		if err := os.WriteFile(file, kept, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestWhatIsConfirmedIsOfOneHistory: rows that Marketo has confirmed cost no call, over
// restarts and kills; all of them are sent where the memory may be of something else:
// of another endpoint, behind a gap that was accepted, with a state file that is older
// than it. How many rows there are is said by CDCSYNC_BACKFILL_ROWS.
func TestWhatIsConfirmedIsOfOneHistory(t *testing.T) {
	rows, _ := strconv.Atoi(os.Getenv("CDCSYNC_BACKFILL_ROWS"))
	if rows == 0 {
		rows = 2000
	}
	eachAPI(t, func(t *testing.T, api string) {
		if rows < 100_000 {
			t.Parallel()
		}
		w := newItems(t, server, api, rows, simulator.Options{})
		w.config.suppress = true
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 5, calls_per_day: 0}"
		w.program = static
		p := w.start()
		sends := func(what string, want int, args ...string) {
			t.Helper()
			before, began := w.sim.Stats(), time.Now()
			if output, code := w.command(append([]string{"backfill", "start", "items"}, args...)...); code != 0 {
				t.Fatalf("backfill start: exit code %d: %s", code, output)
			}
			w.awaitBackfill(p, "done")
			after := w.sim.Stats()
			if got := after.Objects - before.Objects; got != want {
				t.Errorf("%s: %d objects are sent, want %d", what, got, want)
			}
			t.Logf("%s: %d objects in %s", what, after.Objects-before.Objects, time.Since(began).Round(time.Millisecond))
		}
		restarted := func() {
			t.Helper()
			p.stop(t)
			p = w.start()
		}
		sends("the first time", rows)
		sends("the second time", 0)
		restarted()
		sends("after a restart", 0)
		w.killed(p)
		p = w.start()
		sends("after a kill", 0)
		sends("with --force", rows, "--force")
		sends("after that", 0)

		here := w.config.endpoint
		w.config.endpoint = strings.Replace(here, "127.0.0.1", "localhost", 1)
		restarted()
		sends("to another endpoint", rows)
		sends("to that one again", 0)
		w.config.endpoint = here
		restarted()
		sends("to the first one", rows)

		accepted := func() {
			t.Helper()
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 {
				t.Fatalf("exit code = %d, want 3", got)
			}
			p = w.launchAccepting(named(t, p.output.String()))
			w.awaitReady(p)
		}
		p.stop(t)
		w.exec(`UPDATE items SET version = 1 WHERE id = 1`)
		w.exec(`SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())`, w.config.slot)
		accepted()
		sends("after a gap was accepted", rows)
		sends("after that", 0)

		p.stop(t)
		restore := w.keepState()
		p = w.start()
		w.exec(`UPDATE items SET version = 2 WHERE id = 2`)
		w.settle(p)
		p.stop(t)
		restore()
		accepted()
		sends("after a copy of the state file was put back", rows)
		w.itemsAgree()
		p.atMost(t, 128*mebibyte)
		p.stop(t)
	})
}

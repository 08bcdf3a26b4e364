package acceptance_test

import (
	"os"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestUnchangedObjectsCostNoCall: an update that changes no mapped attribute, and
// a row that Marketo has already, before and after a restart and a kill.
func TestUnchangedObjectsCostNoCall(t *testing.T) {
	const rows = 300
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.suppress = true
		w.exec(`ALTER TABLE items ADD other integer`)
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, $1::bigint) i`, rows)
		w.settle(p)
		// sends counts the objects that something makes the program send.
		sends := func(what string, want int, do func()) {
			t.Helper()
			before := w.sim.Stats().Objects
			do()
			w.settle(p)
			if got := w.sim.Stats().Objects - before; got != want {
				t.Errorf("%s: %d objects are sent, want %d", what, got, want)
			}
		}
		unmapped := func() { w.exec(`UPDATE items SET other = coalesce(other, 0) + 1`) }
		sends("an unmapped column", 0, unmapped)
		sends("a mapped one of one row", 1, func() { w.exec(`UPDATE items SET version = 1 WHERE id = 7`) })
		sends("there and back", 0, func() {
			w.exec(`BEGIN; UPDATE items SET version = 9 WHERE id IN (3, 5); UPDATE items SET version = 0 WHERE id IN (3, 5); COMMIT`)
		})
		p.stop(t)
		p = w.start()
		sends("after a restart", 0, unmapped)
		w.killed(p)
		p = w.start()
		sends("after a kill", 0, unmapped)
		sends("deleted and back", 2, func() {
			w.exec(`DELETE FROM items WHERE id = 8`)
			w.settle(p)
			w.exec(`INSERT INTO items VALUES (8, 0, 'pad')`)
		})

		backfill := func(args ...string) func() {
			return func() {
				if output, code := w.command(append([]string{"backfill", "start"}, args...)...); code != 0 {
					t.Fatalf("backfill start: exit code %d: %s", code, output)
				}
				w.awaitBackfill(p, "done")
			}
		}
		sends("a backfill", 0, backfill("items"))
		sends("a forced backfill", rows, backfill("items", "--force"))
		if _, metrics := w.get("/metrics"); !strings.Contains(metrics, `cdcsync_objects_unchanged_total{mapping="items"}`) {
			t.Error("no metric counts what was not sent")
		}
		p.stop(t)

		// A life that remembers nothing: what is known is out of date then.
		w.config.suppress = false
		p = w.start()
		sends("without suppress_unchanged", rows, unmapped)
		p.stop(t)
		if _, err := os.Stat(w.dir + "/state.db.confirmed"); err == nil {
			t.Error("the file stays where it is not kept")
		}
		w.config.suppress = true
		p = w.start()
		sends("after a life without it", rows, unmapped)
		sends("and once more", 0, unmapped)
		w.itemsAgree()
		p.stop(t)
	})
}

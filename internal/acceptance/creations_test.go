package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillCreatesTooMuch: a backfill that creates more objects than were announced
// is held, over a restart, too, until somebody resumes it.
func TestBackfillCreatesTooMuch(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		const rows, estimate, announced = 4000, 10, 2*10 + 1000
		w := newItems(t, server, api, rows, simulator.Options{RecordHistory: true})
		w.exec(`ANALYZE items`)
		w.exec(`UPDATE pg_class SET reltuples = $1 WHERE oid = 'items'::regclass`, estimate)
		w.config.mappings = backfilled
		p := w.start()
		held := w.awaitBackfill(p, "paused")
		if !strings.Contains(held.Reason, "more objects in an hour than the 1020 that were announced") || !strings.Contains(held.Reason, "cdcsync backfill resume items") {
			t.Errorf("the reason is %s", held.Reason)
		}
		w.exec(`UPDATE items SET version = 5 WHERE id = 4000`) // a change goes on
		w.settle(p)
		created := w.sim.Stats().Objects
		// What was in calls, and what was recorded ahead, arrives.
		if most := announced + 12*capacity[api]; created <= announced || created > most {
			t.Errorf("%d objects were sent, want more than %d and at most %d", created, announced, most)
		}
		p.awaitLog(t, "backfill held: it creates more objects than were announced")
		if output, _ := w.command("status"); !strings.Contains(output, "paused") {
			t.Errorf("status does not tell: %s", output)
		}
		p.stop(t)
		p = w.start()
		if again := w.awaitBackfill(p, "paused"); again.Reason != held.Reason {
			t.Errorf("after a restart the reason is %q", again.Reason)
		}
		if now := w.sim.Stats().Objects; now != created {
			t.Errorf("%d objects were sent by a restart", now-created)
		}
		for range 5 {
			if output, code := w.command("backfill", "resume", "items"); code != 0 {
				t.Fatalf("resume: %s", output)
			}
			var state string
			await(t, time.Minute, func() (bool, string) {
				state = w.backfills()[0].State
				return state == "paused" || state == "done", "the backfill is " + state
			})
			if state == "done" {
				break
			}
		}
		w.awaitBackfill(p, "done")
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
		w.noViolations()
	})
}

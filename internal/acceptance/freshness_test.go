package acceptance_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillLeavesChangesFresh: while a backfill goes on, the median change is in
// Marketo within twice the time that it takes without.
func TestBackfillLeavesChangesFresh(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		const rows, samples = 40_000, 25
		w := newItems(t, server, api, rows, simulator.Options{Latency: simulator.Latency{Fixed: 50 * time.Millisecond}})
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 4, calls_per_day: 0}"
		p := w.start()
		version := 0
		// freshness is the median time from a commit to the object, as long as it counts.
		freshness := func(counts func() bool) time.Duration {
			t.Helper()
			var took []time.Duration
			for i := range samples {
				version++
				key, want := fmt.Sprint(rows-i), fmt.Sprint(version)
				w.exec(`UPDATE items SET version = $1 WHERE id = $2`, version, rows-i)
				began := time.Now()
				await(t, time.Minute, func() (bool, string) {
					return w.sim.Objects("Item")[key]["version"] == want, "a change does not come"
				})
				taken := time.Since(began)
				if !counts() {
					break
				}
				took = append(took, taken)
			}
			if len(took) < 5 {
				t.Fatalf("%d changes were measured", len(took))
			}
			slices.Sort(took)
			return took[len(took)/2]
		}
		running := func() bool {
			return slices.ContainsFunc(w.backfills(), func(b listed) bool { return b.State == "running" })
		}
		// What else the machine does meanwhile may meet one of the two alone.
		for attempt := 1; ; attempt++ {
			w.settle(p)
			without := freshness(func() bool { return true })
			w.succeeds("backfill", "start", "items", "--force")
			with := freshness(running)
			t.Logf("freshness without a backfill %s, beside one %s", without, with)
			if with <= 2*without {
				break
			}
			if attempt == 4 {
				t.Fatalf("a change takes %s beside a backfill, and %s without", with, without)
			}
			await(t, time.Minute, func() (bool, string) { return !running(), "the backfill does not end" })
		}
		p.stop(t)
	})
}

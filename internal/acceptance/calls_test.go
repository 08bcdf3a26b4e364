package acceptance_test

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestEveryCallCounts kills the program when its calls of 20 seconds are used
// up, and has it looked at by check, too: with the calls of all of them, Marketo
// sees no more than are allowed.
func TestEveryCallCounts(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		limits := simulator.MarketoLimits()
		w := newItems(t, server, api, 0, simulator.Options{Limits: limits, Latency: simulator.Latency{Fixed: 5 * time.Millisecond}})
		w.config.limits = "{calls_per_20s: 100, concurrent_calls: 10, calls_per_day: 10000}"
		w.config.hold, w.config.timeout = 2*time.Second, time.Second
		p := w.start()
		rows := 0
		// What waits stays little: with much, the program would take every call
		// that becomes free, and leave none to check.
		until := func(calls int) {
			for ; w.sim.Stats().Writes < calls; time.Sleep(20 * time.Millisecond) {
				if rows < w.sim.Count("Item")+3000 {
					w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series($1::bigint, $1::bigint + 999) i`, rows)
					rows += 1000
				}
			}
		}
		// Where no call is left, check says so, and is tried again.
		check := func() {
			await(t, time.Minute, func() (bool, string) {
				output, code := w.command("check")
				return code == 0, output
			})
		}
		until(60)
		p.kill()
		p = w.start()
		check()
		until(95)
		p.kill()
		check()
		p = w.start()
		until(103)
		p.kill()
		w.start()
		until(110)
		if s := w.sim.Stats(); s.MostInWindow > limits.Calls || s.MostConcurrent > limits.Concurrent {
			t.Errorf("%d calls in 20 seconds, %d at once", s.MostInWindow, s.MostConcurrent)
		} else {
			t.Logf("%+v", s)
		}
		w.noViolations()
	})
}

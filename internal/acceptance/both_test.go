package acceptance_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestServerAndProgramDie stops the server at once, kills the program, and
// does both at the same time, at random moments under load. A server that
// crashes forgets how far its slot was confirmed, and sends again what the
// program has settled.
func TestServerAndProgramDie(t *testing.T) {
	const keys = 2000
	rounds := 2
	if *long {
		rounds = 8
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		c := ownServer(t, nil)
		w := newItems(t, c, api, keys, simulator.Options{
			RecordHistory: true, RecordKeys: true,
			Latency: simulator.Latency{Fixed: 20 * time.Millisecond, Jitter: 0.5},
		})
		w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
		if err := w.sim.Fail(simulator.Rule{Name: "late", Operation: "sync", Probability: 0.1, Hang: 500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		load := w.startLoad(keys, 10, 4*time.Millisecond)
		var killed []time.Time
		die := func() {
			p.kill()
			killed = append(killed, time.Now())
		}
		for range rounds {
			load.await(t, int64(30+rand.IntN(150)))
			w.restart(cluster.Immediate)
			w.awaitReady(p)

			load.await(t, int64(30+rand.IntN(150)))
			die()
			w.slotBehindState()
			p = w.start()

			load.await(t, int64(30+rand.IntN(150)))
			w.stopServer(cluster.Immediate)
			die()
			if err := c.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.slotBehindState()
			p = w.start()
		}
		load.await(t, 50)
		load.stop()
		w.settle(p)
		w.balance()
		p.stop(t)
		w.slotBehindState()
		w.itemsAgree()
		versions := w.neverBack()
		repeats := w.repeats(killed, 2*10)
		t.Logf("%d transactions, %d versions in %d calls, %d sent again", load.count.Load(), versions, len(w.writes()), repeats)
	})
}

package acceptance_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestKilledAgainAndAgain kills the program at random moments under load. Some
// calls take so long that they are executed in a later life of the program, or
// after it has given them up.
func TestKilledAgainAndAgain(t *testing.T) {
	const keys, concurrent = 20_000, 10
	kills := 15
	if *long {
		kills = 50
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newItems(t, server, api, keys, simulator.Options{
			RecordHistory: true, RecordKeys: true,
			Latency: simulator.Latency{Fixed: 30 * time.Millisecond, Jitter: 0.5},
		})
		w.config.timeout, w.config.hold = 2*time.Second, 3*time.Second
		if err := w.sim.Fail(
			simulator.Rule{Name: "given up", Operation: "sync", Probability: 0.01, Hang: 2200 * time.Millisecond},
			simulator.Rule{Name: "slow", Operation: "sync", Probability: 0.1, Hang: 700 * time.Millisecond},
		); err != nil {
			t.Fatal(err)
		}
		first := w.start()
		seen := w.callWitness()
		load := w.startLoad(keys, 20, 4*time.Millisecond)
		load.await(t, 100)
		killed := []time.Time{w.killed(first)}
		for len(killed) < kills {
			p := w.launch()
			time.Sleep(time.Duration(200+rand.IntN(2000)) * time.Millisecond)
			if p.ended() {
				t.Fatalf("the program ended by itself with exit code %d", p.cmd.ProcessState.ExitCode())
			}
			killed = append(killed, w.killed(p))
		}
		last := w.start()
		load.await(t, 100)
		w.slotMoves(10)
		load.stop()
		w.settle(last)
		last.stop(t)

		w.itemsAgree()
		versions := w.neverBack()
		repeats := w.repeats(killed, 2*concurrent)
		seen.swear()
		t.Logf("%d kills, %d transactions, %d versions in %d calls, %d sent again", kills, load.count.Load(), versions, len(w.writes()), repeats)
	})
}

// killed kills the program and returns a time by which the simulator knows of
// all its calls.
func (w *world) killed(p *process) time.Time {
	w.t.Helper()
	p.kill()
	w.connections.awaitRead(w.t)
	return time.Now()
}

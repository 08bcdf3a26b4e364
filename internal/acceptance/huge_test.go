package acceptance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// TestHugeTransaction commits very many rows at once and kills the program in
// the middle of them. Its memory and its state file stay as they are with few;
// its status tells how far it is, and after the kill everything arrives, and only
// what was in flight goes again.
func TestHugeTransaction(t *testing.T) {
	rows := 300_000
	if *long {
		rows = 10_000_000
	}
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newItems(t, server, api, 0, simulator.Options{Latency: simulator.Latency{Fixed: 5 * time.Millisecond}})
		w.config.timeout, w.config.hold = 5*time.Second, 5*time.Second
		const concurrent = 10
		w.program = static
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'pad of the row ' || i FROM generate_series(1, $1::bigint) i`, rows)
		began := time.Now()
		for _, part := range []int{rows / 10, rows / 4, rows / 2} {
			w.awaitConfirmed(uint64(part), 10*time.Minute)
		}
		p.atMost(t, 96*mebibyte)
		w.killed(p)
		there := w.sim.Count("Item")
		if there >= rows {
			t.Fatal("all was sent before the kill")
		}
		w.storeAtMost()
		p = w.start()
		w.settleWithin(p, 20*time.Minute)
		took := time.Since(began)
		p.atMost(t, 96*mebibyte)
		p.stop(t)
		if n := w.sim.Count("Item"); n != rows {
			t.Errorf("%d of %d objects", n, rows)
		}
		sent := 0
		for _, n := range w.sim.Stats().Statuses {
			sent += n
		}
		again := sent - rows
		if most := w.repeatable(concurrent); again > most {
			t.Errorf("%d objects were sent again after the kill, want at most the %d of the calls in flight", again, most)
		}
		w.noViolations()
		t.Logf("%d rows in %s, a kill at %d included; %d sent again", rows, took.Round(time.Second), there, again)
	})
}

// roundsAtOnce is how many rounds of calls the store may have in flight at a kill:
// one that is, and two that were recorded ahead, sent and answered within one save.
const roundsAtOnce = 3

// repeatable is how many objects may be sent again after one kill: those of the
// calls that the store has in flight. Where processors are busy, calls may have been
// given up, too.
func (w *world) repeatable(concurrent int) int {
	givenUp := max(0, w.sim.Stats().ClientsGone-concurrent)
	return (roundsAtOnce*concurrent + givenUp) * mostObjects[w.api]
}

// awaitConfirmed waits until the status tells of n confirmed objects of a large
// transaction, and that changes are on their way.
func (w *world) awaitConfirmed(n uint64, limit time.Duration) {
	w.t.Helper()
	await(w.t, limit, func() (bool, string) {
		_, body := w.get("/api/v1/status")
		var status snapshot.Status
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&status); err != nil {
			return false, err.Error()
		}
		if status.Report == nil || len(status.Report.Mappings) != 1 {
			return false, body
		}
		time.Sleep(50 * time.Millisecond)
		m, transaction := status.Report.Mappings[0], status.Report.Source.Transaction
		return m.Confirmed >= n && m.Rows >= n && transaction != nil && transaction.Changes+1024 >= n && status.Ready && status.State == "delivering", "the status does not tell: " + body
	})
}

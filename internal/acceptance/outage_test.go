package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestMarketoAnswersNothing keeps every call without an answer while changes
// go on, for longer than the server waits for a standby status.
func TestMarketoAnswersNothing(t *testing.T) {
	const keys = 30_000
	senderTimeout, outage := 8*time.Second, 20*time.Second
	if *long {
		senderTimeout, outage = 10*time.Second, 3*time.Minute
	}
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		c := ownServer(t, map[string]string{"wal_sender_timeout": senderTimeout.String()})
		w := newItems(t, c, api, keys, simulator.Options{RecordHistory: true})
		w.config.maxPending = 5000
		w.config.timeout, w.config.hold = 3*time.Second, 3*time.Second
		if *long {
			w.config.timeout, w.config.hold = 130*time.Second, 150*time.Second
		}
		// Every other call is executed; the program cannot know which.
		if err := w.sim.Fail(
			simulator.Rule{Name: "lost answer", Operation: "sync", Every: 2, Hang: simulator.HangForever, Apply: simulator.ApplyStart},
			simulator.Rule{Name: "lost call", Operation: "sync", Hang: simulator.HangForever, Apply: simulator.ApplyNever},
		); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		pid := w.activePID()
		load := w.startLoad(keys, 50, 5*time.Millisecond)
		for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if now := w.activePID(); now != pid {
				t.Fatalf("the slot is served by process %q, was %q", now, pid)
			}
		}
		status, body := w.get("/readyz")
		if status != 503 || !strings.Contains(body, "marketo") {
			t.Errorf("readyz in the outage: %d %q, want 503 that names marketo", status, body)
		}
		if status, body := w.get("/healthz"); status != 200 {
			t.Errorf("healthz in the outage: %d %q", status, body)
		}
		if _, body := w.get("/metrics"); !strings.Contains(body, "\ncdcsync_backpressure_active 1\n") {
			t.Error("reading goes on without bound")
		}
		load.stop()
		waiting := w.value(`SELECT pg_size_pretty(pg_current_wal_lsn() - confirmed_flush_lsn) FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
		w.sim.Heal()
		w.sim.Release()
		w.settle(p)
		if now := w.activePID(); now != pid {
			t.Errorf("the slot is served by process %q, was %q", now, pid)
		}
		t.Logf("%d transactions in %s, %s of WAL waited, %d calls", load.count.Load(), outage, waiting, len(w.writes()))
		w.checkMemory(p)
		p.stop(t)
		w.itemsAgree()
		if log := c.Log(); strings.Contains(log, "replication timeout") {
			t.Errorf("the server's log:\n%s", log)
		}
	})
}

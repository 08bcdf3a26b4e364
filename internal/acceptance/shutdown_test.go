package acceptance_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestCleanEnds stops the program in order again and again under load. Nothing
// may be sent twice.
func TestCleanEnds(t *testing.T) {
	const keys, ends = 2000, 5
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newItems(t, server, api, keys, simulator.Options{
			RecordHistory: true, Latency: simulator.Latency{Fixed: 100 * time.Millisecond, Jitter: 0.5},
		})
		w.config.shutdown = 20 * time.Second
		var load *load
		for i := range ends {
			p := w.start()
			if i == 0 {
				load = w.startLoad(keys, 10, 2*time.Millisecond)
			}
			load.await(t, 200)
			p.signal(t, syscall.SIGTERM)
			if code := p.exit(t, time.Minute); code != 0 {
				t.Fatalf("exit code = %d, want 0", code)
			}
		}
		load.stop()
		p := w.start()
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
		w.neverTwice()
	})
}

// hang starts the program and has its first call hang until the simulator is
// told to release it.
func (w *world) hang() *process {
	w.t.Helper()
	if err := w.sim.Fail(simulator.Rule{Operation: "sync", Hang: simulator.HangForever, Apply: simulator.ApplyStart}); err != nil {
		w.t.Fatal(err)
	}
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	await(w.t, time.Minute, func() (bool, string) { return len(w.writes()) > 0, "no call arrives" })
	return p
}

// TestSecondSignalEndsAtOnce sends SIGTERM twice while a call hangs.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "soap", 10, simulator.Options{RecordHistory: true})
	w.config.shutdown = time.Hour
	w.config.timeout, w.config.hold = 10*time.Second, 10*time.Second
	p := w.hang()
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, "stopping")
	if p.ended() {
		t.Fatal("the first signal ended the program with a call in flight")
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t, time.Minute); code == 0 {
		t.Error("exit code = 0, but a call was in flight")
	}
	w.again()
}

// TestShutdownTimeout ends in order while a call hangs for longer than that
// may take.
func TestShutdownTimeout(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "rest", 10, simulator.Options{RecordHistory: true})
	w.config.shutdown = 2 * time.Second
	w.config.timeout, w.config.hold = time.Minute, time.Minute
	p := w.hang()
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t, time.Minute); code != 1 {
		t.Errorf("exit code = %d, want 1", code)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("ended after %s, without having waited for the call", took)
	}
	p.awaitLog(t, "shutdown timed out")
	w.again()
}

// again starts the program once more, with a Marketo that answers, and checks
// that everything arrives.
func (w *world) again() {
	w.t.Helper()
	w.sim.Heal()
	w.sim.Release()
	w.config.shutdown = 20 * time.Second
	w.config.timeout, w.config.hold = time.Second, time.Second
	p := w.start()
	w.settle(p)
	p.stop(w.t)
	w.itemsAgree()
}

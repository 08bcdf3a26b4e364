package acceptance_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestConnectionsBreak takes the replication connection and the whole server
// away under load. Marketo answers all the time, so nothing may be sent twice.
func TestConnectionsBreak(t *testing.T) {
	const keys = 2000
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		c := ownServer(t, nil)
		w := newItems(t, c, api, keys, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 20 * time.Millisecond}})
		p := w.start()
		load := w.startLoad(keys, 10, 2*time.Millisecond)
		breaks := []struct {
			name string
			do   func()
		}{
			{"walsender terminated", w.terminate},
			{"walsender terminated again", w.terminate},
			{"stopped at once", func() { w.restart(cluster.Immediate) }},
			{"walsender terminated after a crash", w.terminate},
			{"stopped fast", func() { w.restart(cluster.Fast) }},
			{"stopped at once again", func() { w.restart(cluster.Immediate) }},
		}
		for _, b := range breaks {
			load.await(t, int64(50+rand.IntN(200)))
			b.do()
			w.awaitReady(p)
			t.Logf("%s: streaming again", b.name)
		}
		load.await(t, 50)
		load.stop()
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
		w.neverTwice()
	})
}

// terminate ends the session that serves the slot, and waits for another one.
func (w *world) terminate() {
	w.t.Helper()
	pid := w.activePID()
	w.exec(`SELECT pg_terminate_backend($1::text::int)`, pid)
	await(w.t, time.Minute, func() (bool, string) {
		now := w.activePID()
		return now != "" && now != pid, "nobody streams again"
	})
}

// activePID returns the process that serves the slot; "" when there is none.
func (w *world) activePID() string {
	w.t.Helper()
	return w.value(`SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
}

// restart stops the server and starts it again.
func (w *world) restart(mode cluster.Mode) {
	w.t.Helper()
	w.stopServer(mode)
	if err := w.cluster.Restart(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// stopServer stops the server, which must not take long.
func (w *world) stopServer(mode cluster.Mode) {
	w.t.Helper()
	const most = 40 * time.Second
	w.disconnect()
	ctx, cancel := context.WithTimeout(w.t.Context(), most)
	defer cancel()
	began := time.Now()
	if err := w.cluster.Stop(ctx, mode); err != nil {
		w.t.Fatalf("the server has not stopped in %s: %v\n%s", most, err, w.cluster.Log())
	}
	w.t.Logf("stopping (%s) took %s", mode, time.Since(began).Round(time.Millisecond))
}

// TestServerStopsFast stops the server while there is nothing to send, and
// while Marketo answers nothing and changes wait. The program must not hold it
// up, and goes on when it is back.
func TestServerStopsFast(t *testing.T) {
	const keys = 500
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, nil)
		w := newItems(t, c, api, keys, simulator.Options{RecordHistory: true})
		w.config.timeout, w.config.hold = time.Second, time.Second
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		w.restart(cluster.Fast)
		back := time.Now()
		await(t, time.Minute, func() (bool, string) { return w.activePID() != "", "nobody streams again" })
		t.Logf("streaming began %s after the server was back", time.Since(back).Round(time.Millisecond))
		if took := time.Since(back); took > 8*time.Second {
			t.Errorf("streaming began %s after the server was back, want about a second", took.Round(time.Millisecond))
		}

		w.awaitReady(p)
		if err := w.sim.Fail(simulator.Rule{Name: "outage", Operation: "sync", Hang: simulator.HangForever, Apply: simulator.ApplyNever}); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE items SET version = version + 1`)
		p.awaitLog(t, "calls to marketo fail")
		w.exec(`UPDATE items SET version = version + 1 WHERE id % 2 = 0`)
		w.restart(cluster.Fast)

		w.sim.Heal()
		w.sim.Release()
		w.exec(`UPDATE items SET version = version + 1 WHERE id % 3 = 0`)
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

// TestLoginIsCorrectedInItsFile takes the role away and names another one in the
// file of the URL while the program runs: it is read again, and soon.
func TestLoginIsCorrectedInItsFile(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "rest", 10, simulator.Options{})
	before, after := w.database+"_before", w.database+"_after"
	url := func(role string) string { return strings.Replace(w.config.url, "postgres@", role+"@", 1) }
	w.exec(`CREATE ROLE ` + before + ` SUPERUSER LOGIN`)
	w.config.urlFile = "source_url"
	w.write("source_url", url(before))
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)

	w.exec(`ALTER ROLE ` + before + ` RENAME TO ` + after)
	w.exec(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
	await(t, time.Minute, func() (bool, string) {
		_, reason := w.get("/readyz")
		return strings.Contains(reason, before+"\" does not exist"), "readyz says: " + reason
	})
	p.awaitLog(t, "reason=credentials")
	w.write("source_url", url(after))
	corrected := time.Now()
	w.awaitReady(p)
	if took := time.Since(corrected); took > 20*time.Second {
		t.Errorf("the corrected file was used after %s", took.Round(time.Second))
	}
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	w.itemsAgree()
	p.stop(t)
	if n := strings.Count(p.output.String(), "reason=credentials"); n != 1 {
		t.Errorf("%d lines tell of refused logins, want one", n)
	}
}

package acceptance_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// proxied is a world of items with a proxy on either side of the program. The
// tests themselves go to the database directly.
type proxied struct {
	*world
	postgres, marketo *faultproxy.Proxy
}

func newProxied(t *testing.T, c *cluster.Cluster, api string, keys int, options simulator.Options) *proxied {
	t.Helper()
	w := newItems(t, c, api, keys, options)
	p := &proxied{world: w}
	p.postgres, w.config.url = behindProxy(t, w.config.url)
	p.marketo, w.config.endpoint = behindProxy(t, w.config.endpoint)
	return p
}

// behindProxy puts a proxy before the server of a URL, and returns both.
func behindProxy(t *testing.T, address string) (*faultproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.Listen(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	u.Host = p.Addr()
	return p, u.String()
}

// faults returns how many calls have failed as a whole.
// awaitMetric waits until a number of the program's has reached at least.
func (w *world) awaitMetric(name string, of func(evidence.Metrics) float64, least float64) evidence.Metrics {
	w.t.Helper()
	var m evidence.Metrics
	await(w.t, time.Minute, func() (bool, string) {
		m = w.metrics()
		return of(m) >= least, name + " does not rise"
	})
	return m
}

var lost = faultproxy.Flow{Lose: true}

// TestMarketoConnectionFaults breaks the connections to Marketo in every way,
// one after the other, under load. While they are broken no status may be
// taken for an answer; once they are fixed everything goes on by itself.
func TestMarketoConnectionFaults(t *testing.T) {
	const keys = 1000
	faults := []struct {
		name   string
		faults faultproxy.Faults
		// unknown is set where a call may have been executed.
		unknown bool
	}{
		{"refused", faultproxy.Faults{Off: true}, false},
		{"reset before the request", faultproxy.Faults{Up: faultproxy.Flow{Cut: 1}}, false},
		{"reset in the request", faultproxy.Faults{Up: faultproxy.Flow{Cut: 600}}, false},
		{"reset after the request", faultproxy.Faults{Down: faultproxy.Flow{Cut: 1}}, true},
		{"reset in the reply", faultproxy.Faults{Down: faultproxy.Flow{Cut: 300}}, true},
		{"requests lost", faultproxy.Faults{Up: lost}, false},
		{"replies lost", faultproxy.Faults{Down: lost}, true},
		{"half-open", faultproxy.Faults{Up: lost, Down: lost}, false},
		{"replies dripping", faultproxy.Faults{Down: faultproxy.Flow{Rate: 100}}, true},
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newProxied(t, server, api, keys, simulator.Options{
			RecordHistory: true, RecordKeys: true, Latency: simulator.Latency{Fixed: 20 * time.Millisecond},
		})
		w.config.timeout, w.config.hold = 1500*time.Millisecond, 1800*time.Millisecond
		p := w.start()
		load := w.startLoad(keys, 10, 10*time.Millisecond)
		w.awaitMetric("confirmations", evidence.Metrics.Confirmations, 1)
		for _, f := range faults {
			before, applied := w.metrics(), len(w.writes())
			w.marketo.Set(f.faults)
			w.awaitMetric(f.name+": faults", evidence.Metrics.Faults, before.Faults()+1)
			// Between one try and the next nothing of the time before is under way.
			await(t, time.Minute, func() (bool, string) {
				return w.status().Report.Calls.InFlight == 0, f.name + ": calls are under way all the time"
			})
			first := w.metrics()
			broken := w.awaitMetric(f.name+": faults", evidence.Metrics.Faults, first.Faults()+1)
			if got, want := broken.Confirmations(), first.Confirmations(); got != want {
				t.Errorf("%s: %v objects were confirmed meanwhile", f.name, got-want)
			}
			if status, reason := w.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(reason, "calls to marketo fail") {
				t.Errorf("%s: readyz answers %d, %s", f.name, status, reason)
			}
			if f.unknown {
				if unknown := broken.Sum("cdcsync_call_unknown_outcomes_total"); unknown <= before.Sum("cdcsync_call_unknown_outcomes_total") {
					t.Errorf("%s: no call has an unknown outcome", f.name)
				}
				// It is executed at the end of its latency, whoever has gone.
				await(t, time.Minute, func() (bool, string) {
					return len(w.writes()) > applied, f.name + ": no call was executed; the test proves nothing"
				})
			}
			w.marketo.Set(faultproxy.Faults{})
			w.awaitMetric(f.name+": confirmations once fixed", evidence.Metrics.Confirmations, broken.Confirmations()+1)
			w.awaitReady(p)
		}
		w.slow(t, load)
		load.stop()
		w.settle(p)
		w.balance()
		p.stop(t)
		w.itemsAgree()
		versions := w.neverBack()
		t.Logf("%d transactions, %d versions in %d calls", load.count.Load(), versions, len(w.writes()))
	})
}

// slow makes both connections slow, but not too slow: nothing may break.
func (w *proxied) slow(t *testing.T, load *load) {
	t.Helper()
	before := w.metrics()
	late := faultproxy.Flow{Latency: 50 * time.Millisecond, Rate: 400_000}
	w.marketo.Set(faultproxy.Faults{Up: late, Down: late})
	w.postgres.Set(faultproxy.Faults{Up: late, Down: late})
	load.await(t, 50)
	after := w.awaitMetric("confirmations over a slow connection", evidence.Metrics.Confirmations, before.Confirmations()+100)
	w.marketo.Set(faultproxy.Faults{})
	w.postgres.Set(faultproxy.Faults{})
	if after.Faults() != before.Faults() {
		t.Errorf("%v calls failed over a slow connection", after.Faults()-before.Faults())
	}
	if got, want := after.Sum("cdcsync_source_disconnects_total"), before.Sum("cdcsync_source_disconnects_total"); got != want {
		t.Errorf("%v replication connections were lost over a slow connection", got-want)
	}
}

// TestServerConnectionFaults breaks the replication connection in every way
// under load. Marketo answers all the time, so nothing may be sent twice.
func TestServerConnectionFaults(t *testing.T) {
	const keys = 1000
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		c := ownServer(t, map[string]string{"wal_sender_timeout": "4s"})
		w := newProxied(t, c, api, keys, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 20 * time.Millisecond}})
		p := w.start()
		seen := w.callWitness()
		load := w.startLoad(keys, 10, 5*time.Millisecond)
		for _, f := range []struct {
			name   string
			faults faultproxy.Faults
			// until says when the fault has had its effect.
			until func() (bool, string)
		}{
			{"refused", faultproxy.Faults{Off: true}, w.notConnected},
			{"reset in the stream", faultproxy.Faults{Down: faultproxy.Flow{Cut: 30_000}}, w.reconnects(2)},
			{"statuses lost", faultproxy.Faults{Up: lost}, w.senderGone},
			{"changes lost", faultproxy.Faults{Down: lost}, w.nothingComes},
			{"half-open", faultproxy.Faults{Up: lost, Down: lost}, w.senderGone},
		} {
			load.await(t, 20)
			w.postgres.Set(f.faults)
			await(t, time.Minute, f.until)
			w.postgres.Set(faultproxy.Faults{})
			// The program may not have noticed yet, and call itself ready.
			await(t, time.Minute, w.senderBack)
			w.awaitReady(p)
			now := w.metrics().Confirmations()
			w.awaitMetric(f.name+": confirmations once fixed", evidence.Metrics.Confirmations, now+1)
			t.Logf("%s: fixed", f.name)
		}
		w.bigTransaction(t, keys)
		load.stop()
		w.settle(p)
		w.balance()
		p.stop(t)
		w.itemsAgree()
		w.neverTwice()
		seen.swear()
	})
}

// notConnected waits until the program says what is wrong.
func (w *proxied) notConnected() (bool, string) {
	status, reason := w.get("/readyz")
	return status == http.StatusServiceUnavailable && strings.Contains(reason, "not connected to postgresql"), "readyz says " + reason
}

// reconnects waits for connections to come and be lost, more times more.
func (w *proxied) reconnects(more float64) func() (bool, string) {
	first := -1.0
	return func() (bool, string) {
		now := w.metrics().Sum("cdcsync_source_disconnects_total")
		if first < 0 {
			first = now
		}
		return now >= first+more, "the connection is not lost"
	}
}

// senderGone waits until the server has given the connection up: it must not
// keep the slot for a client it does not hear.
func (w *proxied) senderGone() (bool, string) {
	return w.activePID() == "", "the server keeps the walsender"
}

// senderBack waits until the server has a walsender for the slot.
func (w *proxied) senderBack() (bool, string) {
	return w.activePID() != "", "the server has no walsender"
}

// nothingComes waits until the program has been cut off for a while, and the
// server has kept the walsender all the same, because statuses arrive.
func (w *proxied) nothingComes() (bool, string) {
	pid, received := w.activePID(), w.metrics().Sum("cdcsync_source_received_lsn")
	time.Sleep(5 * time.Second) // longer than wal_sender_timeout
	switch {
	case w.activePID() != pid || pid == "":
		w.t.Errorf("the server gave the walsender up although it heard statuses:\n%s", w.cluster.Log())
	case w.metrics().Sum("cdcsync_source_received_lsn") != received:
		return false, "changes still arrive"
	}
	return true, ""
}

// bigTransaction has the connection break in the middle of a transaction that
// is many times larger than what the program holds of it at once.
func (w *proxied) bigTransaction(t *testing.T, keys int) {
	t.Helper()
	w.postgres.Set(faultproxy.Faults{Down: faultproxy.Flow{Cut: 200_000}})
	lost := w.reconnects(1)
	// The load changes rows in another order.
	w.exec(fmt.Sprintf(`LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE; UPDATE items SET version = version + 1, pad = repeat('x', 1000) WHERE id <= %d`, keys))
	await(t, time.Minute, lost)
	w.postgres.Set(faultproxy.Faults{})
}

// TestHalfOpenIsNoticed leaves the replication connection half-open until the
// program itself gives it up, which takes it a minute.
func TestHalfOpenIsNoticed(t *testing.T) {
	if !*long {
		t.Skip("takes a minute; run with -long")
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newProxied(t, server, api, 100, simulator.Options{RecordHistory: true})
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		began := time.Now()
		w.postgres.Set(faultproxy.Faults{Down: lost})
		w.exec(`UPDATE items SET version = version + 1`)
		await(t, 2*time.Minute, w.notConnected)
		if took := time.Since(began); took < 20*time.Second || took > 90*time.Second {
			t.Errorf("the program noticed after %s, want about a minute", took)
		}
		if got := w.metrics().Sum("cdcsync_source_disconnects_total", `reason="silent"`); got != 1 {
			t.Errorf("%v connections were lost to silence, want 1", got)
		}
		w.postgres.Set(faultproxy.Faults{})
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
		w.neverTwice()
	})
}

package acceptance_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestReplyCutAtEveryByte cuts the reply to a call of one object after each
// number of bytes, in steps. The call has been executed, its status may even
// have come whole, and yet nothing may be taken for confirmed before a reply
// has come to its end.
func TestReplyCutAtEveryByte(t *testing.T) {
	step := int64(60)
	if *long {
		step = 7
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newProxied(t, server, api, 1, simulator.Options{RecordHistory: true, RecordKeys: true})
		w.config.maxWait, w.config.timeout, w.config.hold = 10*time.Millisecond, time.Second, time.Second
		p := w.start()
		touch := func() { w.exec(`UPDATE items SET version = version + 1`) }
		touch()
		w.settle(p) // also fetches the token
		_, before := w.marketo.Bytes()
		touch()
		w.settle(p)
		_, after := w.marketo.Bytes()
		whole := after - before
		if whole < 200 {
			t.Fatalf("a whole reply has %d bytes; that is none", whole)
		}
		cuts := 0
		for at := int64(1); at <= whole; at += step {
			cuts++
			w.cutReply(t, at, touch)
			if t.Failed() {
				return
			}
		}
		w.cutReply(t, whole, touch) // all but the last byte
		cuts++
		w.settle(p)
		m := w.metrics()
		if got, want := m.Confirmations(), float64(2+cuts); got != want {
			t.Errorf("%v objects confirmed, want %v: one for each change", got, want)
		}
		if got, want := len(w.writes()), 2+2*cuts; got < want {
			t.Errorf("%d calls executed, want at least %d: each cut one twice", got, want)
		}
		w.balance()
		p.stop(t)
		w.itemsAgree()
		t.Logf("a reply of %d bytes cut at %d places", whole, cuts)
	})
}

// cutReply changes the row while replies are cut in place of byte number at,
// and fixes the connection once the program has seen that.
func (w *proxied) cutReply(t *testing.T, at int64, touch func()) {
	t.Helper()
	before := w.metrics()
	w.marketo.Set(faultproxy.Faults{Down: faultproxy.Flow{Cut: at}})
	touch()
	cut := w.awaitMetric("faults", evidence.Metrics.Faults, before.Faults()+1)
	w.marketo.Set(faultproxy.Faults{})
	if cut.Confirmations() != before.Confirmations() {
		t.Errorf("a reply cut in place of byte %d confirmed an object", at)
	}
	unknown := func(m evidence.Metrics) float64 { return m.Sum("cdcsync_call_unknown_outcomes_total") }
	// It may have been tried again, and cut again, by now.
	if got, want := unknown(cut)-unknown(before), cut.Faults()-before.Faults(); got != want {
		t.Errorf("a reply cut in place of byte %d: %v calls of unknown outcome, want %v", at, got, want)
	}
	w.awaitMetric("confirmations", evidence.Metrics.Confirmations, before.Confirmations()+1)
}

// TestNewerValueWaitsForUnknownOutcome loses the reply to a call. The same
// value may go again at once; a newer one must wait until the lost call can no
// longer be executing, also in the next life of the program.
func TestNewerValueWaitsForUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run("restart="+strconv.FormatBool(restart), func(t *testing.T) {
			eachAPI(t, func(t *testing.T, api string) {
				t.Parallel()
				w := newProxied(t, server, api, 1, simulator.Options{RecordHistory: true, RecordKeys: true})
				w.config.maxWait, w.config.timeout, w.config.hold = 10*time.Millisecond, time.Second, 4*time.Second
				p := w.start()
				w.exec(`UPDATE items SET version = version + 1`)
				w.settle(p)

				w.marketo.Set(faultproxy.Faults{Down: faultproxy.Flow{Cut: 1}})
				w.exec(`UPDATE items SET version = version + 1`)
				w.awaitMetric("faults", evidence.Metrics.Faults, 1)
				w.marketo.Set(faultproxy.Faults{})
				if restart {
					p.kill()
					p = w.start()
				}
				w.exec(`UPDATE items SET version = version + 1`)
				w.settle(p)
				p.stop(t)
				w.itemsAgree()

				log := w.log()
				var lost, newer time.Time
				for _, v := range log.Writes["1"] {
					switch {
					case v.Version == 2 && lost.IsZero():
						lost = log.Calls[v.Call].Start
					case v.Version == 3 && newer.IsZero():
						newer = log.Calls[v.Call].Start
					}
				}
				// The lost call left the program before it arrived: a moment, or
				// longer where processors are busy.
				if waited := newer.Sub(lost); lost.IsZero() || waited < w.config.hold-time.Second {
					t.Errorf("the newer value came %s after the lost call, want at least %s", waited, w.config.hold)
				}
			})
		})
	}
}

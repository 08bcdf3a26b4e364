package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Ten calls that an outage cuts are no ten failures in a row: the first pause
// stays short, and grows with the attempts after it.
func TestCallsThatFailTogetherAreOneFailure(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Limits = marketo.Limits{ConcurrentCalls: 10}
		c.Capacity = marketo.Capacity{Objects: 1}
	})
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		r.commit(upsert(id, "x"))
	}
	r.pass(time.Second)
	for _, call := range r.take(10) {
		r.fail(call, marketo.FaultRetry)
	}
	for _, most := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
		began := r.now
		for len(r.calls) == 0 && r.now.Sub(began) <= most {
			r.pass(10 * time.Millisecond)
		}
		if got := r.now.Sub(began); got < most/2 || got > most+10*time.Millisecond {
			t.Fatalf("next attempt after %s, want %s to %s", got, most/2, most)
		}
		r.fail(r.take(1)[0], marketo.FaultRetry)
	}
}

// A wish of the server counts, whichever of the calls it came with.
func TestWishOfALaterCallLengthensThePause(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity = marketo.Capacity{Objects: 1} })
	r.commit(upsert("a", "x"), upsert("b", "x"))
	r.pass(time.Second)
	calls := r.take(2)
	r.fail(calls[0], marketo.FaultRetry)
	r.step(Answered{Call: calls[1].Call, Reply: marketo.Reply{Fault: &marketo.Fault{Class: marketo.FaultRetry, RetryAfter: time.Minute}}})
	r.pass(59 * time.Second)
	r.take(0)
	r.pass(time.Second)
	r.take(1)
}

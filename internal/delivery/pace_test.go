package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// A trickle that would cost a call a second, all day, over a quota of 2,000.
func TestPaceMakesTheDayLast(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPerDay: 2000, ConcurrentCalls: 5} })
	r.now = marketo.NextReset(epoch)
	reset := marketo.NextReset(r.now)
	var last time.Time
	calls, longest := 0, time.Duration(0)
	for i := 0; r.now.Before(reset); i++ {
		// Three keys, so that batches stay small however long they wait.
		r.commit(upsert(fmt.Sprint(i%2), fmt.Sprint(i)))
		r.pass(10 * time.Second)
		for _, c := range r.calls {
			calls++
			if !last.IsZero() {
				longest = max(longest, r.now.Sub(last))
			}
			last = r.now
			r.answer(c)
		}
		r.calls = nil
		if got := r.m.calls.limiter.Used(r.now); got > 2000 {
			t.Fatalf("used %d calls", got)
		}
	}
	if reset.Sub(last) > 10*time.Minute || longest > 10*time.Minute {
		t.Errorf("last call %s before the reset, longest pause %s; want the day to last", reset.Sub(last), longest)
	}
	if calls < 1800 {
		t.Errorf("calls = %d of 2000; the quota is there to be used", calls)
	}
	if r.m.Report(r.now).Pace == 0 && r.now.Before(reset) {
		t.Error("the report does not show the pace")
	}
}

func TestPaceLeavesFullBatchesAndQuietDaysAlone(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPerDay: 2000, ConcurrentCalls: 5} })
	r.now = marketo.NextReset(epoch).Add(12 * time.Hour)
	for range 900 {
		r.m.calls.limiter.Start(r.now)
		r.m.calls.limiter.Done(r.now, r.now)
	}
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.answer(r.take(1)[0])
	if got := r.m.Report(r.now).Pace; got != 0 {
		t.Fatalf("pace %s at half the quota by noon", got)
	}
	for range 600 {
		r.m.calls.limiter.Start(r.now)
		r.m.calls.limiter.Done(r.now, r.now)
	}
	r.commit(upsert("1", "b"))
	r.pass(time.Second)
	r.take(0)
	r.commit(upsert("2", "a"), upsert("3", "a"))
	r.take(1)
}

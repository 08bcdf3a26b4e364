package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// drain answers what was sent, and returns how many calls that were.
func (r *rig) drain() int {
	n := 0
	for len(r.calls) > 0 {
		calls := r.calls
		r.calls = nil
		for _, call := range calls {
			r.answer(call)
			n++
		}
	}
	return n
}

// plentiful hands in more rows than any limit lets go.
func plentiful(r *rig) {
	for i := range 60 {
		r.offer(uint64(i+1), fmt.Sprint(i), rows(100*i, 99)...)
	}
}

func TestBackfillTakesItsShareOfTheRate(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.CallsPer20s = 10 })
	plentiful(r)
	if n := r.drain(); n != 5 {
		t.Errorf("%d calls at once, want half of 10", n)
	}
	// The other half is there for live changes.
	for i := range 5 {
		r.commit(upsert(fmt.Sprint(i)), upsert(fmt.Sprint(i, "b")), upsert(fmt.Sprint(i, "c")))
	}
	if n := r.drain(); n < 4 {
		t.Errorf("%d live calls beside it, want the other half", n)
	}
}

func TestBackfillLeavesPlacesFree(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.ConcurrentCalls = 4 })
	plentiful(r)
	if n := len(r.calls); n != 2 {
		t.Errorf("%d calls at once, want half of 4", n)
	}
	r.commit(upsert("1"), upsert("2"), upsert("3"))
	r.pass(10 * time.Millisecond)
	if n := len(r.calls); n != 3 {
		t.Errorf("%d calls, want the live one at once", n)
	}
}

func TestBackfillTakesItsShareOfTheDay(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.CallsPerDay = 100 })
	plentiful(r)
	n := r.drain()
	if n < 40 || n > 50 {
		t.Errorf("%d calls at once, want about half of the day's 100", n)
	}
	// From there on one call a minute, until what is kept for live changes.
	r.pass(5*time.Minute + time.Second)
	if more := r.drain(); more > 6 {
		t.Errorf("%d calls in five minutes, want one a minute at most", more)
	}
	for range 500 {
		r.pass(time.Minute)
		n += r.drain()
	}
	if used := r.m.calls.limiter.Used(r.now); used > 80 {
		t.Errorf("%d of 100 calls are used, want a fifth kept for live changes", used)
	}
	r.commit(upsert("1"), upsert("2"), upsert("3"))
	if n := r.drain(); n != 1 {
		t.Errorf("%d live calls, want one", n)
	}
}

// TestBackfillDoesNotSlowLiveChanges: its calls are no part of the rate that the
// day is forecast by.
func TestBackfillDoesNotSlowLiveChanges(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.CallsPerDay = 100 })
	plentiful(r)
	r.drain()
	r.pass(time.Hour)
	r.drain()
	if every := r.m.spacing(r.now); every != 0 {
		t.Errorf("live batches are %s apart", every)
	}
}

func TestPausedMappingWaits(t *testing.T) {
	r := newRig(t, nil)
	r.step(Pause{Mapping: 0, Reason: "somebody wants it"})
	r.commit(upsert("1"), upsert("2"), upsert("3"))
	r.pass(5 * time.Second)
	r.take(0)
	report := r.m.Report(r.now)
	if report.Mappings[0].Paused == "" || len(report.Stalled) != 1 || report.Stalled[0].Condition != MappingPaused {
		t.Errorf("stalled %v, mapping %+v", report.Stalled, report.Mappings[0])
	}
	plain := upsert("9")
	plain.Mapping = 1
	r.commit(plain)
	r.pass(2 * time.Second)
	if calls := r.take(1); calls[0].Batch.Type != "Plain" {
		t.Errorf("sent %s, want the other mapping's", text(calls))
	}
	r.step(Pause{Mapping: 0})
	if got := r.take(1); got[0].Batch.Operation != marketo.Upsert || len(got[0].Batch.Objects) != 3 {
		t.Errorf("sent %s after it was resumed", text(got))
	}
}

// TestPausedMappingIsNotWaitedFor: the end leaves its changes for the next life,
// at once, and none of them is lost.
func TestPausedMappingIsNotWaitedFor(t *testing.T) {
	r := newRig(t, nil)
	r.step(Pause{Mapping: 0, Reason: "somebody wants it"})
	r.commit(upsert("1"), upsert("2"))
	if report := r.m.Report(r.now); report.Mappings[0].Oldest == 0 || report.Mappings[1].Oldest != 0 {
		t.Errorf("oldest changes that wait: %s and %s", report.Mappings[0].Oldest, report.Mappings[1].Oldest)
	}
	saved := r.m.Report(r.now).Saved
	r.step(Stop{SendUntil: r.now.Add(time.Minute)})
	r.drain()
	if !r.m.end.finished || r.m.Pending() != 2 || r.m.Report(r.now).Saved != saved {
		t.Errorf("finished %v, %d pending, saved %s of %s", r.m.end.finished, r.m.Pending(), r.m.Report(r.now).Saved, saved)
	}
}

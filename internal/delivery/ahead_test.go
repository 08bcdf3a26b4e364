package delivery

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// aheadRig has 5 calls of one object under way, and many more objects waiting.
func aheadRig(t *testing.T) (*rig, []Send) {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.Capacity.Objects = 1
		c.Limits = marketo.Limits{ConcurrentCalls: 5}
	})
	var writes []mapping.Write
	for i := range 100 {
		writes = append(writes, upsert(strconv.Itoa(i), "a"))
	}
	r.commit(writes...)
	return r, r.take(5)
}

// answerRound answers calls that took that long, and returns how many calls
// went before any of the answers was in the store.
func (r *rig) answerRound(calls []Send, took time.Duration) int {
	r.t.Helper()
	r.now = r.now.Add(took)
	r.holdSaves = true
	saves := len(r.saves)
	for _, call := range calls {
		r.answer(call)
	}
	unsaved := len(r.calls)
	r.holdSaves = false
	if len(r.saves) > saves {
		r.step(Saved{})
	}
	r.pass(joinTime)
	return unsaved
}

// Where calls are answered at once, the next go without waiting for the store.
func TestCallsAreRecordedAhead(t *testing.T) {
	r, calls := aheadRig(t)
	r.answerRound(calls, time.Millisecond)
	ahead := len(r.m.ahead.calls)
	if ahead != aheadRounds*5 {
		t.Fatalf("%d calls are recorded ahead, want %d", ahead, aheadRounds*5)
	}
	last := r.saves[len(r.saves)-1]
	if last.Quota == nil || last.Quota.Calls < len(calls)+ahead {
		t.Errorf("the store counts %v, want the calls that may go before the next save, too", last.Quota)
	}
	calls = r.take(5)
	if n := r.answerRound(calls, 0); n != 5 {
		t.Errorf("%d calls went before the answers were saved, want 5", n)
	}
	r.take(5)
}

// Where they take longer, nothing is gained by it.
func TestSlowCallsAreNotRecordedAhead(t *testing.T) {
	r, calls := aheadRig(t)
	for range 3 {
		if n := r.answerRound(calls, quickCall); n != 0 || len(r.m.ahead.calls) != 0 {
			t.Errorf("%d calls went before the answers were saved, %d are recorded ahead", n, len(r.m.ahead.calls))
		}
		calls = r.take(5)
	}
}

// What cannot go soon is taken back: newer changes are merged into it, and the
// next life need not wait for it.
func TestPreparedCallsAreTakenBack(t *testing.T) {
	for name, end := range map[string]func(*rig, Send){
		"calls fail":             func(r *rig, call Send) { r.fail(call, marketo.FaultCredentials) },
		"too many in 20 seconds": func(r *rig, call Send) { r.fail(call, marketo.FaultRate) },
		"the day is used up":     func(r *rig, call Send) { r.fail(call, marketo.FaultQuota) },
	} {
		t.Run(name, func(t *testing.T) {
			r, calls := aheadRig(t)
			r.answerRound(calls, time.Millisecond)
			ids := make([]uint64, 0, len(r.m.ahead.calls))
			for _, c := range r.m.ahead.calls {
				ids = append(ids, c.id)
			}
			waiting := r.m.ahead.calls[len(ids)-1].items[0]
			end(r, r.take(5)[0])
			r.pass(joinTime)
			if len(r.m.ahead.calls) != 0 || len(ids) == 0 {
				t.Fatalf("%d of %d calls are still recorded ahead", len(r.m.ahead.calls), len(ids))
			}
			ended := r.saves[len(r.saves)-1].Ended
			for _, id := range ids {
				if !slices.Contains(ended, id) {
					t.Errorf("call %d is still in flight in the store", id)
				}
			}
			items := r.m.memory.items
			w := upsert("", "newer")
			w.Key = waiting.key
			r.commit(w)
			if r.m.memory.items != items {
				t.Error("a newer change was not merged")
			}
		})
	}
}

func TestPreparedCallsEndWithAStop(t *testing.T) {
	r, calls := aheadRig(t)
	r.answerRound(calls, time.Millisecond)
	if len(r.m.ahead.calls) == 0 {
		t.Fatal("no calls are recorded ahead")
	}
	r.step(Stop{SendUntil: r.now})
	for _, call := range r.take(5) {
		r.answer(call)
	}
	r.pass(time.Second)
	r.take(0)
	if last := r.saves[len(r.saves)-1]; r.finished == nil || !last.Clean {
		t.Errorf("finished %v, clean %v", r.finished, last.Clean)
	}
}

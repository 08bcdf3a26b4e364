package delivery

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// obstacle is what the machine says of a condition; "" when it does not hold.
func (r *rig) obstacle(c Condition) string {
	for _, o := range r.m.Report(r.now).Stalled {
		if o.Condition == c {
			return o.Reason
		}
	}
	return ""
}

// logged counts the lines with that in their message.
func (r *rig) logged(message string) int {
	n := 0
	for _, l := range r.logs {
		if strings.Contains(l.Message, message) {
			n++
		}
	}
	return n
}

// Whatever the oldest change waits for: after a minute the daemon is not ready
// and says what it is, and the log has one line on it.
func TestASlotThatStandsIsNotReadyAfterAMinute(t *testing.T) {
	tests := []struct {
		name  string
		make  func(*rig)
		state Condition
		want  string
	}{
		{"a call that nobody answers", func(r *rig) { r.commit(upsert("1", "a", "b")); r.pass(time.Second) }, Stuck, "is in a call to marketo"},
		{"a row that cannot be read", func(r *rig) {
			w := upsert("1", "a", "-")
			w.Reread = true
			r.commit(w)
			for range 3 {
				read := r.reads[len(r.reads)-1]
				r.step(RowRead{Read: read.Read, Err: errors.New("no such column")})
				r.pass(5 * time.Second)
			}
		}, Stuck, "row"},
		{"the rest of a transaction", func(r *rig) {
			r.step(&Received{Entries: []Entry{{Kind: EntryBegin, LSN: 2000, Time: r.now}}})
		}, Stuck, "the rest of a transaction"},
		{"a save that never ends", func(r *rig) {
			r.holdSaves = true
			r.commit(upsert("1", "a", "b"))
		}, Stuck, "mapping visits"},
		{"an object that Marketo asks to retry", func(r *rig) {
			r.commit(upsert("1", "a", "b"))
			r.pass(time.Second)
			for range 6 {
				for _, c := range r.take(len(r.calls)) {
					r.answer(c, marketo.Retry)
				}
				r.pass(5 * time.Second)
			}
		}, Stuck, "attempt"},
		{"calls of the day run short", func(r *rig) {
			r.m.calls.limiter.Restore(marketo.Quota{Day: marketo.QuotaDay(r.now), Calls: 990}, r.now)
			r.m.pace.last = r.now
			r.commit(upsert("1", "a", "b"))
		}, QuotaShort, "calls of the day run short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Limits.CallsPerDay = 1000 })
			r.pass(time.Second)
			tt.make(r)
			if len(r.m.Report(r.now).Stalled) > 0 {
				t.Fatalf("not ready at once: %v", r.m.Report(r.now).Stalled)
			}
			r.pass(61 * time.Second)
			if got := r.obstacle(tt.state); !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "the slot has not moved for 1m") {
				t.Errorf("got %q in %v, want %s with %q", got, r.m.Report(r.now).Stalled, tt.state, tt.want)
			}
			r.pass(time.Minute)
			if got := r.logged("slot stands with work to do"); got != 1 {
				t.Errorf("the log tells it %d times, want once", got)
			}
		})
	}
}

// Younger changes that go on do not hide that the oldest one does not; a large
// transaction that goes on does not stand.
func TestWhatMovesASlot(t *testing.T) {
	r := newRig(t, nil)
	w := upsert("1", "a", "-")
	w.Reread = true
	r.commit(w)
	for i := range 20 {
		r.commit(upsert(string(rune('a'+i)), "x", "y"))
		r.pass(5 * time.Second)
		for len(r.calls) > 0 {
			r.answerAll()
		}
	}
	if got := r.obstacle(Stuck); !strings.Contains(got, "waits for its row") {
		t.Errorf("the oldest waits for its row while others go on: got %q", got)
	}

	r = newRig(t, nil)
	r.step(&Received{Entries: []Entry{{Kind: EntryBegin, LSN: 2000, Time: r.now}}})
	for i := range 20 {
		kind := Entry{Kind: EntryFiltered}
		if i%2 == 0 {
			kind = Entry{Kind: EntryWrite, Seq: uint64(i + 1), Write: upsert(string(rune('a'+i)), "x", "y")}
		}
		r.step(&Received{Entries: []Entry{kind}})
		r.pass(30 * time.Second)
		for len(r.calls) > 0 {
			r.answerAll()
		}
		if got := r.obstacle(Stuck); got != "" {
			t.Fatalf("a transaction that goes on: %s", got)
		}
	}
	r.pass(time.Minute)
	if r.obstacle(Stuck) == "" {
		t.Error("it goes on no longer, and the daemon is ready")
	}
	r.step(&Received{Entries: []Entry{{Kind: EntryCommit, LSN: 2100}}})
	r.pass(2 * time.Second)
	if got := r.m.Report(r.now).Stalled; len(got) > 0 {
		t.Errorf("committed: got %v, want ready", got)
	}
	if r.logged("slot stands with work to do") != 1 || r.logged("slot moves again") != 1 {
		t.Errorf("the log tells neither once: %v", r.logs)
	}
}

// After a kill the held keys are told at once, with the time that is left, as
// long as something waits for them.
func TestHeldKeysOfTheLastLifeAreHolding(t *testing.T) {
	state := checkpoint.State{
		SameBoot: true, Checkpoint: &checkpoint.Checkpoint{LSN: start},
		InFlight: []checkpoint.Call{{ID: 7, Keys: []string{upsert("1").Key, upsert("2").Key}}},
	}
	r := restartRig(t, state, nil)
	r.pass(time.Second)
	if got := r.obstacle(Holding); got != "" {
		t.Errorf("nothing waits: got %q", got)
	}
	r.commit(upsert("1", "a", "b"))
	if got := r.obstacle(Holding); !strings.Contains(got, "newer values of 1 keys") || !strings.Contains(got, "2m29s to go") {
		t.Errorf("got %q", got)
	}
	if got := r.logged("calls of the last run may still be executing; newer values of their keys wait"); got != 1 {
		t.Errorf("the log tells it %d times", got)
	}
	r.pass(150 * time.Second)
	if got := r.obstacle(Holding); got != "" {
		t.Errorf("after the hold: got %q", got)
	}
}

// The log has the first parked object of a kind at once, and how many follow
// once a minute.
func TestParkedObjectsAreToldOfAtMostOnceAMinute(t *testing.T) {
	r := newRig(t, nil)
	park := func(id string) {
		w := upsert(id, "a", "b")
		w.Problem = &mapping.Problem{Code: "value", Message: "does not fit"}
		r.commit(w)
	}
	for i := range 200 {
		park(string(rune('A' + i)))
		r.pass(time.Second)
	}
	if got := r.logged("object parked"); got != 1 {
		t.Errorf("first ones: got %d lines, want 1", got)
	}
	if got := r.logged("more objects parked"); got < 2 || got > 3 {
		t.Errorf("more: got %d lines in 200 seconds, want 3", got)
	}
	r.pass(3 * time.Minute)
	told := 1
	for _, l := range r.logs {
		if l.Message != "more objects parked" {
			continue
		}
		for i := 0; i+1 < len(l.Args); i += 2 {
			if l.Args[i] == "objects" {
				told += l.Args[i+1].(int)
			}
		}
	}
	if told != 200 {
		t.Errorf("%d objects are told of, 200 were parked", told)
	}
	park("Z")
	if got := r.logged("object parked"); got != 1 && got != 2 {
		t.Errorf("after quiet minutes: got %d lines", got)
	}
}

package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func (r *rig) resolved() []string {
	var keys []string
	for _, s := range r.saves {
		keys = append(keys, s.Resolved...)
	}
	return keys
}

func (r *rig) lacking() []string {
	var keys []string
	for _, s := range r.saves {
		keys = append(keys, s.Lacking...)
	}
	return keys
}

func TestWaitingObjectIsTriedAgainByItself(t *testing.T) {
	r := newRig(t, nil)
	end := r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Wait)
	r.pass(time.Second)
	if r.confirmed != end {
		t.Fatalf("confirmed %s, want %s: a waiting object holds nothing up", r.confirmed, end)
	}
	for attempt := range 3 {
		r.pass(5 * time.Hour)
		if len(r.reads) != 1 {
			t.Fatalf("attempt %d: reads = %d, want 1", attempt, len(r.reads))
		}
		r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "newer")})
		r.reads = nil
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,newer,-]")
		if attempt < 2 {
			r.answer(calls[0], marketo.Wait)
			continue
		}
		r.answer(calls[0])
	}
	if got := r.resolved(); len(got) != 1 {
		t.Errorf("resolved %q, want the key once", got)
	}
	r.pass(100 * time.Hour)
	if len(r.reads) != 0 || r.m.Report(r.now).Parked != 0 {
		t.Errorf("reads %d, parked %d after it is resolved", len(r.reads), r.m.Report(r.now).Parked)
	}
}

func TestWaitingObjectSurvivesARestart(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Wait)
	var parked []checkpoint.Parked
	for _, s := range r.saves {
		parked = append(parked, s.Parked...)
	}
	again := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, Clean: true, Parked: parked}, nil)
	again.pass(2 * time.Minute)
	if len(again.reads) != 1 || again.reads[0].Object.Value(0).Text != "1" {
		t.Fatalf("reads %+v, want one of key 1", again.reads)
	}
}

// A waiting object whose mapping is not there any more stays, and the log says
// so once.
func TestWaitingObjectThatCannotBeTriedIsTold(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"), upsert("2", "a"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Wait, marketo.Wait)
	var parked []checkpoint.Parked
	for _, s := range r.saves {
		parked = append(parked, s.Parked...)
	}
	again := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, Clean: true, Parked: parked},
		func(c *Config) { c.Mappings = c.Mappings[1:] })
	again.pass(10 * time.Minute)
	if n := again.logged("waiting object cannot be tried again"); n != 1 || again.m.Report(again.now).Parked != 2 {
		t.Errorf("told %d times, %d parked, want once, and both still there", n, again.m.Report(again.now).Parked)
	}
}

func TestRetryOfParkedObjects(t *testing.T) {
	park := func(r *rig, op marketo.Operation) {
		w := write(op, "1")
		r.commit(w)
		r.pass(time.Second)
		r.answer(r.take(1)[0], marketo.Reject)
	}
	act := func(r *rig, discard bool) Acted {
		reply := make(chan Acted, 1)
		r.step(Act{Keys: []string{upsert("1").Key, "\x00nobody\x00"}, Discard: discard, Reply: reply})
		return <-reply
	}
	t.Run("delivers the row as it is now", func(t *testing.T) {
		r := newRig(t, nil)
		park(r, marketo.Upsert)
		if got := act(r, false); got.Done != 1 || got.Missing != 1 {
			t.Fatalf("acted %+v", got)
		}
		r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "now")})
		end := r.commit(upsert("1", "newer"))
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,now,-]")
		if r.confirmed == end {
			t.Fatal("confirmed a change that waits behind the retry")
		}
		r.answer(calls[0])
		r.pass(time.Second)
		calls = r.take(1)
		r.want(calls, "UPSERT[1,newer,-]")
		r.answer(calls[0])
		r.pass(time.Second)
		if r.confirmed != end || len(r.resolved()) != 1 {
			t.Fatalf("confirmed %s of %s, resolved %q", r.confirmed, end, r.resolved())
		}
	})
	t.Run("row gone", func(t *testing.T) {
		r := newRig(t, nil)
		park(r, marketo.Upsert)
		act(r, false)
		r.step(RowRead{Read: r.reads[0].Read})
		r.pass(time.Second)
		r.take(0)
		if !slices.Contains(r.resolved(), upsert("1").Key) || r.m.memory.items != 0 {
			t.Fatalf("resolved %q, items %d", r.resolved(), r.m.memory.items)
		}
	})
	t.Run("delete is sent again", func(t *testing.T) {
		r := newRig(t, nil)
		park(r, marketo.Delete)
		act(r, false)
		r.step(RowRead{Read: r.reads[0].Read})
		r.pass(time.Second)
		r.want(r.take(1), "DELETE[1,-,-]")
	})
	t.Run("delete of a row that is there again", func(t *testing.T) {
		r := newRig(t, nil)
		park(r, marketo.Delete)
		act(r, false)
		r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "back")})
		r.pass(time.Second)
		r.want(r.take(1), "UPSERT[1,back,null]")
	})
	t.Run("discard", func(t *testing.T) {
		r := newRig(t, nil)
		park(r, marketo.Upsert)
		if got := act(r, true); got.Done != 1 {
			t.Fatalf("acted %+v", got)
		}
		if r.m.Report(r.now).Parked != 0 || len(r.lacking()) != 1 {
			t.Fatalf("parked %d, lacking %q", r.m.Report(r.now).Parked, r.lacking())
		}
	})
}

// What was given up is missing at Marketo. A later change that carries a part
// of the row only has to bring the whole of it.
func TestPartOfARowAfterADiscard(t *testing.T) {
	partial := upsert("1", "b")
	partial.Partial = true
	discarded := func(t *testing.T) (*rig, checkpoint.State) {
		r := newRig(t, nil)
		r.commit(upsert("1", "a", "n"))
		r.pass(time.Second)
		r.answer(r.take(1)[0], marketo.Reject)
		r.step(Act{Keys: []string{partial.Key}, Discard: true, Reply: make(chan Acted, 1)})
		r.pass(time.Second)
		return r, checkpoint.State{
			Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: r.confirmed}, Lacking: r.lacking(),
		}
	}
	completed := func(t *testing.T, r *rig) {
		r.commit(partial)
		if len(r.reads) != 1 {
			t.Fatalf("%d rows are read, want 1", len(r.reads))
		}
		r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "b", "n")})
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,b,n]")
		r.answer(calls[0])
		if got := r.resolved(); !slices.Contains(got, partial.Key) {
			t.Errorf("resolved %q, want the key: it lacks nothing any more", got)
		}
		r.commit(partial)
		if len(r.reads) != 1 {
			t.Error("the row is read although nothing is missing")
		}
	}
	t.Run("in the same life", func(t *testing.T) {
		r, _ := discarded(t)
		completed(t, r)
	})
	t.Run("in the next", func(t *testing.T) {
		_, state := discarded(t)
		r := restartRig(t, state, nil)
		r.lsn = 5000
		completed(t, r)
	})
}

// What somebody gives up is what they have seen: not what is being refused
// anew, and not what they have just had tried again.
func TestDiscardOfWhatIsBeingTried(t *testing.T) {
	discard := func(r *rig, key string) Acted {
		reply := make(chan Acted, 1)
		r.step(Act{Keys: []string{key}, Discard: true, Reply: reply})
		return <-reply
	}
	key := upsert("1").Key
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.holdSaves = true
	r.answer(r.take(1)[0], marketo.Reject)
	if got := discard(r, key); got.Done != 0 || len(got.Problems) != 1 {
		t.Errorf("while it is being parked: %+v, want a problem", got)
	}
	r.holdSaves = false
	r.step(Saved{})
	r.pass(time.Second)
	r.step(Act{Keys: []string{key}, Reply: make(chan Acted, 1)})
	if got := discard(r, key); got.Done != 0 || len(got.Problems) != 1 {
		t.Errorf("while it is tried again: %+v, want a problem", got)
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "a")})
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Reject)
	r.pass(time.Second)
	if got := discard(r, key); got.Done != 1 {
		t.Errorf("once it is refused again: %+v, want it done", got)
	}
}

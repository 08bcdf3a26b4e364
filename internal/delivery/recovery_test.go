package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func TestEndOfRowIsSetAlthoughTheRowIsGone(t *testing.T) {
	set := write(marketo.Update, "1", "-", "gone")
	partial := upsert("1", "b", "-")
	partial.Partial = true
	for _, test := range []struct {
		name  string
		while func(r *rig) // with the first call in flight
		after func(r *rig)
		want  string
	}{
		{"alone", func(*rig) {}, func(r *rig) { r.commit(set) }, "UPDATE[1,-,gone]"},
		{"merged", func(r *rig) { r.commit(partial); r.commit(set) }, func(*rig) {}, "UPDATE[1,b,gone]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.commit(upsert("1", "a", "n"))
			r.pass(time.Second)
			test.while(r)
			r.answer(r.take(1)[0], marketo.Reject)
			test.after(r)
			r.pass(time.Second)
			if len(r.reads) != 1 {
				t.Fatalf("reads = %d, want 1 since the object is parked", len(r.reads))
			}
			r.step(RowRead{Read: r.reads[0].Read})
			r.pass(time.Second)
			r.want(r.take(1), test.want)
		})
	}
}

func TestRetryOfAParkedEndOfRowSetsWhatItSays(t *testing.T) {
	r := newRig(t, nil)
	r.commit(write(marketo.Update, "1", "-", "gone"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Wait)
	r.pass(5 * time.Minute)
	if len(r.reads) != 1 {
		t.Fatalf("reads = %d, want the waiting object tried again", len(r.reads))
	}
	r.step(RowRead{Read: r.reads[0].Read})
	r.pass(time.Second)
	calls := r.take(1)
	r.want(calls, "UPDATE[1,-,gone]")
	r.answer(calls[0])
	if got := r.m.Report(r.now).Parked; got != 0 {
		t.Errorf("parked %d after the retry was confirmed, want 0", got)
	}
}

func TestOutageDoesNotUseUpTheAttemptsOfAnObject(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxAttempts = 3 })
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	for range 10 {
		r.fail(r.take(1)[0], marketo.FaultRetry)
		r.pass(2 * time.Minute)
	}
	for range 2 {
		r.answer(r.take(1)[0], marketo.Retry)
		if got := r.m.Report(r.now).Parked; got != 0 {
			t.Fatal("parked before MaxAttempts answers about the object itself")
		}
		r.pass(10 * time.Minute)
	}
	r.answer(r.take(1)[0], marketo.Retry)
	if got := r.m.Report(r.now).Parked; got != 1 {
		t.Fatalf("parked %d after MaxAttempts answers, want 1", got)
	}
}

func TestCallThatLeftLateIsCountedWhenItLeft(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 2, ConcurrentCalls: 2} })
	r.holdSaves = true
	r.step(Saved{}) // of the first tick, if any
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
	r.pass(10 * time.Second)
	r.holdSaves = false
	r.step(Saved{})
	r.answer(r.take(1)[0])
	r.pass(time.Second)
	var quota *checkpoint.Quota
	for _, s := range r.saves {
		if s.Quota != nil {
			quota = s.Quota
		}
	}
	if left := r.now.Add(-time.Second); quota == nil || len(quota.Starts) != 1 || !quota.Starts[0].Equal(left) {
		t.Fatalf("quota in the store %+v, want the call when it left, %s", quota, left)
	}
}

func TestCallInFlightAtTheEndOfALifeCountsAsJustMade(t *testing.T) {
	r := restartRig(t, checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true,
		InFlight: []checkpoint.Call{{ID: 1<<40 | 7, Keys: []string{"other"}}},
	}, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 1, ConcurrentCalls: 1} })
	r.commit(upsert("1", "a"))
	r.pass(20 * time.Second)
	r.take(0)
	r.pass(time.Second)
	if id := r.take(1)[0].Call; id>>40 != 0 {
		t.Errorf("call %d is not a number of its own life", id)
	}
}

func TestCallsThatAreLateKeepOthersBack(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 2, ConcurrentCalls: 5} })
	batch := func(first int) {
		r.commit(upsert(fmt.Sprint(first), "a"), upsert(fmt.Sprint(first+1), "a"), upsert(fmt.Sprint(first+2), "a"))
	}
	r.holdSaves = true
	r.step(Saved{})
	batch(0)
	r.pass(30 * time.Second)
	batch(10)
	batch(20)
	r.holdSaves = false
	r.step(Saved{})
	r.pass(joinTime)
	for _, call := range r.take(2) {
		r.answer(call)
	}
	r.pass(19 * time.Second)
	r.take(0)
	r.pass(5 * time.Second)
	r.take(1)
}

// A process that is stopped between sending a call and its leaving: Marketo
// counts it, and may execute it, from when it left.
func TestCallThatLeavesLate(t *testing.T) {
	t.Run("is counted when it left", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 1, ConcurrentCalls: 5} })
		r.commit(upsert("1", "a"))
		r.pass(time.Second)
		late := r.take(1)[0]
		r.commit(upsert("2", "a"))
		r.pass(30 * time.Second)
		r.take(0) // it may leave at any time
		left := r.now
		r.pass(time.Second)
		r.step(Answered{Call: late.Call, Reply: marketo.Reply{
			Results: []marketo.Result{{Outcome: marketo.Confirmed, Status: marketo.Updated}}, Left: left,
		}})
		r.pass(19 * time.Second)
		r.take(0)
		r.pass(time.Second)
		r.take(1)
	})
	t.Run("is held from when it left", func(t *testing.T) {
		r := newRig(t, nil)
		r.exist("1")
		r.commit(upsert("1", "a"))
		r.pass(time.Second)
		late := r.take(1)[0]
		r.commit(upsert("1", "b"))
		r.pass(5 * time.Minute)
		left := r.now
		r.step(Answered{Call: late.Call, Reply: marketo.Reply{Fault: &marketo.Fault{Class: marketo.FaultUnknown}, Left: left}})
		r.pass(time.Second)
		r.answer(r.take(1)[0]) // the same again
		r.pass(r.m.cfg.UnknownHold - 5*time.Second)
		r.take(0)
		r.pass(5 * time.Second)
		r.want(r.take(1), "UPSERT[1,b,-]")
	})
}

func TestHoldAfterPowerLossOutlivesTheNextKill(t *testing.T) {
	first := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}}, nil)
	first.step(Tick{})
	if len(first.saves) == 0 || len(first.saves[0].Started) != 1 {
		t.Fatalf("saves %+v, want the hold in the first", first.saves)
	}
	held := first.saves[0].Started[0]
	held.ID |= 3 << 40
	next := restartRig(t, checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, InFlight: []checkpoint.Call{held},
	}, nil)
	next.commit(upsert("1", "a"))
	next.pass(149 * time.Second)
	next.take(0)
	next.pass(time.Second)
	next.take(1)
	first.pass(151 * time.Second)
	var ended []uint64
	for _, s := range first.saves {
		ended = append(ended, s.Ended...)
	}
	if len(ended) != 1 {
		t.Errorf("ended %v once the hold is over, want it", ended)
	}
}

func TestBooksBalanceWhileAnEndIsBeingSaved(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
	r.holdSaves = true
	r.answer(r.take(1)[0], marketo.Confirmed, marketo.Reject)
	b := r.m.Balance(0)
	if want := (Balance{Received: 3, Confirmed: 2, Parked: 1}); b != want {
		t.Errorf("books %+v, want %+v", b, want)
	}
	if n, _ := r.m.Load(); n != 3 {
		t.Errorf("objects held %d, want 3 until they are saved", n)
	}
}

// TestWhatIsNewAfterAPartWasMade: of an object whose part was confirmed, what
// comes before the rest was sent is news, also when its row has gone by then.
func TestWhatIsNewAfterAPartWasMade(t *testing.T) {
	r := newRig(t, nil)
	partial := upsert("1", "a", "-")
	partial.Partial = true
	r.commit(partial)
	r.pass(time.Second)
	call := r.take(1)[0]
	r.step(Answered{Call: call.Call, Reply: marketo.Reply{Results: []marketo.Result{{Outcome: marketo.Confirmed, Status: marketo.Created}}}})
	r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "a", "n")})
	r.pass(time.Second)
	next := upsert("1", "b", "-")
	next.Reread = true
	r.commit(next)
	r.fail(r.take(1)[0], marketo.FaultRetry)
	r.pass(time.Minute)
	if len(r.reads) != 2 {
		t.Fatalf("reads = %d, want one for the newer change", len(r.reads))
	}
	r.step(RowRead{Read: r.reads[1].Read, State: RowGone})
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[1,b,n]")
}

// After a start changes of a key that were sent as one go as one again, whatever
// becomes of a parked object whose key is another spelling of it meanwhile.
func TestRetryOfAnotherSpellingKeepsNothingApart(t *testing.T) {
	for name, retry := range map[string]func(*rig, checkpoint.Parked){
		"its time has come": func(*rig, checkpoint.Parked) {},
		"somebody wants it": func(r *rig, p checkpoint.Parked) {
			r.step(Act{Keys: []string{p.Key}, Reply: make(chan Acted, 1)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := upsert("aB")
			p := checkpoint.Parked{Mapping: "visits", Object: "Visit", Key: other.Key, Operation: "UPSERT", At: pgoutput.Position{Commit: 500, Seq: 1},
				Fields: `{"id":"aB"}`, Payload: `{"id":"aB"}`, Waits: name == "its time has come", Next: epoch.Add(time.Second)}
			sent := pgoutput.Position{Commit: 1010, Seq: 1}
			r := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, Clean: true, Sent: sent, Parked: []checkpoint.Parked{p}}, nil)
			r.commit(upsert("Ab", "Bonn"))
			retry(r, p)
			r.pass(2 * time.Second)
			r.take(0)
			r.commit(upsert("Ab", "Kiel"))
			r.pass(2 * time.Second)
			calls := r.take(1)
			r.want(calls, "UPSERT[Ab,Kiel,-]")
			r.answer(calls[0])
			r.pass(10 * time.Second)
			if len(r.reads) != 1 {
				t.Errorf("%d rows are read for what is parked, want 1", len(r.reads))
			}
		})
	}
}

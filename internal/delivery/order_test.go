package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// killed is what a life leaves that was killed with a call in flight: it had
// carried the changes of key 1 up to the commit at sent, in one value.
func killed(sent LSN) checkpoint.State {
	return checkpoint.State{
		SameBoot: true, Checkpoint: &checkpoint.Checkpoint{LSN: start},
		Sent: pgoutput.Position{Commit: sent, Seq: 1},
	}
}

// A call may have carried several changes of an object as one value. The next
// life must not send the first of them alone: the object would go back.
func TestWhatWasSentIsKnownAgainBeforeAnythingIsSent(t *testing.T) {
	r := restartRig(t, killed(1010), nil)
	r.commit(upsert("1", "a"), upsert("2", "a"))
	r.pass(time.Minute)
	r.take(0)
	r.commit(upsert("1", "b"))
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[1,b,- 2,a,-]")
}

func TestStreamPassesWhatWasSent(t *testing.T) {
	for name, pass := range map[string]func(*rig){
		"at its change":       func(r *rig) { r.lsn = 2000; r.commit(upsert("2", "a")) },
		"at its commit":       func(r *rig) { r.lsn = 2000; r.commit() },
		"at a later commit":   func(r *rig) { r.lsn = 3000; r.commit() },
		"at a keepalive":      func(r *rig) { r.step(&Received{Entries: []Entry{{Kind: EntryMark, LSN: 2001}}}) },
		"at the end of a cut": func(r *rig) { r.step(&Received{Entries: []Entry{{Kind: EntryBegin, LSN: 2001, Time: r.now}}}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := restartRig(t, killed(2000), nil)
			r.commit(upsert("1", "a"))
			r.pass(time.Minute)
			r.take(0)
			pass(r)
			r.pass(time.Second)
			r.take(1)
		})
	}
	t.Run("what is below the checkpoint has been passed", func(t *testing.T) {
		r := restartRig(t, killed(start-10), nil)
		r.commit(upsert("1", "a"))
		r.pass(time.Second)
		r.take(1)
	})
}

// What one life held at once, the next one can hold, too: it must not stop
// reading before it may send.
func TestReadingGoesOnUntilWhatWasSentIsKnown(t *testing.T) {
	r := restartRig(t, killed(1020), func(c *Config) { c.MaxPending = 2 })
	for _, id := range []string{"1", "2", "3"} {
		if !r.m.Accepting() {
			t.Fatal("reading stops before what was sent is known")
		}
		r.commit(upsert(id, "a"))
	}
	if r.m.Accepting() {
		t.Error("reading goes on beyond the bound")
	}
	r.pass(time.Second)
	r.take(1)
}

func TestStopDoesNotWaitForWhatTheStreamWillNotBring(t *testing.T) {
	r := restartRig(t, killed(2000), nil)
	r.commit(upsert("1", "a"))
	r.step(Stop{SendUntil: r.now.Add(15 * time.Second)})
	if r.finished == nil || r.finished.Left != 1 {
		t.Fatalf("finished %v, want at once with 1 left", r.finished)
	}
}

// The store learns of the newest change that a call carries no later than of
// the call.
func TestWhatIsSentIsSavedBeforeItIsSent(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.commit(upsert("1", "b"))
	r.pass(time.Second)
	r.take(1)
	for _, s := range r.saves {
		if len(s.Started) > 0 && s.Sent != (pgoutput.Position{Commit: 1010, Seq: 1}) {
			t.Errorf("call %d is saved with %v as the newest change sent", s.Started[0].ID, s.Sent)
		}
	}
}

// Merging depends on when changes come: an object that is about to be sent
// takes in what could not be merged one by one.
func TestItemAbsorbsAllThatFollowsBeforeItIsSent(t *testing.T) {
	for _, tt := range []struct {
		last []mapping.Write
		want string
	}{
		{[]mapping.Write{write(marketo.Insert, "1", "c")}, "UPSERT[1,c,null]"},
		// It becomes one of another lane, and leaves its own with nothing.
		{nil, "DELETE[1,-,-]"},
	} {
		r := newRig(t, nil)
		r.commit(write(marketo.Delete, "1"), write(marketo.Insert, "1", "a"), write(marketo.Insert, "1", "b"), write(marketo.Delete, "1"))
		end := r.commit(tt.last...)
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, tt.want)
		r.answer(calls[0])
		r.pass(time.Second)
		if r.take(0); r.confirmed != end {
			t.Errorf("%s: confirmed %s of %s", tt.want, r.confirmed, end)
		}
	}
}

// A wall clock that is set moves neither a hold nor a retry.
func TestClockThatIsSetMovesNothing(t *testing.T) {
	for _, ahead := range []time.Duration{-48 * time.Hour, -time.Hour, time.Hour, 48 * time.Hour} {
		r := newRig(t, nil)
		r.exist("3")
		r.commit(upsert("1", "a"), upsert("2", "a"))
		r.pass(time.Second)
		r.answer(r.take(1)[0], marketo.Wait)
		r.commit(upsert("3", "a"))
		r.pass(time.Second)
		lost := r.take(1)[0]
		r.fail(lost, marketo.FaultUnknown)
		r.commit(upsert("3", "b"))
		r.m.SetClock(r.now, ahead)
		r.pass(20 * time.Second)
		r.answer(r.take(1)[0])
		held := r.now
		for len(r.calls) == 0 && r.now.Sub(held) < 10*time.Minute {
			r.pass(time.Second)
		}
		if waited := r.now.Sub(held); waited > r.m.cfg.UnknownHold {
			t.Errorf("clock set by %s: the newer value waited %s", ahead, waited)
		}
		r.answer(r.take(1)[0])
		r.pass(2 * time.Minute)
		if len(r.reads) != 1 {
			t.Errorf("clock set by %s: %d rows are read again, want that of the waiting object", ahead, len(r.reads))
		}
		if p := r.m.parked.objects[upsert("1").Key]; p == nil || !p.First.Before(r.now) {
			t.Errorf("clock set by %s: the entry is %+v", ahead, p)
		}
	}
}

// Whether changes of a key are merged one by one or in parts must not decide
// what they make: the next life may do it in another way.
func TestMergingIsAssociative(t *testing.T) {
	for name, operations := range map[string][]marketo.Operation{
		"insert":          {marketo.Insert, marketo.Delete, marketo.Upsert},
		"upsert":          {marketo.Upsert, marketo.Delete},
		"upsert, set end": {marketo.Upsert, marketo.Update},
		"update":          {marketo.Update},
	} {
		for _, a := range operations {
			for _, b := range operations {
				ab, ok := merged(a, b)
				if !ok {
					t.Errorf("%s: %s and %s do not merge", name, a, b)
					continue
				}
				for _, c := range operations {
					bc, _ := merged(b, c)
					left, leftOK := merged(ab, c)
					right, rightOK := merged(a, bc)
					if left != right || leftOK != rightOK {
						t.Errorf("%s: %s, %s, %s: %s one by one, %s in parts", name, a, b, c, left, right)
					}
				}
			}
		}
	}
}

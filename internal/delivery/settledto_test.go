package delivery

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// changes hands over changes of the open transaction, from seq on.
func (r *rig) changes(seq int, ids ...string) {
	var entries []Entry
	for i, id := range ids {
		entries = append(entries, Entry{Kind: EntryWrite, Seq: uint64(seq + i), Write: upsert(id, "a")})
	}
	r.step(&Received{Entries: entries})
}

func (r *rig) begin() {
	r.step(&Received{Entries: []Entry{{Kind: EntryBegin, LSN: r.lsn, Time: r.now}}})
}

// found is what the next life finds of the settled changes.
func (r *rig) found() checkpoint.State {
	state := checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true}
	for _, s := range r.saves {
		if s.SettledTo != nil {
			state.SettledTo, state.Settled = s.SettledTo, nil
			continue
		}
		state.Settled = append(state.Settled, s.Settled...)
	}
	return state
}

// Beyond a number of settled changes, what is not settled is kept: what a life
// that ends in the middle of a transaction leaves does not follow its size.
func TestWhatIsNotSettledIsKeptInsteadOfMuchThatIs(t *testing.T) {
	few := func(c *Config) {
		c.MaxSettled, c.Mappings[0].Rules = 3, 7
	}
	r := newRig(t, few)
	r.begin()
	r.changes(1, "1", "2", "3", "4", "5", "6")
	r.changes(7, "1") // behind the call that carries the first one
	calls := r.take(2)
	r.answer(calls[1])
	r.answer(calls[0], marketo.Retry, marketo.Confirmed, marketo.Retry)
	r.changes(8, "7", "8", "9", "2")
	state := r.found()
	key := func(id string) string { return upsert(id).Key }
	want := &checkpoint.SettledTo{
		Through: pgoutput.Position{Commit: 1000, Seq: 6},
		Rules:   []uint64{7, 0},
	}
	except := map[string]pgoutput.Position{key("1"): {Commit: 1000, Seq: 1}, key("3"): {Commit: 1000, Seq: 3}}
	got := map[string]pgoutput.Position{}
	if state.SettledTo == nil {
		t.Fatal("nothing stands for what is settled")
	}
	for _, e := range state.SettledTo.Except {
		got[e.Key] = e.From
	}
	to := *state.SettledTo
	if to.Except = nil; !reflect.DeepEqual(&to, want) || !reflect.DeepEqual(got, except) {
		t.Fatalf("settled to %+v but %v, want %+v but %v", to, got, want, except)
	}

	again := restartRig(t, state, few)
	again.begin()
	again.changes(1, "1", "2", "3", "4", "5", "6", "1", "7", "8", "9", "2")
	again.pass(time.Second)
	again.want(again.take(2), "UPSERT[1,a,- 3,a,- 7,a,-]UPSERT[8,a,- 9,a,- 2,a,-]")
	if n := again.m.Report(again.now).Mappings[0].Replayed; n != 4 {
		t.Errorf("%d changes are known as settled, want those of 2, 4, 5 and 6", n)
	}
	if !again.m.replayed.over() {
		t.Error("what earlier lives settled is kept when all of it has come again")
	}
}

// A mapping whose rules are not those that something was found settled under is
// not told that it is; nor is memory filled by what comes again.
func TestWhatIsSettledHoldsUnderItsRules(t *testing.T) {
	state := checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true,
		SettledTo: &checkpoint.SettledTo{Through: pgoutput.Position{Commit: 1000, Seq: 1000}, Rules: []uint64{7}},
		Sent:      pgoutput.Position{Commit: 1000, Seq: 1000},
	}
	for _, test := range []struct {
		rules uint64
		sent  int
	}{{7, 0}, {8, 1}} {
		r := restartRig(t, state, func(c *Config) { c.MaxPending, c.Mappings[0].Rules, c.Mappings[1].Rules = 4, test.rules, 7 })
		r.begin()
		for i := range 10 {
			if !r.m.Accepting() {
				break
			}
			r.changes(i+1, fmt.Sprint(i))
		}
		r.pass(time.Second)
		if sent := len(r.calls); (sent > 0) != (test.sent > 0) {
			t.Errorf("rules %d: %d calls", test.rules, sent)
		}
		if n := r.m.Report(r.now).Pending; n > 4 {
			t.Errorf("rules %d: %d in memory, want at most 4", test.rules, n)
		}
	}
}

// Nothing is kept of what the checkpoint has passed, and a save that failed is
// made up for.
func TestSettledToOfASaveThatFailed(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxSettled = 2 })
	r.begin()
	r.changes(1, "1", "2", "3")
	calls := r.take(1)
	r.holdSaves = true
	r.answer(calls[0])
	failed := r.saves[len(r.saves)-1]
	if failed.SettledTo == nil {
		t.Fatal("the save has nothing that stands for what is settled")
	}
	r.holdSaves = false
	r.step(Saved{Err: fmt.Errorf("no space")})
	r.pass(time.Second)
	if i := slices.IndexFunc(r.saves, func(s *checkpoint.Save) bool { return s != failed && s.SettledTo != nil && len(s.Settled) == 3 }); i < 0 {
		t.Error("what the failed save had was not saved afterwards")
	}
	if n := r.m.ledger.beyond.n; n != 0 {
		t.Errorf("%d settled changes are counted as kept one by one", n)
	}
}

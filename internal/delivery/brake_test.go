package delivery

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func deletions(from, n int) []mapping.Write {
	writes := make([]mapping.Write, n)
	for i := range writes {
		writes[i] = write(marketo.Delete, strconv.Itoa(from+i))
	}
	return writes
}

// deletes answers all calls for d as Marketo would that has every object, and
// returns how many objects were deleted.
func (r *rig) deletes(d time.Duration) int {
	r.t.Helper()
	n, end := 0, r.now.Add(d)
	for r.now.Before(end) {
		for len(r.calls) > 0 {
			call := r.calls[0]
			r.calls = r.calls[1:]
			status := marketo.Updated
			if call.Batch.Operation == marketo.Delete {
				n += len(call.Batch.Objects)
				status = marketo.Deleted
			}
			r.say(call, status)
		}
		r.pass(time.Second)
	}
	return n
}

// say confirms all objects of a call with one status.
func (r *rig) say(call Send, status marketo.Status) {
	r.t.Helper()
	reply := marketo.Reply{Results: make([]marketo.Result, len(call.Batch.Objects))}
	for i := range reply.Results {
		reply.Results[i] = marketo.Result{Outcome: marketo.Confirmed, Status: status}
	}
	r.step(Answered{Call: call.Call, Reply: reply})
}

func brakeRig(t *testing.T) *rig {
	return newRig(t, func(c *Config) {
		c.Capacity.Objects = 30
		c.MaxDeletes = 100
		c.Limits = marketo.Limits{ConcurrentCalls: 5}
	})
}

func (r *rig) release(mappings ...string) Acted {
	reply := make(chan Acted, 1)
	r.step(Release{Mappings: mappings, Reply: reply})
	return <-reply
}

func TestTooManyDeletionsHoldTheMapping(t *testing.T) {
	r := brakeRig(t)
	end := r.commit(deletions(0, 100)...)
	if n := r.deletes(time.Minute); n != 100 || r.confirmed != end {
		t.Fatalf("%d of 100 deleted, confirmed %s of %s", n, r.confirmed, end)
	}
	if got, reason := r.condition(); got != "" {
		t.Fatalf("%s %s after as many as are allowed", got, reason)
	}
	end = r.commit(append(deletions(100, 150), upsert("1000", "a"))...)
	if n := r.deletes(2 * time.Hour); n != 0 || r.confirmed == end {
		t.Fatalf("%d more deleted, confirmed %s", n, r.confirmed)
	}
	got, reason := r.condition()
	if got != DeletesHeld || !strings.Contains(reason, "visits") || !strings.Contains(reason, "cdcsync release visits") {
		t.Errorf("%s %s", got, reason)
	}
	other := upsert("2000", "a")
	other.Mapping = 1
	r.commit(other)
	r.pass(time.Second)
	if calls := r.take(1); calls[0].Batch.Type != "Plain" {
		t.Errorf("call of %s", calls[0].Batch.Type)
	} else {
		r.answer(calls[0])
	}
	if acted := r.release("nothing"); acted.Done != 0 || len(acted.Problems) != 1 {
		t.Errorf("release of a mapping that is none: %+v", acted)
	}
	if acted := r.release("visits"); acted.Done != 1 {
		t.Errorf("release: %+v", acted)
	}
	if n := r.deletes(time.Minute); n != 150 || r.confirmed < end {
		t.Errorf("%d of 150 deleted once released, confirmed %s of %s", n, r.confirmed, end)
	}
	if got, _ := r.condition(); got != "" {
		t.Errorf("%s once released", got)
	}
	r.pass(time.Hour)
	r.commit(deletions(1000, 300)...)
	if n := r.deletes(time.Minute); n != 100 {
		t.Errorf("%d deleted an hour after the release, want 100 again", n)
	}
	if acted := r.release(); acted.Done != 1 {
		t.Errorf("release of all: %+v", acted)
	}
}

// What somebody else deletes counts as what the machine does: an audit that is begun
// again and again removes no more in an hour.
func TestDeletionsOfOthersCount(t *testing.T) {
	r := brakeRig(t)
	deleting := func(mapping string, n int) Acted {
		reply := make(chan Acted, 1)
		r.step(Deleting{Mapping: mapping, Objects: n, Reply: reply})
		return <-reply
	}
	r.commit(deletions(0, 40)...)
	if n := r.deletes(time.Minute); n != 40 {
		t.Fatalf("%d of 40 deleted", n)
	}
	if acted := deleting("visits", 50); acted.Done != 50 || acted.Problems != nil {
		t.Errorf("50 of 60: %+v", acted)
	}
	if acted := deleting("visits", 50); acted.Done != 10 || len(acted.Problems) != 1 || !strings.Contains(acted.Problems[0], "cdcsync release visits") {
		t.Errorf("50 of 10: %+v", acted)
	}
	if got, _ := r.condition(); got != DeletesHeld {
		t.Errorf("%s, want it held", got)
	}
	if acted := deleting("visits", 1); acted.Done != 0 || len(acted.Problems) != 1 {
		t.Errorf("one while it is held: %+v", acted)
	}
	if acted := deleting("nothing", 1); acted.Done != 0 || len(acted.Problems) != 1 {
		t.Errorf("of a mapping that is none: %+v", acted)
	}
	r.release("visits")
	if acted := deleting("visits", 500); acted.Done != 500 || acted.Problems != nil {
		t.Errorf("once released: %+v", acted)
	}
	r.step(Pause{Mapping: 0, Reason: "by somebody"})
	if acted := deleting("visits", 1); acted.Done != 0 || len(acted.Problems) != 1 || !strings.Contains(acted.Problems[0], "cdcsync resume visits") {
		t.Errorf("while it is paused: %+v", acted)
	}
}

// A restart lets nothing be deleted that was not allowed before it.
func TestBrakeOutlivesARestart(t *testing.T) {
	set := func(c *Config) { c.Capacity.Objects = 30; c.MaxDeletes = 100 }
	again := func(r *rig) *rig {
		var last []checkpoint.Deletions
		for _, s := range r.saves {
			if len(s.Deletions) > 0 {
				last = s.Deletions
			}
		}
		state := checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: start}, Deletions: last}
		next := restartRig(t, state, set)
		next.m, next.now = New(next.m.cfg, state, r.now), r.now
		return next
	}
	r := newRig(t, set)
	r.commit(deletions(0, 70)...)
	if n := r.deletes(time.Minute); n != 70 {
		t.Fatalf("%d of 70 deleted", n)
	}
	r = again(r)
	r.commit(deletions(100, 70)...)
	if n := r.deletes(time.Minute); n != 30 {
		t.Fatalf("%d deleted after a restart, want 30", n)
	}
	r.now = r.now.Add(5 * time.Hour)
	r = again(r)
	r.commit(deletions(200, 10)...)
	if n := r.deletes(time.Minute); n != 0 {
		t.Fatalf("%d deleted though the mapping was held before the restart", n)
	}
	if got, _ := r.condition(); got != DeletesHeld {
		t.Errorf("%s after a restart", got)
	}
	r.release("visits")
	r = again(r)
	r.commit(deletions(300, 200)...)
	if n := r.deletes(time.Minute); n != 200 {
		t.Errorf("%d deleted after a release and a restart, want all", n)
	}
}

// Rows that are put back take their deletions with them.
func TestRowsPutBackAreNotDeleted(t *testing.T) {
	r := brakeRig(t)
	r.commit(deletions(0, 300)...)
	if n := r.deletes(time.Minute); n != 100 {
		t.Fatalf("%d deleted", n)
	}
	end := r.commit(upserts(0, 300, "back")...)
	r.release("visits")
	if n := r.deletes(time.Minute); n != 0 || r.confirmed != end {
		t.Errorf("%d deleted after the rows are back, confirmed %s of %s", n, r.confirmed, end)
	}
}

// Deletions that lie an hour apart are no matter, nor those of what is not there.
func TestFewDeletionsAreNotHeld(t *testing.T) {
	r := brakeRig(t)
	for i := range 5 {
		r.commit(deletions(100*i, 90)...)
		if n := r.deletes(time.Hour); n != 90 {
			t.Fatalf("hour %d: %d of 90 deleted", i, n)
		}
	}
	end := r.commit(deletions(1000, 300)...)
	for range 20 {
		for len(r.calls) > 0 {
			call := r.calls[0]
			r.calls = r.calls[1:]
			r.say(call, marketo.Unchanged)
		}
		r.pass(time.Second)
	}
	if r.confirmed != end {
		t.Errorf("confirmed %s of %s", r.confirmed, end)
	}
}

// A call of somebody else is counted with ours.
func TestReservedCallsCount(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 3, ConcurrentCalls: 5, CallsPerDay: 10} })
	reserve := func() Reserved {
		reply := make(chan Reserved, 1)
		r.step(Reserve{Reply: reply})
		return <-reply
	}
	for range 2 {
		if got := reserve(); !got.OK {
			t.Fatalf("reserve: %+v", got)
		}
	}
	r.commit(upserts(0, 6, "a")...)
	r.answer(r.take(1)[0])
	if got := reserve(); got.OK || got.Why != marketo.WhyRate || got.Wait < 19*time.Second || got.Wait > 21*time.Second {
		t.Errorf("a fourth call: %+v", got)
	}
	if used := r.m.Report(r.now).Quota.Calls; used != 3 {
		t.Errorf("%d calls of the day, want 3", used)
	}
	r.pass(21 * time.Second)
	if calls := len(r.calls); calls != 1 {
		t.Errorf("%d calls 20 seconds later, want the one that waited", calls)
	}
}

// An earlier life may have sent a change and the removal behind it as one, before the
// mapping was held and released: the change does not go alone.
func TestReleasedRemovalIsAskedForWithWhatPrecedesIt(t *testing.T) {
	free := checkpoint.Deletions{Mapping: "visits", Free: epoch.Unix()/60 + 30}
	held := checkpoint.Deletions{Mapping: "visits", Held: true}
	one := []mapping.Write{removalWrite("1", false)}
	putBack := append(append([]mapping.Write{}, one...), upsert("1", "b"), one[0])
	for name, c := range map[string]struct {
		brake   checkpoint.Deletions
		release bool
		writes  []mapping.Write
	}{
		"before it comes":                                   {brake: free, writes: one},
		"while its transaction is open":                     {brake: held, release: true, writes: one},
		"a row was put back, before it comes":               {brake: free, writes: putBack},
		"a row was put back, while its transaction is open": {brake: held, release: true, writes: putBack},
	} {
		t.Run(name, func(t *testing.T) {
			state := checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, Sent: pgoutput.Position{Commit: 2000, Seq: uint64(len(c.writes))}, Deletions: []checkpoint.Deletions{c.brake}}
			r := restartRig(t, state, func(c *Config) { c.MaxDeletes = 100 })
			r.commit(upsert("1", "a"))
			entries := []Entry{{Kind: EntryBegin, LSN: 2000, Time: r.now}}
			for i, w := range c.writes {
				entries = append(entries, Entry{Kind: EntryWrite, Seq: uint64(i) + 1, Write: w})
			}
			r.step(&Received{Entries: entries})
			if c.release {
				r.release("visits")
			}
			r.pass(time.Minute)
			r.step(&Received{Entries: []Entry{{Kind: EntryCommit, LSN: 2010}}})
			r.pass(time.Minute)
			r.wantAskedTogether()
		})
	}
}

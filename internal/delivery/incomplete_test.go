package delivery

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// part is the write of an update that left a large value of the row alone.
func part(op marketo.Operation, id string, rest ...string) mapping.Write {
	w := write(op, id, rest...)
	w.Partial = true
	return w
}

// conclude answers a call for one object with the status that confirms it.
func (r *rig) conclude(call Send, status marketo.Status) {
	r.t.Helper()
	r.step(Answered{Call: call.Call, Reply: marketo.Reply{Results: []marketo.Result{{Status: status, Outcome: marketo.Confirmed}}}})
}

// wantCompleted answers the question for the row of key 1, and checks that its
// rest is sent and that only then the change is settled.
func (r *rig) wantCompleted(end LSN) {
	r.t.Helper()
	r.pass(time.Second)
	if r.confirmed >= end {
		r.t.Error("settled before the object is whole")
	}
	if len(r.reads) != 1 {
		r.t.Fatalf("%d rows are read, want 1", len(r.reads))
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "b", "n")})
	r.pass(DefaultConfig().UnknownHold)
	calls := r.take(1)
	r.want(calls, "UPSERT[1,b,n]")
	r.conclude(calls[0], marketo.Updated)
	r.pass(time.Second)
	if r.confirmed != end || !slices.Contains(r.resolved(), part(marketo.Upsert, "1").Key) {
		r.t.Errorf("confirmed %s of %s, resolved %q", r.confirmed, end, r.resolved())
	}
}

// wantSettled checks that the change is settled, and that no row was read for it.
func (r *rig) wantSettled(end LSN) {
	r.t.Helper()
	r.pass(time.Second)
	if r.confirmed != end || len(r.reads) != 0 {
		r.t.Errorf("confirmed %s of %s, %d rows read", r.confirmed, end, len(r.reads))
	}
}

// The row is older than the slot: Marketo has no object of it, and an update
// that leaves a large value alone makes one without it.
func TestObjectMadeOfAPart(t *testing.T) {
	sent := func(t *testing.T) (*rig, LSN, Send) {
		r := newRig(t, nil)
		end := r.commit(part(marketo.Upsert, "1", "b"))
		r.pass(time.Second)
		calls := r.take(1)
		r.want(calls, "UPSERT[1,b,-]")
		return r, end, calls[0]
	}
	t.Run("created", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Created)
		r.wantCompleted(end)
	})
	t.Run("was there", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Updated)
		r.wantSettled(end)
		if len(r.lacking()) != 0 {
			t.Errorf("lacking %q, want none", r.lacking())
		}
	})
	t.Run("row is gone meanwhile", func(t *testing.T) {
		r, end, call := sent(t)
		r.conclude(call, marketo.Created)
		r.step(RowRead{Read: r.reads[0].Read})
		r.pass(time.Second)
		r.take(0)
		if r.confirmed != end {
			t.Errorf("confirmed %s of %s", r.confirmed, end)
		}
	})
	for _, class := range []marketo.FaultClass{marketo.FaultUnknown, marketo.FaultRetry} {
		t.Run("perhaps created, "+class.String(), func(t *testing.T) {
			r, end, call := sent(t)
			r.fail(call, class)
			r.pass(r.m.cfg.UnknownHold)
			calls := r.take(1)
			r.want(calls, "UPSERT[1,b,-]")
			r.conclude(calls[0], marketo.Updated)
			r.wantCompleted(end)
		})
	}
	t.Run("perhaps created, no status", func(t *testing.T) {
		r, end, call := sent(t)
		r.answer(call, marketo.Unknown)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantCompleted(end)
	})
	t.Run("not executed", func(t *testing.T) {
		r, end, call := sent(t)
		r.fail(call, marketo.FaultRate)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantSettled(end)
	})
	t.Run("an update makes none", func(t *testing.T) {
		r := newRig(t, nil)
		end := r.commit(part(marketo.Update, "1", "b"))
		r.pass(time.Second)
		r.fail(r.take(1)[0], marketo.FaultUnknown)
		r.pass(time.Minute)
		r.conclude(r.take(1)[0], marketo.Updated)
		r.wantSettled(end)
	})
}

// An earlier life has sent the part: what came of it, it alone knew.
func TestObjectPerhapsMadeOfAPartByAnEarlierLife(t *testing.T) {
	key := part(marketo.Upsert, "1").Key
	for name, state := range map[string]checkpoint.State{
		"in flight":       {SameBoot: true, InFlight: []checkpoint.Call{{ID: 1, Keys: []string{key}}}},
		"known to lack":   {SameBoot: true, Lacking: []string{key}},
		"power was lost":  {},
		"call of unknown": {SameBoot: true, InFlight: []checkpoint.Call{{ID: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			state.Checkpoint = &checkpoint.Checkpoint{LSN: 4000}
			r := restartRig(t, state, nil)
			r.lsn = 5000
			r.wantCompleted(r.commit(part(marketo.Upsert, "1", "b")))
		})
	}
}

// What was refused under another spelling of a key stays missing there, also where
// Marketo has what the row is spelled as by now.
func TestPartOfARowWhoseParkedObjectIsSpelledOtherwise(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("ab", "a", "n"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Reject)
	r.commit(removalWrite("ab", true))
	r.tellRow(upsert("AB", "b", "n"))
	r.pass(time.Second)
	calls := r.take(1)
	r.want(calls, "UPSERT[AB,b,n]")
	r.answer(calls[0])
	r.pass(time.Second)
	key := upsert("ab").Key
	if lacking := r.lacking(); !slices.Contains(lacking, key) || r.m.Report(r.now).Parked != 0 {
		t.Errorf("lacking %q, %d parked, want the old spelling lacking and none parked", lacking, r.m.Report(r.now).Parked)
	}
	r.commit(part(marketo.Upsert, "ab", "c"))
	if len(r.reads) != 1 {
		t.Fatalf("%d rows are read, want that of the part", len(r.reads))
	}
	r.tellRow(upsert("ab", "c", "n"))
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[ab,c,n]")
}

// What was refused stays missing where the row is not sent again, as it does not
// match any more, or several rows hold the key of what was to be removed.
func TestPartOfARowWhoseParkedObjectWasNotSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		write mapping.Write
		row   RowRead
	}{
		"does not match": {upsert("1", "a", "n"), RowRead{State: RowDiffers}},
		"is not alone":   {write(marketo.Delete, "1"), RowRead{State: RowShared, Write: upsert("1", "a", "n")}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.commit(c.write)
			r.pass(time.Second)
			r.answer(r.take(1)[0], marketo.Reject)
			r.step(Act{Keys: []string{c.write.Key}, Reply: make(chan Acted, 1)})
			c.row.Read = r.reads[0].Read
			r.step(c.row)
			r.reads = nil
			r.pass(time.Second)
			if r.take(0); r.m.Report(r.now).Parked != 0 {
				t.Fatal("it is still parked")
			}
			r.wantCompleted(r.commit(part(marketo.Upsert, "1", "b")))
		})
	}
}

// An entry that is moved to another spelling, of which something was missing before,
// can be ended: what ends it does not take it for known.
func TestMovedEntryCanBeEnded(t *testing.T) {
	r := newRig(t, nil)
	r.commit(write(marketo.Delete, "ab"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Reject)
	row := upsert("AB", "a", "n")
	r.m.noteIncomplete(row.Key)
	r.step(Act{Keys: []string{upsert("ab").Key}, Reply: make(chan Acted, 1)})
	r.tellRow(row)
	r.saves = nil
	r.m.unparked(row.Key)
	if r.pass(time.Second); !slices.Contains(r.lacking(), row.Key) {
		t.Errorf("lacking %q, want the key: its entry would stay in the store", r.lacking())
	}
}

// A store takes what is resolved first, then what is lacking: whatever came last
// counts, also when a save has to be made again.
func TestWhatWasSaidLastOfAnObjectIsSaved(t *testing.T) {
	const key = "\x00ab\x00"
	note, resolve := (*Machine).noteIncomplete, (*Machine).resolve
	fail := func(m *Machine, _ string) { m.Step(epoch, Saved{Err: errors.New("no space left on device")}) }
	save := func(m *Machine, _ string) { m.save(epoch) }
	for name, c := range map[string]struct {
		steps   []func(*Machine, string)
		lacking bool
	}{
		"lacking, then resolved":             {[]func(*Machine, string){note, resolve}, false},
		"resolved, then lacking":             {[]func(*Machine, string){note, resolve, note}, true},
		"lacking, a failed save, resolved":   {[]func(*Machine, string){note, save, resolve, fail}, false},
		"resolved, a failed save, lacking":   {[]func(*Machine, string){note, resolve, save, note, fail}, true},
		"lacking, resolved, a failed save":   {[]func(*Machine, string){note, resolve, save, fail}, false},
		"lacking again, resolved at the end": {[]func(*Machine, string){note, save, resolve, note, resolve, fail}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.holdSaves = true
			for _, step := range c.steps {
				step(r.m, key)
			}
			r.now, r.holdSaves = epoch.Add(time.Minute), false
			r.step(Tick{})
			last := r.saves[0]
			if got := slices.Contains(last.Lacking, key); got != c.lacking || !slices.Contains(last.Resolved, key) {
				t.Errorf("resolved %q, lacking %q, want it lacking: %v", last.Resolved, last.Lacking, c.lacking)
			}
		})
	}
}

// Rows may be large, and be wanted by the thousand: as many are asked for as
// memory has room for what comes.
func TestRowsAreReadAsMemoryAllows(t *testing.T) {
	const rows, size = 1000, 10_000
	r := newRig(t, func(c *Config) { c.MaxPendingBytes = 1 << 20 })
	var writes []mapping.Write
	for i := range rows {
		w := upsert(strconv.Itoa(i), "a")
		w.Reread = true
		writes = append(writes, w)
	}
	end := r.commit(writes...)
	answered, held, most := 0, 0, 0
	for round := 0; r.confirmed != end && round < 2*rows; round++ {
		if n := len(r.reads) - answered; n > readsAtOnce {
			t.Fatalf("%d rows are asked for at once", n)
		}
		for ; answered < len(r.reads); answered, held = answered+1, held+1 {
			w := upsert(strconv.Itoa(answered), "a", "large")
			w.Bytes = size
			r.step(RowRead{Read: r.reads[answered].Read, State: RowMatches, Write: w})
		}
		most = max(most, held)
		r.pass(time.Second)
		for _, call := range r.take(len(r.calls)) {
			held -= len(call.Batch.Objects)
			r.answer(call)
		}
	}
	if answered != rows || r.confirmed != end {
		t.Errorf("%d of %d rows were read, confirmed %s of %s", answered, rows, r.confirmed, end)
	}
	if allowed := 1<<20/2/size + readsAtOnce; most > allowed {
		t.Errorf("%d rows of %d bytes in memory, want at most %d", most, size, allowed)
	}
}

package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func digest(_ int, v marketo.Value) uint64 {
	return xxhash.Sum64String(v.Text)<<8 | uint64(v.Kind)<<1 | 1
}

// recordRig is a rig with a record of what was confirmed.
type recordRig struct {
	*rig
	record map[string]*checkpoint.Confirmed
	looked int
}

func newRecordRig(t *testing.T, change func(*Config)) *recordRig {
	r := &recordRig{record: map[string]*checkpoint.Confirmed{}}
	r.rig = newRig(t, func(c *Config) {
		c.Digest = digest
		if change != nil {
			change(c)
		}
	})
	r.rig.look = func(e Look) {
		r.looked++
		r.gather()
		r.step(Looked{Look: e.Look, Found: r.record[e.Key]})
	}
	return r
}

// gather takes over what was saved.
func (r *recordRig) gather() {
	for _, s := range r.saves {
		for _, key := range s.Forgotten {
			delete(r.record, key)
		}
		for _, c := range s.Confirmed {
			r.record[c.Key] = &c
		}
	}
	r.saves = nil
}

// deliver commits writes and has them confirmed. It returns what was sent.
func (r *recordRig) deliver(writes ...mapping.Write) string {
	r.t.Helper()
	end := r.commit(writes...)
	r.pass(2 * time.Second)
	calls := r.calls
	r.calls = nil
	sent := text(calls)
	for _, call := range calls {
		r.answer(call)
	}
	r.pass(2 * time.Second)
	if r.confirmed != end {
		r.t.Fatalf("%s is acknowledged, want %s", r.confirmed, end)
	}
	r.gather()
	return sent
}

func TestUnchangedObjectCostsNoCall(t *testing.T) {
	r := newRecordRig(t, nil)
	row := upsert("1", "Bonn", "x")
	if got := r.deliver(row); got == "" {
		t.Fatal("nothing is sent of a new object")
	}
	if got := r.deliver(row); got != "" {
		t.Errorf("sent %s although nothing has changed", got)
	}
	if n := r.m.Balance(0).Unchanged; n != 1 {
		t.Errorf("%d objects are counted as unchanged, want 1", n)
	}
	part := upsert("1", "Bonn", "-")
	part.Partial = true
	if got := r.deliver(part); got != "" {
		t.Errorf("sent %s although no attribute of it has changed", got)
	}
	if got := r.deliver(upsert("1", "Köln", "x")); got != "UPSERT[1,Köln,x]" {
		t.Errorf("sent %q of a change", got)
	}
	// There and back before it is sent is no change.
	r.commit(upsert("1", "Berlin", "x"))
	if got := r.deliver(upsert("1", "Köln", "x")); got != "" {
		t.Errorf("sent %s although it came back to what Marketo has", got)
	}
}

func TestPartIsRememberedWithTheRest(t *testing.T) {
	r := newRecordRig(t, nil)
	r.deliver(upsert("1", "Bonn", "x"))
	part := upsert("1", "Köln", "-")
	part.Partial = true
	r.deliver(part)
	if got := r.deliver(upsert("1", "Köln", "x")); got != "" {
		t.Errorf("sent %s although Marketo has all of it", got)
	}
}

// TestUnknownIsNotSuppressed: what is not sure is sent.
func TestUnknownIsNotSuppressed(t *testing.T) {
	row := upsert("1", "Bonn", "x")
	for name, doubt := range map[string]func(*recordRig){
		"deleted": func(r *recordRig) {
			gone := write(marketo.Delete, "1")
			gone.Removal = true
			r.deliver(gone)
		},
		"parked and given up": func(r *recordRig) {
			r.commit(upsert("1", "Köln", "y"))
			r.pass(2 * time.Second)
			r.answer(r.take(1)[0], marketo.Reject)
			r.pass(2 * time.Second)
			reply := make(chan Acted, 1)
			r.step(Act{Keys: []string{row.Key}, Discard: true, Reply: reply})
			r.pass(2 * time.Second)
		},
		"an attempt without a status": func(r *recordRig) {
			r.commit(upsert("1", "Köln", "y"))
			r.pass(2 * time.Second)
			r.answer(r.take(1)[0], marketo.Unknown)
		},
		"a call of unknown outcome": func(r *recordRig) {
			r.commit(upsert("1", "Köln", "y"))
			r.pass(2 * time.Second)
			r.fail(r.take(1)[0], marketo.FaultUnknown)
		},
		"another shape": func(r *recordRig) { r.m.states[0].shape++ },
		"another spelling": func(r *recordRig) {
			r.record[mapping.Fold(row.Key)].Digests[0]++
		},
		"nothing remembered": func(r *recordRig) { clear(r.record) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecordRig(t, nil)
			r.deliver(row)
			doubt(r)
			r.commit(row)
			for range 20 {
				r.pass(20 * time.Second)
			}
			if len(r.calls) == 0 {
				t.Error("nothing is sent")
			}
		})
	}
}

// tellRow has every row that is asked for be as w is.
func (r *rig) tellRow(w mapping.Write) {
	r.t.Helper()
	for len(r.reads) > 0 {
		read := r.reads[0]
		r.reads = r.reads[1:]
		r.step(RowRead{Read: read.Read, State: RowMatches, Write: w})
	}
}

// An object that is tried again, and that Marketo has by then, leaves nothing to be
// kept: its entry was resolved by what went before it.
func TestUnchangedRetryIsReleased(t *testing.T) {
	r := newRecordRig(t, nil)
	row := upsert("ab", "Bonn", "x")
	r.commit(row)
	r.pass(2 * time.Second)
	r.answer(r.take(1)[0], marketo.Reject)
	r.commit(removalWrite("AB", true))
	r.step(Act{Keys: []string{row.Key}, Reply: make(chan Acted, 1)})
	r.tellRow(row)
	r.pass(2 * time.Second)
	r.answer(r.take(1)[0])
	r.pass(time.Hour)
	if len(r.reads) != 1 || r.m.Report(r.now).Parked != 0 {
		t.Fatalf("%d rows are asked for, %d objects are parked; the test needs a retry that follows what resolves it", len(r.reads), r.m.Report(r.now).Parked)
	}
	r.tellRow(row)
	r.take(0)
	if r.pass(endTime); r.m.Balance(0).Unchanged != 1 || r.m.memory.items != 0 {
		t.Errorf("%d objects are unchanged, %d are kept in memory, want 1 and none", r.m.Balance(0).Unchanged, r.m.memory.items)
	}
}

// Rows of a backfill that Marketo has are not released one by one.
func TestUnchangedRowsShareASave(t *testing.T) {
	r := newRecordRig(t, nil)
	for _, row := range rows(0, 30) {
		r.deliver(row)
	}
	r.pass(time.Hour)
	saves := 0
	known := r.rig.look
	r.rig.look = func(e Look) {
		saves += len(r.saves)
		known(e)
	}
	r.m.ledger.savedAt, r.m.ledger.syncedAt = r.now, r.now
	r.offer(1, "1", rows(0, 30)...)
	if saves += len(r.saves); saves != 1 || !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("%d saves for 30 rows, tickets %v, want one save of the ticket", saves, r.settled)
	}
}

// TestForcedRowsAreSent: whatever is remembered.
func TestForcedRowsAreSent(t *testing.T) {
	r := newRecordRig(t, nil)
	r.deliver(upsert("1", "Bonn", "x"))
	r.offer(1, "1", upsert("1", "Bonn", "x"))
	r.pass(2 * time.Second)
	r.take(0)
	r.step(&Offered{Ticket: 2, Feed: "backfill:1", Writes: []mapping.Write{upsert("1", "Bonn", "x")}, Force: true, Last: true})
	r.pass(2 * time.Second)
	r.take(1)
}

// TestRowThatMarketoHasHoldsNothingUp: what is settled without anything to be kept is
// over soon, although the rest of its ticket waits.
func TestRowThatMarketoHasHoldsNothingUp(t *testing.T) {
	r := newRecordRig(t, nil)
	r.deliver(upsert("1", "Bonn", "x"))
	r.pass(time.Second)
	r.step(&Offered{Ticket: 1, Feed: "backfill:1", Writes: []mapping.Write{upsert("1", "Bonn", "x"), upsert("2", "Bonn", "x")}})
	r.commit(upsert("1", "Köln", "x"))
	r.pass(r.m.cfg.MaxWait + endTime)
	calls := r.take(1)
	if got := text(calls); got != "UPSERT[1,Köln,x 2,Bonn,x]" {
		t.Errorf("sent %s", got)
	}
	r.answer(calls[0])
	if r.pass(time.Second); r.m.memory.items != 0 || !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("%d objects in memory, tickets %v, want none and 1", r.m.memory.items, r.settled)
	}
}

// TestRowsThatMarketoHasAreInMemoryUntilTheyAreSaved: a backfill does not go on while a
// save takes its time, or what it hands in would fill memory.
func TestRowsThatMarketoHasAreInMemoryUntilTheyAreSaved(t *testing.T) {
	r := newRecordRig(t, func(c *Config) { c.MaxPending = 12 })
	r.deliver(rows(0, 3)...)
	r.pass(time.Second)
	r.gather()
	credits := r.m.Credits()
	r.holdSaves = true
	r.offer(1, "1", rows(0, 3)...)
	if got := r.m.Credits(); got != 0 || r.m.feeds.bytes == 0 {
		t.Errorf("%d more writes are taken, beside %d bytes, while %d objects wait for a save", got, r.m.feeds.bytes, r.m.memory.items)
	}
	r.holdSaves = false
	r.step(Saved{})
	r.pass(time.Second)
	if got := r.m.Credits(); got != credits || r.m.feeds.bytes != 0 || r.m.feeds.writes != 0 {
		t.Errorf("%d writes are taken, beside %d of %d bytes, want %d once all is saved", got, r.m.feeds.writes, r.m.feeds.bytes, credits)
	}
}

// TestNothingIsLookedUpInVain: only what may be settled without a call.
func TestNothingIsLookedUpInVain(t *testing.T) {
	r := newRecordRig(t, nil)
	gone := write(marketo.Delete, "1")
	gone.Removal = true
	r.deliver(gone)
	r.deliver(write(marketo.Insert, "2", "Bonn", "x"))
	if r.looked != 0 {
		t.Errorf("%d looks, want none for a deletion and an insert", r.looked)
	}
	without := newRig(t, nil)
	without.commit(upsert("1"))
	without.pass(2 * time.Second)
	without.take(1)
}

// A call of the last life may have written the object of another spelling of its key,
// which Marketo may take for the same.
func TestCallOfTheLastLifeIsNotRemembered(t *testing.T) {
	r := newRecordRig(t, nil)
	r.deliver(upsert("Ab", "Bonn", "x"))
	state := checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, InFlight: []checkpoint.Call{{ID: 1<<40 | 1, Keys: []string{upsert("aB").Key}}}}
	again := newRecordRig(t, nil)
	again.m = New(again.m.cfg, state, epoch)
	again.record = r.record
	again.commit(upsert("Ab", "Bonn", "x"))
	again.pass(5 * time.Minute)
	again.want(again.take(1), "UPSERT[Ab,Bonn,x]")
}

package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func removalWrite(id string, ask bool) mapping.Write {
	w := write(marketo.Delete, id)
	w.Removal, w.Ask = true, ask
	return w
}

// Objects whose rows have been read share calls, however long that took: the
// answers come one after the other.
func TestObjectsWhoseRowsWereReadShareCalls(t *testing.T) {
	r := newRig(t, nil)
	var writes []mapping.Write
	for i := range 30 {
		writes = append(writes, removalWrite(fmt.Sprint(i), true))
	}
	end := r.commit(writes...)
	r.pass(time.Minute)
	sent := 0
	for _, read := range r.reads {
		r.step(RowRead{Read: read.Read, State: RowGone})
		calls := r.calls
		r.calls = nil
		for _, call := range calls {
			sent++
			r.answer(call)
		}
	}
	if sent != 10 {
		t.Errorf("%d calls for 30 objects, want 10 of 3", sent)
	}
	r.pass(time.Second)
	if r.confirmed != end {
		t.Errorf("confirmed %s of %s", r.confirmed, end)
	}
}

// One that waits for others to be read does so for MaxWait, and no longer.
func TestObjectsWhoseRowsWereReadWaitForOthersOnce(t *testing.T) {
	r := newRig(t, nil)
	r.commit(removalWrite("1", true), removalWrite("2", true))
	r.pass(time.Minute)
	r.step(RowRead{Read: r.reads[0].Read, State: RowGone})
	r.take(0)
	r.pass(time.Second)
	r.take(1)
	r.step(RowRead{Read: r.reads[1].Read, State: RowGone})
	r.pass(10 * time.Millisecond)
	r.take(1) // nobody is left to wait for
}

// Removals that were superseded are not remembered until the end of a
// transaction: it may have millions.
func TestSupersededRemovalsAreForgotten(t *testing.T) {
	r := newRig(t, nil)
	r.begin()
	most := 0
	for i := range 10_000 {
		id := fmt.Sprint(i)
		r.step(&Received{Entries: []Entry{
			{Kind: EntryWrite, Seq: uint64(2*i + 1), Write: removalWrite(id, false)},
			{Kind: EntryWrite, Seq: uint64(2*i + 2), Write: upsert(id, "a")},
		}})
		for _, call := range r.calls {
			r.calls = nil
			r.answer(call)
		}
		most = max(most, len(r.m.removals.waiting))
	}
	if most > 1000 {
		t.Errorf("%d removals are remembered, of at most %d objects in memory", most, 10)
	}
}

// As long as no row holds the keys that are asked for, more of them are asked for
// at once; rows that are there may be large.
func TestManyKeysAreAskedForAtOnceWhileNoRowHoldsThem(t *testing.T) {
	r := newRig(t, nil)
	var writes []mapping.Write
	for i := range 20_000 {
		writes = append(writes, removalWrite(fmt.Sprint(i), true))
	}
	r.commit(writes...)
	answered := 0
	answer := func(n int, row RowRead) (outstanding int) {
		for range n {
			row.Read = r.reads[answered].Read
			answered++
			r.step(row)
		}
		return len(r.reads) - answered
	}
	if n := len(r.reads); n != readsAtOnce {
		t.Errorf("%d keys are asked for at first, want %d", n, readsAtOnce)
	}
	if n := answer(5000, RowRead{State: RowGone}); n != asksAtOnce {
		t.Errorf("%d keys are asked for when none is held, want %d", n, asksAtOnce)
	}
	if n := answer(asksAtOnce, RowRead{State: RowMatches, Write: upsert("1", "a")}); n > readsAtOnce {
		t.Errorf("%d keys are asked for when all are held, want at most %d", n, readsAtOnce)
	}
}

package pipeline

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// What lacks values of other tables holds back what comes behind it, and nothing
// before it; how far the machine has the stream is known meanwhile.
func TestEntriesWaitForTheirLookups(t *testing.T) {
	out := make(chan entryBuffer, 10)
	c := &completing{out: out, passed: 90}
	lacks := []mapping.Sought{{Values: []string{"7"}}}
	write := func(seq uint64, sought []mapping.Sought) delivery.Entry {
		return delivery.Entry{Kind: delivery.EntryWrite, Seq: seq, Write: mapping.Write{Sought: sought}}
	}
	first := entryBuffer{entries: []delivery.Entry{
		{Kind: delivery.EntryBegin, LSN: 100, XID: 8}, write(1, nil), {Kind: delivery.EntryCommit, LSN: 110},
		{Kind: delivery.EntryBegin, LSN: 120, XID: 9}, write(1, lacks), write(2, nil), write(3, lacks), {Kind: delivery.EntryCommit, LSN: 130},
	}}
	rows := entryBuffer{offered: &delivery.Offered{Ticket: 5, Writes: []mapping.Write{{}, {Sought: lacks}}}}
	last := entryBuffer{entries: []delivery.Entry{{Kind: delivery.EntryMark, LSN: 140}}}
	r := round{buffers: []entryBuffer{first, rows, last}}
	for _, b := range r.buffers {
		c.take(&r, b)
	}
	if len(r.writes) != 3 || len(r.xids) != 1 || r.xids[0] != 9 || !c.holds() || c.received(200) != 90 {
		t.Fatalf("%d writes of %v lack something, received %s", len(r.writes), r.xids, c.received(200))
	}
	var got []delivery.Entry
	for step, want := range []struct {
		entries  int
		offered  bool
		received delivery.LSN
	}{{4, false, 110}, {6, false, 110}, {8, false, 130}, {9, true, 200}} {
		if step > 0 {
			r.writes[0].Sought = nil
			r.writes = r.writes[1:]
		}
		if !c.pass(t.Context(), &r) {
			t.Fatal("life has ended")
		}
		offered := false
		for len(out) > 0 {
			b := <-out
			offered = offered || b.offered != nil
			got = append(got, b.entries...)
			b.recycle()
		}
		if len(got) != want.entries || offered != want.offered || c.received(200) != want.received {
			t.Errorf("step %d: %d entries, offered %v, received %s; want %+v", step, len(got), offered, c.received(200), want)
		}
	}
	for i, kind := range []delivery.EntryKind{delivery.EntryBegin, delivery.EntryWrite, delivery.EntryCommit, delivery.EntryBegin,
		delivery.EntryWrite, delivery.EntryWrite, delivery.EntryWrite, delivery.EntryCommit, delivery.EntryMark} {
		if got[i].Kind != kind {
			t.Errorf("entry %d is of kind %d, want %d", i, got[i].Kind, kind)
		}
	}
	if c.holds() || len(r.buffers) != 0 {
		t.Errorf("%d buffers are held", len(r.buffers))
	}
}

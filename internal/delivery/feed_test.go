package delivery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// offer hands rows of a backfill in.
func (r *rig) offer(ticket uint64, cursor string, writes ...mapping.Write) {
	r.t.Helper()
	r.step(&Offered{Ticket: ticket, Feed: "backfill:1", Cursor: cursor, Writes: writes, Last: true})
}

func rows(from, n int) []mapping.Write {
	var all []mapping.Write
	for i := range n {
		all = append(all, upsert(fmt.Sprint("r", from+i), "Bonn", "x"))
	}
	return all
}

// saved gathers what all saves have of feeds.
func (r *rig) saved() (cursors []checkpoint.Cursor, refused []checkpoint.Refused, unrefused []checkpoint.RefusedKey) {
	for _, s := range r.saves {
		cursors = append(cursors, s.Cursors...)
		refused = append(refused, s.Refused...)
		unrefused = append(unrefused, s.Unrefused...)
	}
	return cursors, refused, unrefused
}

func TestTicketIsSettledWithItsRows(t *testing.T) {
	r := newRig(t, nil)
	r.offer(7, `"r2"`, rows(0, 3)...)
	call := r.take(1)[0]
	if cursors, _, _ := r.saved(); len(cursors) != 0 || len(r.settled) != 0 {
		t.Fatalf("cursors %v, tickets %v before the rows are confirmed", cursors, r.settled)
	}
	r.holdSaves = true
	r.answer(call)
	cursors, _, _ := r.saved()
	if want := (checkpoint.Cursor{Feed: "backfill:1", Value: `"r2"`}); len(cursors) != 1 || cursors[0] != want {
		t.Fatalf("cursors %v, want %v", cursors, want)
	}
	if len(r.settled) != 0 {
		t.Fatal("a ticket is settled before its cursor is saved")
	}
	r.step(Saved{})
	if !slices.Equal(r.settled, []uint64{7}) {
		t.Errorf("tickets %v, want 7", r.settled)
	}
}

// TestTicketsOfAFeedEndInOrder: a cursor stands for all rows before it.
func TestTicketsOfAFeedEndInOrder(t *testing.T) {
	r := newRig(t, func(c *Config) { c.BackfillShare = 1 })
	r.offer(1, "1", rows(0, 3)...)
	r.offer(2, "2", rows(3, 3)...)
	r.step(&Offered{Ticket: 3, Feed: "backfill:2", Cursor: "other", Last: true})
	r.pass(10 * time.Millisecond)
	calls := r.take(2)
	r.answer(calls[1])
	if !slices.Equal(r.settled, []uint64{3}) {
		t.Errorf("tickets %v, want the one of the other feed only, which had nothing to settle", r.settled)
	}
	r.answer(calls[0])
	r.pass(10 * time.Millisecond)
	if !slices.Equal(r.settled, []uint64{3, 1, 2}) {
		t.Errorf("tickets %v, want 3, 1, 2", r.settled)
	}
}

// TestFailedSaveKeepsCursors: what could not be saved is saved later, whole.
func TestFailedSaveKeepsCursors(t *testing.T) {
	r := newRig(t, nil)
	r.offer(1, "1", rows(0, 3)...)
	call := r.take(1)[0]
	r.holdSaves = true
	r.answer(call)
	r.step(Saved{Err: fmt.Errorf("no space")})
	if len(r.settled) != 0 {
		t.Fatal("a ticket is settled although its save failed")
	}
	r.holdSaves, r.saves = false, nil
	r.pass(time.Minute)
	if cursors, _, _ := r.saved(); len(cursors) != 1 || !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("cursors %v, tickets %v, want one of each", cursors, r.settled)
	}
}

// TestRowsMergeWithChanges: what waits for the same key is one object, and both
// settle with it.
func TestRowsMergeWithChanges(t *testing.T) {
	t.Run("a change joins a row", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = 10 })
		r.offer(1, "1", upsert("1", "Bonn", "old"))
		part := upsert("1", "Köln", "-")
		part.Partial = true
		end := r.commit(part)
		r.pass(2 * time.Second)
		call := r.take(1)[0]
		if got := text([]Send{call}); got != "UPSERT[1,Köln,old]" {
			t.Errorf("sent %s", got)
		}
		r.answer(call, marketo.Confirmed)
		r.pass(time.Second)
		if r.confirmed != end || !slices.Equal(r.settled, []uint64{1}) {
			t.Errorf("confirmed %s, tickets %v", r.confirmed, r.settled)
		}
	})
	t.Run("a row joins a change", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = 10 })
		end := r.commit(upsert("1", "Köln", "new"))
		r.offer(1, "1", upsert("1", "Köln", "new"))
		r.pass(2 * time.Second)
		r.answer(r.take(1)[0])
		r.pass(time.Second)
		if r.confirmed != end || !slices.Equal(r.settled, []uint64{1}) {
			t.Errorf("confirmed %s, tickets %v", r.confirmed, r.settled)
		}
	})
	t.Run("a deletion takes the place of a row", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = 10 })
		r.offer(1, "1", upsert("1", "Bonn", "old"))
		gone := write(marketo.Delete, "1")
		gone.Removal = true
		r.commit(gone)
		r.pass(2 * time.Second)
		call := r.take(1)[0]
		if call.Batch.Operation != marketo.Delete {
			t.Errorf("sent %s", text([]Send{call}))
		}
		r.answer(call)
		r.pass(time.Second)
		if !slices.Equal(r.settled, []uint64{1}) {
			t.Errorf("tickets %v", r.settled)
		}
	})
}

// TestRowIsNotSentAfterANewerOne: a row that was read by itself has what changes
// to come have, and takes their place; an older row must not follow it.
func TestRowIsNotSentAfterANewerOne(t *testing.T) {
	r := newRig(t, nil)
	again := upsert("1", "Bonn", "-")
	again.Reread = true
	r.commit(again)
	read := r.reads[0]
	// The row has a change that the stream has still to bring, at 2000.
	seen := &pgoutput.Transactions{Xmin: 10, Xmax: 10, Flushed: 5000}
	r.step(RowRead{Read: read.Read, State: RowMatches, Write: upsert("1", "Köln", "newest"), Seen: seen})
	r.pass(2 * time.Second)
	r.answer(r.take(1)[0])
	r.offer(1, "1", upsert("1", "Bonn", "older"))
	r.pass(2 * time.Second)
	r.take(0)
	if !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("tickets %v, want 1", r.settled)
	}
}

// TestRefusedRowsAreKept: as key and code, apart from the parked ones, which they
// take no room of.
func TestRefusedRowsAreKept(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxParked = 1 })
	bad := upsert("r9")
	bad.Problem = &mapping.Problem{Code: "value", Message: "no number"}
	r.offer(1, "1", append(rows(0, 3), bad)...)
	call := r.take(1)[0]
	r.answer(call, marketo.Reject, marketo.Wait, marketo.Confirmed)
	r.pass(time.Second)
	_, refused, _ := r.saved()
	if len(refused) != 3 || r.m.Report(r.now).Parked != 0 {
		t.Fatalf("refused %v, parked %d", refused, r.m.Report(r.now).Parked)
	}
	for _, f := range refused {
		if f.Feed != "backfill:1" || f.Waits != !f.Next.IsZero() || f.At.IsZero() {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("tickets %v", r.settled)
	}
	if b := r.m.Balance(0); b.Refused != 3 || b.Offered != 4 {
		t.Errorf("balance %+v", b)
	}
	// Sent again, what is taken is refused no more.
	r.saves = nil
	r.step(&Offered{Ticket: 2, Feed: "backfill:1", Writes: rows(0, 2), Refused: refusedIn("backfill:1"), Last: true})
	r.pass(2 * time.Second)
	r.answer(r.take(1)[0], marketo.Reject, marketo.Confirmed)
	r.pass(time.Second)
	if _, refused, unrefused := r.saved(); len(refused) != 1 || len(unrefused) != 1 || unrefused[0].Key != upsert("r1").Key {
		t.Errorf("refused %v, unrefused %v", refused, unrefused)
	}
	// Another backfill that sends them has the word about them, whatever comes out.
	r.saves = nil
	r.step(&Offered{Ticket: 3, Feed: "backfill:2", Writes: rows(0, 2), Refused: refusedIn("backfill:1"), Last: true})
	r.pass(2 * time.Second)
	r.answer(r.take(1)[0], marketo.Reject, marketo.Confirmed)
	r.pass(time.Second)
	if _, refused, unrefused := r.saved(); len(refused) != 1 || refused[0].Feed != "backfill:2" || len(unrefused) != 2 || unrefused[0].Feed != "backfill:1" {
		t.Errorf("by another backfill: refused %v, unrefused %v", refused, unrefused)
	}
}

// refusedIn has two rows refused before in a feed.
func refusedIn(feed string) map[string][]string {
	return map[string][]string{upsert("r0").Key: {feed}, upsert("r1").Key: {feed}}
}

// TestBackfillPausesWhenAllIsRefused: a mapping that Marketo does not take must not
// make a million refused rows. Live changes go on.
func TestBackfillPausesWhenAllIsRefused(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 20; c.BackfillShare = 1 })
	for i := range 10 {
		r.offer(uint64(i+1), fmt.Sprint(i), rows(20*i, 20)...)
	}
	for range 100 {
		calls := r.calls
		r.calls = nil
		if len(calls) == 0 {
			break
		}
		for _, call := range calls {
			r.answer(call, slices.Repeat([]marketo.Outcome{marketo.Reject}, len(call.Batch.Objects))...)
		}
	}
	if len(r.refused) != 1 || r.refused[0].Feed != "backfill:1" {
		t.Fatalf("told %v, want one backfill that is refused", r.refused)
	}
	if _, refused, _ := r.saved(); len(refused) < 50 || len(refused) >= 200 {
		t.Errorf("%d rows are refused, want some of 200", len(refused))
	}
	end := r.commit(upsert("1", "Bonn", "x"))
	r.pass(2 * time.Second)
	call := r.take(1)[0]
	if len(call.Batch.Objects) != 1 {
		t.Errorf("a live call carries %d objects, want that of the stream only", len(call.Batch.Objects))
	}
	r.answer(call)
	r.pass(time.Second)
	if r.confirmed != end {
		t.Errorf("confirmed %s, want %s", r.confirmed, end)
	}
	r.step(Pause{Mapping: 0, Backfill: true})
	r.pass(2 * time.Second)
	if len(r.calls) == 0 {
		t.Error("nothing is sent after it was resumed")
	}
}

// TestRowsRideAlong: where a live call has room, rows of a backfill fill it.
func TestRowsRideAlong(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 4 })
	r.step(&Offered{Ticket: 1, Feed: "backfill:1", Writes: rows(0, 3)})
	r.commit(upsert("1", "Bonn", "x"))
	r.pass(1100 * time.Millisecond)
	if got := text(r.take(1)); got != "UPSERT[1,Bonn,x r0,Bonn,x r1,Bonn,x r2,Bonn,x]" {
		t.Errorf("sent %s", got)
	}
}

// TestStopDoesNotWaitForABackfill: its rows are handed in again by the next life.
func TestStopDoesNotWaitForABackfill(t *testing.T) {
	r := newRig(t, nil)
	r.step(&Offered{Ticket: 1, Feed: "backfill:1", Writes: rows(0, 2)})
	r.step(Stop{SendUntil: r.now.Add(time.Minute)})
	r.take(0)
	if r.finished == nil || r.finished.Left != 0 {
		t.Errorf("finished %v, want at once with nothing left", r.finished)
	}
}

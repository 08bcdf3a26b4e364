package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// What is known of rows that were read is bounded, and ends when the stream has
// brought all that they may cover.
func TestRowsReadAreBounded(t *testing.T) {
	var rows rowsRead
	seen := &pgoutput.Transactions{Flushed: 1000}
	const notes = 5 * mostRows
	for i := range uint64(notes) {
		rows.note(i, rowSeen{seen: seen})
	}
	if n := len(rows.newest) + len(rows.before); n > 2*mostRows {
		t.Errorf("%d rows are known, want at most %d", n, 2*mostRows)
	}
	for i := range uint64(mostRows) {
		if _, ok := rows.find(notes - 1 - i); !ok {
			t.Fatalf("of the newest rows number %d is not known", i)
		}
	}
	rows.passed(999)
	if _, ok := rows.find(notes - 1); !ok {
		t.Error("forgotten before the stream has come to what it may cover")
	}
	rows.passed(1000)
	if _, ok := rows.find(notes - 1); ok {
		t.Error("known although the stream has passed all that it may cover")
	}
}

// A row that leaves nothing out covers what its snapshot sees, as far as that was
// on disk, of the same history of the server. Anything else is sent, and all that follows.
func TestWhatARowDoesNotCover(t *testing.T) {
	for name, entry := range map[string]Entry{
		"covered":              {XID: 9, Timeline: 2, LSN: 1500},
		"left out by the row":  {XID: 9, Timeline: 2, LSN: 1500},
		"not seen":             {XID: 10, Timeline: 2, LSN: 1500},
		"not on disk":          {XID: 9, Timeline: 2, LSN: 2000},
		"of another timeline":  {XID: 9, Timeline: 3, LSN: 1500},
		"of an unknown number": {Timeline: 2, LSN: 1500},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			commit := func(begin Entry, note string, reread bool) {
				w := upsert("1", "-", note)
				w.Reread = reread
				begin.Kind = EntryBegin
				r.step(&Received{Entries: []Entry{begin, {Kind: EntryWrite, Seq: 1, Write: w}, {Kind: EntryCommit, LSN: begin.LSN + 10}}})
				r.pass(2 * time.Second)
			}
			row, rowText := upsert("1", "town", "last"), "UPSERT[1,town,last]"
			if name == "left out by the row" {
				row, rowText = upsert("1", "-", "last"), "UPSERT[1,-,last]"
			}
			commit(Entry{XID: 8, Timeline: 2, LSN: 1400}, "first", true)
			r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: row,
				Seen: &pgoutput.Transactions{Xmin: 10, Xmax: 10, Flushed: 2000, Timeline: 2}})
			r.pass(2 * time.Second)
			call := r.take(1)[0]
			r.want([]Send{call}, rowText)
			commit(entry, "second", false)
			if want := LSN(1410); r.confirmed >= want {
				t.Errorf("acknowledged %s before the row is confirmed", r.confirmed)
			}
			r.conclude(call, marketo.Updated)
			r.pass(2 * time.Second)
			if name == "covered" {
				r.take(0)
				if want := entry.LSN + 10; r.confirmed != want {
					t.Errorf("acknowledged %s, want %s", r.confirmed, want)
				}
				return
			}
			r.want(r.take(1), "UPSERT[1,-,second]")
			if _, ok := r.m.reads.rows.find(r.m.keys.hash(KeyHash(upsert("1").Key))); ok {
				t.Error("the row is taken to cover what follows")
			}
		})
	}
}

// TestWhatRowsOfAnOperationDoNotCover: where rows only insert, an object is as
// its row was then; where they only update, a deletion leaves none to update; and
// where changes do not merge, each is sent.
func TestWhatRowsOfAnOperationDoNotCover(t *testing.T) {
	for _, test := range []struct {
		operation, change marketo.Operation
		separate, covered bool
	}{
		{marketo.Upsert, marketo.Upsert, false, true},
		{marketo.Upsert, marketo.Delete, false, true},
		{marketo.Insert, marketo.Insert, false, false},
		{marketo.Insert, marketo.Delete, false, false},
		{marketo.Update, marketo.Update, false, true},
		{marketo.Update, marketo.Delete, false, false},
		{marketo.Upsert, marketo.Upsert, true, false},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Mappings[0].Operation, c.Mappings[0].Separate = test.operation, test.separate })
			first := write(test.operation, "1", "-", "first")
			first.Reread = true
			commit := func(xid uint32, w mapping.Write) {
				at := LSN(1400 + 100*uint64(xid))
				r.step(&Received{Entries: []Entry{{Kind: EntryBegin, XID: xid, LSN: at}, {Kind: EntryWrite, Seq: 1, Write: w}, {Kind: EntryCommit, LSN: at + 10}}})
				r.pass(2 * time.Second)
			}
			commit(8, first)
			r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: write(test.operation, "1", "town", "last"), Seen: &pgoutput.Transactions{Xmin: 10, Xmax: 10, Flushed: 9000}})
			r.pass(2 * time.Second)
			r.conclude(r.take(1)[0], marketo.Updated)
			next := write(test.change, "1", "town", "second")
			next.Removal = test.change == marketo.Delete
			commit(9, next)
			if sent := len(r.calls) == 1; sent == test.covered {
				t.Errorf("it is sent: %v, although covered: %v", sent, test.covered)
			}
		})
	}
}

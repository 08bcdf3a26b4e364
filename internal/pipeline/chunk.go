package pipeline

import (
	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// chunk is a part of a table that waits for its mark.
type chunk struct {
	keys   []string
	writes []mapping.Write
	pieces []piece
	// window is the place of the follower that has the window it was read in.
	window int
	// mark is the name of its mark.
	mark string
	// ticket is that of the first piece; the next ones follow.
	ticket uint64
	feed   string
	// before is the cursor that holds while some of the first rows are to be read
	// again, after the one behind them.
	before, after backfill.Cursor
	// silent is set where no message marks its place.
	silent bool
	// again says that its rows are sent after the end of the backfill, as they were
	// refused; force that they are sent whatever Marketo has; last that none follow.
	again, force, last bool
	// refused is delivery.Offered's.
	refused map[string][]string
	// announced is how many objects the backfill may create in an hour.
	announced int
}

// piece is a part of a chunk with a cursor of its own: its writes end there.
type piece struct {
	end   int
	after backfill.Cursor
}

// endOf is where the last piece ends.
func endOf(pieces []piece) int {
	if len(pieces) == 0 {
		return 0
	}
	return pieces[len(pieces)-1].end
}

// behind is the cursor behind the pieces that end before a row.
func behind(pieces []piece, before backfill.Cursor, row int) backfill.Cursor {
	for _, p := range pieces {
		if p.end <= row {
			before = p.after
		}
	}
	return before
}

// handing is a chunk that is to be handed to the machine.
type handing struct {
	pieces  []handedPiece
	verdict backfill.Verdict
}

type handedPiece struct {
	offered *delivery.Offered
	cursor  backfill.Cursor
}

// hand makes what is handed to the machine of the rows that are kept. A cursor is
// never behind a row that is to be read again.
func (c *chunk) hand(v backfill.Verdict) *handing {
	h := &handing{verdict: v}
	again := len(c.writes)
	if len(v.Again) > 0 {
		again = v.Again[0]
	}
	cursor, from, kept := c.before, 0, v.Kept
	for i := range len(c.pieces) + 1 {
		end, after := len(c.writes), c.after
		if i < len(c.pieces) {
			end, after = c.pieces[i].end, c.pieces[i].after
		}
		if end <= again {
			cursor = after
		}
		n := 0
		for n < len(kept) && kept[n] < end {
			n++
		}
		last := i == len(c.pieces)
		if n > 0 || last {
			h.pieces = append(h.pieces, handedPiece{c.offer(uint64(i), cursor, c.kept(kept[:n], from, end), last && c.last && len(v.Again) == 0), cursor})
		}
		kept, from = kept[n:], end
	}
	return h
}

func (c *chunk) offer(at uint64, cursor backfill.Cursor, writes []mapping.Write, last bool) *delivery.Offered {
	o := &delivery.Offered{Ticket: c.ticket + at, Feed: c.feed, Writes: writes, Refused: c.refused, Force: c.force, Announced: c.announced, Last: last}
	if !c.again {
		o.Cursor = cursor.String()
	}
	return o
}

// kept are the writes at these places, all of them between from and end.
func (c *chunk) kept(places []int, from, end int) []mapping.Write {
	if len(places) == end-from {
		return c.writes[from:end]
	}
	writes := make([]mapping.Write, len(places))
	for i, at := range places {
		writes[i] = c.writes[at]
	}
	return writes
}

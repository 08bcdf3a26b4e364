package pgoutput

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// farAhead is how far beyond a snapshot's xmax a number cannot be one to come: a
// transaction that was streamed is a few ahead of what is visible, and no server
// has two billion numbers in use. It is an old one, of before the numbers came
// round.
const farAhead = 1 << 30

// Transactions are those that a snapshot sees.
type Transactions struct {
	// Xmin, Xmax and Running are as in PostgreSQL's pg_snapshot: all below Xmin
	// have ended, none from Xmax on has, and in between those that were Running
	// have not.
	Xmin, Xmax uint64
	Running    []uint64
	// Flushed is a position of the WAL, of the server's Timeline, that was on disk
	// when the snapshot had been taken. Both are zero where they are not known: on
	// a standby.
	Flushed  LSN
	Timeline int32
}

// ParseTransactions reads the text of a pg_snapshot, xmin:xmax:xip,xip.
func ParseTransactions(snapshot string) (t Transactions, err error) {
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return t, fmt.Errorf("snapshot %q is not of the form xmin:xmax:xip", snapshot)
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = append(numbers, strings.Split(parts[2], ",")...)
	}
	var all []uint64
	for _, text := range numbers {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return t, fmt.Errorf("snapshot %q: %w", snapshot, err)
		}
		all = append(all, n)
	}
	return Transactions{Xmin: all[0], Xmax: all[1], Running: all[2:]}, nil
}

// See reports whether a transaction that has committed is among them. The
// snapshot's numbers count epochs, xid does not: it is taken for one that is
// less than farAhead after Xmax, or else before it, however long ago. Zero
// stands for a transaction that everybody sees.
func (t *Transactions) See(xid uint32) bool {
	if xid == 0 {
		return true
	}
	ahead := xid - uint32(t.Xmax)
	if ahead < farAhead {
		return false
	}
	full := t.Xmax + uint64(ahead) - 1<<32
	if full < t.Xmin || full >= t.Xmax { // the latter: from before the first epoch
		return true
	}
	return !slices.Contains(t.Running, full)
}

// SeeStreamed reports whether a transaction of the stream is among them for
// certain: by its number, the start of its commit record, and the timeline of
// the stream. What a crash or the loss of a primary takes leaves its number to
// another transaction; so only what was on disk by then counts.
func (t *Transactions) SeeStreamed(xid uint32, commit LSN, timeline int32) bool {
	return t != nil && xid != 0 && commit < t.Flushed && timeline == t.Timeline && t.See(xid)
}

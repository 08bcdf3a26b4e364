package checkpoint

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// BackfillState is where a backfill is between being asked for and its end.
type BackfillState string

const (
	// BackfillWaiting: asked for, and not begun, or to go on when its turn comes.
	BackfillWaiting BackfillState = "waiting"
	BackfillRunning BackfillState = "running"
	// BackfillPaused: somebody wants it to stand until it is resumed.
	BackfillPaused BackfillState = "paused"
	// BackfillFailed: it cannot go on by itself; its Err says why.
	BackfillFailed BackfillState = "failed"
	// BackfillDone and BackfillCancelled are ends.
	BackfillDone      BackfillState = "done"
	BackfillCancelled BackfillState = "cancelled"
)

// moves has what may follow each state. Done needs a backfill that runs.
var moves = map[BackfillState][]BackfillState{
	BackfillWaiting: {BackfillRunning, BackfillPaused, BackfillFailed, BackfillCancelled},
	BackfillRunning: {BackfillWaiting, BackfillPaused, BackfillFailed, BackfillDone, BackfillCancelled},
	BackfillPaused:  {BackfillWaiting, BackfillRunning, BackfillFailed, BackfillCancelled},
	BackfillFailed:  {BackfillWaiting, BackfillRunning, BackfillPaused, BackfillCancelled},
}

// Ended reports whether s is an end.
func (s BackfillState) Ended() bool { return s == BackfillDone || s == BackfillCancelled }

// May reports whether to may follow s; a state may follow itself.
func (s BackfillState) May(to BackfillState) bool {
	return s == to || slices.Contains(moves[s], to)
}

// ErrNoBackfill is returned for an ID that no backfill has.
var ErrNoBackfill = errors.New("there is no such backfill")

// Backfill describes one sending of the rows that a table has.
type Backfill struct {
	// ID counts from 1, and is never used twice in a store.
	ID int64
	// Mapping is the name that the mapping had.
	Mapping string
	// MappingID is what the mapping is known by, whatever its name.
	MappingID
	State BackfillState
	// Where is an expression as in a mapping's `where`; empty for every row.
	Where string
	// Keys are those of the rows to send, as they were given; none for every row.
	Keys []string
	// Force sends objects although Marketo is known to have them as they are.
	Force bool
	// Remove deletes the objects of Keys that no row wants, where on_delete does.
	Remove bool
	// Added is when it was asked for, Changed when its state changed last,
	// Started when it ran first and Ended when it ended: zero for not yet.
	Added, Changed, Started, Ended time.Time
	Progress
	// Err is why it is failed, or what it was told last; empty for nothing.
	Err string
}

// Progress counts what a backfill has done.
type Progress struct {
	// Rows were read, and Objects handed in to be sent; Refused are those of
	// them that Marketo did not take.
	Rows, Objects, Refused int64
	// Estimate is how many rows there are in all; zero where that is not known.
	Estimate int64
}

// Feed is the name of the backfill's Cursor and of its Refused.
func (b *Backfill) Feed() string { return BackfillFeed + strconv.FormatInt(b.ID, 10) }

// BackfillFeed begins the name of every feed that is a backfill.
const BackfillFeed = "backfill:"

// Whole reports whether it sends every row of its mapping.
func (b *Backfill) Whole() bool { return b.Where == "" && len(b.Keys) == 0 }

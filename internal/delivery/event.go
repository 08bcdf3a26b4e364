package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// LSN is a position in the write-ahead log.
type LSN = pgoutput.LSN

// Event is something that happened outside the Machine: *Received, Answered,
// Saved, RowRead, Act, Release, Reserve, Tick or Stop.
type Event interface{ event() }

// Received brings a piece of the stream, in order. The Machine keeps nothing
// of the slice itself.
type Received struct{ Entries []Entry }

// EntryKind says what an Entry is.
type EntryKind uint8

const (
	// EntryBegin opens a transaction: LSN is the start of its commit record,
	// Time its commit time.
	EntryBegin EntryKind = iota
	// EntryWrite is one object operation of the open transaction.
	EntryWrite
	// EntryCommit ends the transaction: LSN is the end of its commit record.
	EntryCommit
	// EntryMark is a keepalive's WAL end outside a transaction.
	EntryMark
	// EntryFiltered says that the open transaction goes on with many changes
	// that ask for nothing to be written.
	EntryFiltered
	// EntryStop stops the mapping of Write at a change of the open transaction, for
	// the reason in its Problem: nothing of it comes any more.
	EntryStop
)

// Entry is one step of the stream, mapped.
type Entry struct {
	Kind EntryKind
	// Urgent is set on a mark that the server wants an answer to.
	Urgent, Folded bool
	LSN            LSN
	Time           time.Time
	// XID is the transaction's number on an EntryBegin, Timeline that of the
	// server's history it is of.
	XID      uint32
	Timeline int32
	// Seq is the place of the change of an EntryWrite or EntryStop in its transaction.
	// Hash and Folded are what HashKey says of its key; a Hash of zero is not
	// worked out yet.
	Seq, Hash uint64
	Write     mapping.Write
}

// Answered brings what came of a call. Reply.Left is by the clock of Step.
type Answered struct {
	Call  uint64
	Reply marketo.Reply
}

// Saved says what came of the Save that was asked for last.
type Saved struct{ Err error }

// RowState says what a read found under an object's key.
type RowState uint8

const (
	// RowGone: no row has the key.
	RowGone RowState = iota
	// RowMatches: one row has it, and Write is what the mapping makes of it.
	RowMatches
	// RowDiffers: one row has it and does not match the mapping's where. Write
	// is what on_delete asks for; Removes is false when that is nothing.
	RowDiffers
	// RowShared: several rows have it, and Write is what the mapping makes of one
	// of them; empty where more have it than were read, and none of those matches.
	RowShared
)

// RowRead brings what came of a Read.
type RowRead struct {
	Read    uint64
	State   RowState
	Write   mapping.Write
	Removes bool
	// Seen are the transactions whose changes the row has: later in the stream
	// they bring nothing new of it. Nil where that is not known.
	Seen *pgoutput.Transactions
	// Problem is why the row can never be read as it is. It parks the object.
	Problem *mapping.Problem
	// Unseen is set when the transaction that was asked for is not visible yet;
	// it passes by itself, mostly within milliseconds. Err is set, too.
	Unseen bool
	// Err passes: the connection was lost, the row cannot be seen yet. The row
	// is asked for again. SetUp says that it passes only when somebody acts: a
	// right or a column is missing.
	Err   error
	SetUp bool
}

// Act asks for parked objects to be tried again, or to be given up. The answer
// goes to Reply.
type Act struct {
	Keys    []string
	Discard bool
	Reply   chan<- Acted
}

// Acted says what became of an Act or a Release.
type Acted struct {
	// Done counts the objects that were queued again or given up, or what was
	// released, Missing the objects that were not parked any more.
	Done    int `json:"done"`
	Missing int `json:"missing"`
	// Problems says why others could not be.
	Problems []string `json:"problems,omitempty"`
}

// Tick says that the Machine's Deadline may have come.
type Tick struct{}

// Stop begins the orderly end: nothing more is received, what waits is sent
// until SendUntil, what is in flight is waited for.
type Stop struct{ SendUntil time.Time }

func (*Received) event() {}
func (Answered) event()  {}
func (Saved) event()     {}
func (RowRead) event()   {}
func (Act) event()       {}
func (Tick) event()      {}
func (Stop) event()      {}

// Effect is something the Machine wants done: Send, Save, Acknowledge, Read, Tell,
// Answer, LeaveOut, Log or Finished.
type Effect interface{ effect() }

// Send asks for one call; its answer comes as Answered, and until then Batch
// stays as it is.
type Send struct {
	Call  uint64
	Batch *marketo.Batch
}

// Save asks for one group commit; its end comes as Saved, and until then what it
// points to stays as it is. There is never more than one under way.
type Save struct{ Save *checkpoint.Save }

// Acknowledge tells the server that it may forget everything up to LSN, which is
// in the store, synced.
type Acknowledge struct{ LSN LSN }

// Read asks for the row behind an object's key; it comes as RowRead.
type Read struct {
	Read    uint64
	Mapping int
	Object  marketo.Object
	// XID is the transaction that must be visible to whoever reads: an older
	// row would overwrite what the stream has. Zero means any.
	XID uint32
	// Folded asks for a row that holds the key in any spelling, where keys of the
	// mapping have several (mapping.Set.Spellings): where no row has the key
	// exactly, one whose key is the same by mapping.Fold, and Write has it as the
	// row spells it. It costs the server a look at the whole table, and finds
	// what differs in ASCII alone where the database knows no other case.
	Folded bool
}

// Log is one line about a change of state.
type Log struct {
	Level   slog.Level
	Message string
	Args    []any
}

// Tell asks for an answer to be sent; To has room for it.
type Tell struct {
	To     chan<- Acted
	Answer Acted
}

// Finished says that after a Stop all is done that can be done.
type Finished struct {
	// Left counts the objects that stay unsettled; the next life sends them.
	Left int
}

func (Send) effect()        {}
func (Save) effect()        {}
func (Acknowledge) effect() {}
func (Read) effect()        {}
func (Log) effect()         {}
func (Tell) effect()        {}
func (Finished) effect()    {}

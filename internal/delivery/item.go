package delivery

import (
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// place says where an item is. Every item is in exactly one place.
type place uint8

const (
	// behind: an older item of the same key, in whatever spelling, is before it
	// in the chain.
	behind place = iota
	// open: a removal whose transaction has not ended.
	open
	// ready: in a lane, to be sent.
	ready
	// timed: in the timer heap, until a hold or a pause is over.
	timed
	// grouped: part of a batch that was split.
	grouped
	// reading: its row is being read from the table.
	reading
	// flying: part of a call.
	flying
	// saving: settled or parked, until that is in the store.
	saving
)

// item is one object that waits for its status. It may stand for several
// changes of its key: they settle together.
//
// An object's way through the machine is mostly waiting for memory. So an item
// is three cache lines, and what filling a batch has to see of it is the first.
type item struct {
	object marketo.Object
	// after is the next item of the same key.
	after     *item
	spot      uint64 // in its lane
	mapping   int32
	operation marketo.Operation
	place     place
	// reread is set while the object lacks values that only the table has.
	reread bool
	// repeat is set once a call with this content had an unknown outcome: the
	// same content goes again, so nothing may be merged into it.
	repeat bool

	key  string
	hash uint64 // of key, as chains has it
	// at is the newest change the item stands for, xid its transaction; zero
	// where that is not known.
	at pgoutput.Position
	// sequence is the item's place in the queue: that of its oldest change.
	sequence uint64
	since    stamp
	// committed is the commit time of the oldest change it stands for, newest
	// that of the newest.
	committed, newest stamp

	// ref is the oldest transaction the item stands for. The window cannot
	// pass it, hence none of the later ones either: they need no ref. from is
	// the place of the oldest change in it.
	ref     checkpoint.Ref
	from    uint64
	problem *mapping.Problem
	// last, kept by the first item of a key's chain only, is the end of it.
	last *item
	// bytes is what the item holds in memory, about; fetched what it held when
	// its row had been read.
	bytes int
	// failed is when the first of the faults was.
	failed  stamp
	fetched int32
	// attempts counts what Marketo said of the object itself, faults the calls
	// and reads that failed as a whole: those are tried without end.
	faults   int32
	xid      uint32
	attempts int16
	// partial is set when attributes were left out because the stream did not
	// carry them: such an object is right only on top of what was confirmed.
	partial bool
	// anew is set when the object takes the place of one whose delete was
	// never sent: what it leaves out has to be cleared.
	anew bool
	// ends is set while the newest change is an update that sets attributes,
	// which may be what the end of the row became: it stands without the row.
	ends bool
	// removal says whether the newest change is what on_delete asks for; owes is
	// set where it was merged with a write that is not known to have been sent.
	removal removal
	owes    bool
	// stale is set when the table has to be asked once more, whatever it says.
	stale bool
	// made is set once Marketo has confirmed what the stream carried of it.
	made bool
	// unsure is set when the stream does not tell whether the row matches.
	unsure bool
	// windowed is false for an item that no transaction waits for (the retry
	// of a parked object).
	windowed bool
	// covered is set while a row that was read, and sent or about to be sent
	// before it, has what it stands for.
	covered bool
}

// waits reports whether it is in no call, and its row is not being read.
func (it *item) waits() bool {
	return it.place == behind || it.place == open || it.place == ready || it.place == timed
}

package delivery

import (
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// item is one object that waits for its status. It may stand for several
// changes of its key: they settle together.
//
// An object's way through the machine is mostly waiting for memory. So an item
// is little more than three cache lines, and what filling a batch has to see of it is
// the first: see TestItemIsSmall.
type item struct {
	content
	// after is the next item of the same key.
	after   *item
	spot    uint64 // in its lane
	mapping int32
	stage   stage
	feed    feed
	// queued says which lane it is in, while it is ready.
	queued queued
	// folded is set where key is the spelling that mapping.Fold gives all others.
	folded bool

	key  string
	hash uint64 // of key, as keyIndex has it
	origin
	dealings
	// ticket is what its backfill gets back; nil for none.
	ticket *ticket
	// last, kept by the first item of a key's chain only, is the end of it.
	last *item
	// bytes is what the item holds in memory, about; fetched what it held when
	// its row had been read.
	bytes, fetched int32
}

// content is what an item asks Marketo for, and what it lacks for that.
type content struct {
	object    marketo.Object
	problem   *mapping.Problem
	operation marketo.Operation
	needs     needs
	// removal says whether the newest change is what on_delete asks for; owes is
	// set where it was merged with a write that is not known to have been sent.
	removal removal
	owes    bool
	// partial is set when attributes were left out because the stream did not
	// carry them: such an object is right only on top of what was confirmed.
	partial bool
	// anew is set when the object takes the place of one whose delete was
	// never sent: what it leaves out has to be cleared.
	anew bool
	// ends is set while the newest change is an update that sets attributes,
	// which may be what the end of the row became: it stands without the row.
	ends bool
	// unsure is set when the stream does not tell whether the row matches.
	unsure bool
}

// contentOf is what a write asks for.
func contentOf(w *mapping.Write) content {
	c := content{
		object: w.Object, problem: w.Problem, operation: w.Operation,
		removal: removalOf(w), unsure: w.Unsure,
		partial: w.Partial || w.Operation == marketo.Update,
		ends:    w.Operation == marketo.Update,
	}
	if w.Reread {
		c.needs = itsRow
	}
	if w.Removal && w.Ask {
		c.needs |= itsHolder
	}
	return c
}

// origin is where in the stream an item comes from.
type origin struct {
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
	ref  checkpoint.Ref
	from uint32
	xid  uint32
}

// dealings is what came of an item so far.
type dealings struct {
	// failed is when the first of the faults was.
	failed stamp
	// found is what is remembered of the object, nil for nothing; looked is set
	// once that is known.
	found *checkpoint.Confirmed
	// attempts counts what Marketo said of the object itself, faults the calls
	// and reads that failed as a whole: those are tried without end.
	faults   int32
	attempts int16
	looked   bool
	// covered is set while a row that was read, and sent or about to be sent
	// before it, has what it stands for.
	covered bool
	// repeat is set once a call with this content had an unknown outcome: the
	// same content goes again, so nothing may be merged into it.
	repeat bool
	// made is set once Marketo has confirmed what the stream carried of it.
	made bool
	// stale is set when the table has to be asked once more, whatever it says.
	stale bool
	// refused is set when the row of a backfill is kept as refused.
	refused bool
}

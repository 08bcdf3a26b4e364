package checkpoint

import (
	"fmt"
	"sort"
	"time"
)

// Ref names one transaction of a Window. Refs grow in the order of Open and
// are never used twice.
type Ref uint64

// Window holds the transactions in flight in the order of their commits and
// knows the highest position below which every object is settled.
//
// It is the only place a position can move, and it moves it forward only. Its
// size follows the number of transactions with an unsettled object, however
// long one of them takes: settled ones behind it are folded into the one
// before them. Nothing is allocated unless the window has to grow.
//
// A Window belongs to one goroutine. Misuse (an unknown Ref, more settled
// than added, commits out of order) panics: it means that our own books are
// wrong, and going on would lose changes.
type Window struct {
	ring []entry // its length is a power of two
	head uint64  // index of the oldest entry; grows, taken modulo len(ring)
	tail uint64  // index after the newest entry
	next Ref

	frontier LSN
	// latest is the newest transaction below the frontier, passed set once there
	// is one.
	latest Commit
	passed bool
}

// entry is one transaction that is not wholly settled, together with the
// settled ones that were folded into it.
type entry struct {
	ref     Ref
	end     LSN
	pending uint64
	open    bool
	// final is where its commit record begins.
	final LSN
	// committed is the transaction's own commit time, xid its number.
	committed time.Time
	xid       uint32
	// latest is the newest of the closed transactions it stands for.
	latest Commit
}

const smallestRing = 64

// NewWindow returns an empty window whose frontier is start.
func NewWindow(start LSN) *Window {
	return &Window{ring: make([]entry, smallestRing), frontier: start, next: 1}
}

// Open begins a transaction after all others. The one before it must have
// been closed: commits do not interleave.
func (w *Window) Open() Ref {
	if w.Len() > 0 && w.at(w.tail-1).open {
		broken("open: the last transaction is still open")
	}
	if w.Len() == len(w.ring) {
		w.makeRoom()
	}
	ref := w.next
	w.next++
	*w.at(w.tail) = entry{ref: ref, open: true}
	w.tail++
	return ref
}

// Announce tells where the commit record of an open transaction begins, and its
// number and commit time, which BEGIN carries long before COMMIT. It only makes
// Final, Latest and OldestUnsettled exact.
func (w *Window) Announce(ref Ref, final LSN, xid uint32, committed time.Time) {
	e := w.find(ref)
	if !e.open {
		broken("announce: transaction %d is closed", ref)
	}
	e.final, e.xid, e.committed = final, xid, committed
}

// Final returns where the commit record of a transaction that is not settled
// begins, as it was announced.
func (w *Window) Final(ref Ref) LSN { return w.find(ref).final }

// Add counts one more unsettled object of an open transaction, or of a closed
// one that is not settled yet.
func (w *Window) Add(ref Ref) {
	e := w.find(ref)
	if !e.open && e.pending == 0 {
		broken("add: transaction %d is settled", ref)
	}
	e.pending++
}

// Settle counts one object of the transaction as settled: confirmed by its
// own status, or parked durably.
func (w *Window) Settle(ref Ref) {
	e := w.find(ref)
	if e.pending == 0 {
		broken("settle: transaction %d has no unsettled object", ref)
	}
	e.pending--
	if e.pending == 0 && !e.open && ref == w.at(w.head).ref {
		w.advance()
	}
}

// Close records the COMMIT of an open transaction: end is the position after
// it, committed its commit time.
func (w *Window) Close(ref Ref, end LSN, committed time.Time) {
	e := w.find(ref)
	if !e.open {
		broken("close: transaction %d is closed", ref)
	}
	if end < w.received() {
		broken("close: commits go back from %s to %s", w.received(), end)
	}
	e.open, e.end, e.committed = false, end, committed
	if e.final != 0 && end > e.final+1 { // else it was given up where the server failed to send it
		e.latest = Commit{Final: e.final, End: end, XID: e.xid, At: committed}
	}
	if e.pending > 0 {
		return
	}
	if w.Len() == 1 {
		w.advance()
		return
	}
	fold(w.at(w.tail-2), e)
	w.tail--
}

// Mark records a keepalive's WAL end: everything before it has been received.
// Inside a transaction it says nothing and is ignored, and so is one that is
// behind what was received.
func (w *Window) Mark(end LSN) {
	if end <= w.received() {
		return
	}
	if w.Len() == 0 {
		w.frontier = end
		return
	}
	if e := w.at(w.tail - 1); !e.open {
		e.end = end
	}
}

// Frontier returns the end of the longest prefix of the stream in which
// everything is settled. It never goes back.
func (w *Window) Frontier() LSN { return w.frontier }

// Latest returns the newest transaction below the frontier, which is zero where it
// cannot be told from others; false as long as the frontier has passed none.
func (w *Window) Latest() (c Commit, ok bool) { return w.latest, w.passed }

// OldestUnsettled returns the commit time of the oldest transaction that is
// not settled. It is false when there is none, or none but an open one whose
// time nobody announced.
func (w *Window) OldestUnsettled() (time.Time, bool) {
	if w.Len() == 0 {
		return time.Time{}, false
	}
	committed := w.at(w.head).committed
	return committed, !committed.IsZero()
}

// Oldest returns the oldest transaction that is not settled; false when there
// is none.
func (w *Window) Oldest() (ref Ref, ok bool) {
	if w.Len() == 0 {
		return 0, false
	}
	return w.at(w.head).ref, true
}

// Len returns the number of transactions the window holds.
func (w *Window) Len() int { return int(w.tail - w.head) }

// received returns the highest position known to be received.
func (w *Window) received() LSN {
	for i := w.tail; i != w.head; i-- {
		if e := w.at(i - 1); !e.open {
			return e.end
		}
	}
	return w.frontier
}

// advance moves the frontier over every settled transaction at the head.
func (w *Window) advance() {
	for w.head != w.tail {
		e := w.at(w.head)
		if e.open || e.pending > 0 {
			return
		}
		if e.end < w.frontier {
			broken("advance: the frontier goes back from %s to %s", w.frontier, e.end)
		}
		w.frontier, w.latest, w.passed = e.end, e.latest, true
		w.head++
	}
}

// fold lets before stand for the settled transaction e that follows it.
func fold(before, e *entry) { before.end, before.latest = e.end, e.latest }

// makeRoom folds settled transactions into the ones before them, and doubles
// the ring when that gains less than half of it.
func (w *Window) makeRoom() {
	kept := w.head + 1 // the head is never settled
	for i := w.head + 1; i != w.tail; i++ {
		e := w.at(i)
		if !e.open && e.pending == 0 {
			fold(w.at(kept-1), e)
			continue
		}
		*w.at(kept) = *e
		kept++
	}
	w.tail = kept
	if w.Len() <= len(w.ring)/2 {
		return
	}
	grown := make([]entry, 2*len(w.ring))
	for i := w.head; i != w.tail; i++ {
		grown[i&uint64(len(grown)-1)] = *w.at(i)
	}
	w.ring = grown
}

// find returns the entry of ref. Refs have gaps only where transactions were
// folded, so the first guess is nearly always right.
func (w *Window) find(ref Ref) *entry {
	n := w.Len()
	if n == 0 || ref < w.at(w.head).ref || ref >= w.next {
		broken("transaction %d is not in the window", ref)
	}
	guess := int(min(uint64(ref-w.at(w.head).ref), uint64(n-1)))
	if e := w.at(w.head + uint64(guess)); e.ref == ref {
		return e
	}
	i := sort.Search(guess+1, func(i int) bool { return w.at(w.head+uint64(i)).ref >= ref })
	if i > guess || w.at(w.head+uint64(i)).ref != ref {
		broken("transaction %d is not in the window", ref)
	}
	return w.at(w.head + uint64(i))
}

func (w *Window) at(i uint64) *entry { return &w.ring[i&uint64(len(w.ring)-1)] }

// broken panics: one of our own invariants does not hold. It is never the
// answer to input.
func broken(format string, args ...any) {
	panic("checkpoint: " + fmt.Sprintf(format, args...))
}

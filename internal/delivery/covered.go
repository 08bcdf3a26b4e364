package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A row that was read is newer than changes of its key which the stream has yet
// to bring: those that its snapshot sees are covered by it. They are not sent,
// as the object would go back for a moment, and settle when the row's own object
// is settled: with it, or behind it. Should that object have been parked, or
// given up, the row is read once more for what it covered.
//
// Of a key, what is covered is a row of changes without a gap. It ends with the
// first change that the snapshot does not see, that is of another mapping, or
// that spells the key in another way: from there on all is sent. So it is with a
// deletion where rows only update objects: what comes after it must find none.
// Where rows only insert, which takes no object back, nothing is covered: what
// an object is made of is the row as it was when it was inserted. Nor is it where
// every change is to be sent by itself. And a row that leaves a value out, as
// null, covers nothing: the object keeps what an older change had there.

// mostRows bounds each half of the rows that are known to have been read.
const mostRows = 1 << 15

// rowsRead holds which rows were read in this life, the newest and as many before
// them, by the hash that all spellings of a key share.
type rowsRead struct {
	newest, before map[uint64]rowSeen
	// until is behind the last change that any of them may cover.
	until LSN
}

// rowSeen is the newest reading of a row of a key: what its snapshot sees.
type rowSeen struct {
	key     string
	mapping int32
	seen    *pgoutput.Transactions
}

func (r *rowsRead) find(hash uint64) (rowSeen, bool) {
	if len(r.newest)+len(r.before) == 0 { // mostly
		return rowSeen{}, false
	}
	row, ok := r.newest[hash]
	if !ok {
		row, ok = r.before[hash]
	}
	return row, ok
}

func (r *rowsRead) note(hash uint64, row rowSeen) {
	if r.newest == nil {
		r.newest = make(map[uint64]rowSeen)
	}
	r.newest[hash] = row
	r.until = max(r.until, row.seen.Flushed)
	if len(r.newest) >= mostRows {
		r.before, r.newest = r.newest, nil
	}
}

func (r *rowsRead) forget(hash uint64) {
	delete(r.newest, hash)
	delete(r.before, hash)
}

// passed notes that a transaction has come whose commit record is at lsn.
func (r *rowsRead) passed(lsn LSN) {
	if r.until != 0 && lsn >= r.until {
		*r = rowsRead{}
	}
}

// cover notes which changes of its key the row covers that it is sent as: row as
// it was read, or nothing, where it is to be deleted.
func (m *Machine) cover(it *item, seen *pgoutput.Transactions, row *marketo.Object) {
	if seen == nil || it.problem != nil || row != nil && leavesOut(row) {
		return // what a row before covers is covered still
	}
	m.reads.rows.forget(it.hash)
	all := true
	for next := it.after; next != nil; next = next.after {
		all = all && next.key == it.key && next.mapping == it.mapping && m.seenBy(seen, next)
		next.covered = all
	}
	for it.after != nil && it.after.covered && !m.undecided(it.after) && m.mayAbsorb(it, it.after) {
		m.absorbNext(it)
	}
	if all {
		m.reads.rows.note(it.hash, rowSeen{key: it.key, mapping: it.mapping, seen: seen})
	}
}

// seenBy reports whether a row covers an item that its snapshot sees. A row of a
// backfill is as old as the change before it, and no change that anybody could
// want to have sent by itself.
func (m *Machine) seenBy(seen *pgoutput.Transactions, it *item) bool {
	switch it.feed {
	case fromStream:
		return m.mayCover(int(it.mapping), it.operation) && seen.SeeStreamed(it.xid, it.at.Commit, m.stream.timeline)
	case fromBackfill:
		return true
	}
	return false
}

// leavesOut reports whether an attribute of an object is left as it is.
func leavesOut(o *marketo.Object) bool {
	for i := range o.Len() {
		if o.Kind(i) == marketo.Omitted {
			return true
		}
	}
	return false
}

// mayCover reports whether a row of a mapping may cover a change that asks for
// op.
func (m *Machine) mayCover(mapping int, op marketo.Operation) bool {
	switch c := &m.cfg.Mappings[mapping]; c.Operation {
	case marketo.Insert:
		return false
	case marketo.Update:
		return !c.Separate && op != marketo.Delete
	default:
		return !c.Separate
	}
}

// uncover has all be sent that follows an item, as if no row had been read.
func (m *Machine) uncover(it *item) {
	m.reads.rows.forget(it.hash)
	for next := it.after; next != nil; next = next.after {
		next.covered = false
	}
}

// covers reports whether a row that was read covers a change that has come.
func (m *Machine) covers(hash uint64, w *mapping.Write, at pgoutput.Position) bool {
	row, ok := m.reads.rows.find(hash)
	if !ok {
		return false
	}
	if row.key == w.Key && int(row.mapping) == w.Mapping && m.mayCover(w.Mapping, w.Operation) && row.seen.SeeStreamed(m.stream.xid, at.Commit, m.stream.timeline) {
		return true
	}
	m.reads.rows.forget(hash)
	return false
}

// settleCovered settles an item that a row covers, of which the object is
// settled: the item comes first in its chain. Where that was not confirmed, or
// where the object may have values of a row before, the row is read again.
func (m *Machine) settleCovered(it *item) {
	it.problem = nil
	switch {
	case it.operation == marketo.Delete:
		// What the row leaves out, the deletion would have taken away.
		it.ask()
	case it.anew, m.isIncomplete(it.key):
		it.needs.set(itsRow, true)
		it.setRemoval(notRemoval)
	default:
		m.states[it.mapping].count.Coalesced++
		m.settle(it)
		return
	}
	m.move(it, reading)
}

// mayJoin reports whether an item, which waits, can settle what is covered by
// the row that it is sent as, or what follows it as covered.
func (it *item) mayJoin() bool {
	return it.windowed() && !it.repeat && (it.covered || it.problem == nil && it.needs == 0)
}

// join takes a covered change into the waiting item it.
func (m *Machine) join(now time.Time, it *item, w *mapping.Write, at pgoutput.Position) bool {
	if !it.idle() || it.key != w.Key || w.Removal {
		return false
	}
	if m.supersede(now, it, w, at) {
		return true
	}
	if !it.mayJoin() || m.undecided(it) {
		return false
	}
	if it.covered {
		next, before := item{content: contentOf(w), bytes: sizeOf(w), dealings: dealings{covered: true}}, it.bytes
		it.follow(&next)
		m.resized(it, before)
	}
	it.at, it.xid, it.newest = at, m.stream.xid, stampOf(m.stream.time)
	return true
}

// follow makes it stand for next, too, which a row covers.
func (it *item) follow(next *item) {
	if it.covered {
		anew := it.anew || next.anew || it.operation == marketo.Delete
		it.operation, it.object, it.bytes = next.operation, next.object, next.bytes
		it.partial, it.ends, it.removal, it.anew = next.partial, next.ends, next.removal, anew
		it.needs, it.problem, it.unsure = next.needs&itsHolder, nil, false
		return
	}
	if (next.anew || next.operation == marketo.Delete) && it.operation != marketo.Delete {
		it.anew, it.object = true, whole(it.object)
		if it.operation == marketo.Insert { // it would leave what is there as it is
			it.operation = marketo.Upsert
		}
	}
}

package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A key that some row holds when a transaction has ended is not removed: within
// a transaction keys may be exchanged, shifted and taken over, and a row may be
// deleted to be written again. So a removal waits for the end of its
// transaction. What is written to its key meanwhile takes its place; and where
// the order of the stream does not tell who holds a key, the table is asked.

// removals are the items that wait for the end of the open transaction.
type removals struct {
	waiting []*item
	// limit is from how many on it is looked which of them still do.
	limit int
}

// removal says whether the newest change of an item is what on_delete asks for,
// and how far it is.
type removal uint8

const (
	notRemoval removal = iota
	// undecided: nobody holds the key unless the rest of its transaction says
	// so, or the table does: see itsHolder.
	undecided
	// decided: no row held the key.
	decided
)

func removalOf(w *mapping.Write) removal {
	if w.Removal {
		return undecided
	}
	return notRemoval
}

// undecided reports whether the rest of its transaction may still decide what
// becomes of a removal.
func (m *Machine) undecided(it *item) bool {
	return it.removal == undecided && m.stream.inside && it.at.Commit == m.stream.commit
}

// precedesUndecided reports whether the next change of its key is a removal that
// is undecided, and that it could be merged with: what an earlier life has sent
// may be the two together, so that it must not go alone.
func (m *Machine) precedesUndecided(it *item) bool {
	return it.after != nil && !it.after.covered && m.undecided(it.after) && m.mayAbsorb(it, it.after)
}

// awaitEnd has a removal, and what precedes it, wait for the end of its
// transaction. Where nothing more is received it would not come: then the table
// tells, where the transaction has ended.
func (m *Machine) awaitEnd(it *item) {
	if !m.full() && !m.end.stopping {
		m.move(it, unended)
		return
	}
	if m.undecided(it) {
		it.ask()
	} else {
		m.askTogether(it)
	}
	m.move(it, reading)
}

// askTogether merges an undecided removal into what precedes it, and has the table
// tell what becomes of the two: a removal that the table is asked for by itself
// would not be merged any more.
func (m *Machine) askTogether(it *item) {
	it.after.ask()
	m.absorbNext(it)
	it.ask()
}

// await remembers a removal until the end of its transaction. Those that wait no
// longer are forgotten now and then: there may be millions.
func (m *Machine) await(it *item) {
	m.removals.waiting = append(m.removals.waiting, it)
	if len(m.removals.waiting) < m.removals.limit {
		return
	}
	kept, seen := m.removals.waiting[:0], make(map[*item]struct{})
	for _, it := range m.removals.waiting {
		_, twice := seen[it] // its memory may have been used again
		if !twice && it.key != "" && (it.stage == unended || it.stage == waiting) {
			seen[it] = struct{}{}
			kept = append(kept, it)
		}
	}
	clear(m.removals.waiting[len(kept):])
	m.removals.waiting = kept
	m.removals.limit = max(fewestRemovals, 2*len(kept))
}

// fewestRemovals is how many removals are always remembered.
const fewestRemovals = 256

// endOfTransaction goes on with the removals that have waited for it, and merges
// them into what their keys have waiting.
func (m *Machine) endOfTransaction(now time.Time) {
	waiting := m.removals.waiting
	m.removals.waiting = nil
	for _, it := range waiting {
		if it.stage == unended {
			m.promote(now, it)
			continue
		}
		m.gatherChain(now, m.keys.first(it.hash, it.key))
	}
}

// gatherAsking merges into a waiting item all that may be sent with it, an undecided
// removal, too, which the table is asked for then: what an earlier life has sent of it
// may be any part of that.
func (m *Machine) gatherAsking(now time.Time, it *item) {
	before := it.operation
	m.absorb(it)
	if m.precedesUndecided(it) {
		m.askTogether(it)
	}
	if it.stage == ready && (it.operation != before || it.needs != 0) {
		m.promote(now, it)
	}
}

// gatherChain merges what waits in the chain that begins with head, as far as
// that can be sent as one.
func (m *Machine) gatherChain(now time.Time, head *item) {
	for it := head; it != nil; it = it.after {
		head.last = it
		if it.stage != waiting && it.stage != ready && it.stage != timed {
			continue
		}
		before := it.operation
		m.absorb(it)
		if it.stage == ready && (it.operation != before || it.needs != 0) {
			m.promote(now, it)
		}
	}
}

// supersede puts w in the place of a removal of the same transaction that waits:
// the key is held when it ends. An object that would have been deleted may be
// there with the values of another row, so what w leaves out has to be cleared.
func (m *Machine) supersede(now time.Time, it *item, w *mapping.Write, at pgoutput.Position) bool {
	if !m.undecided(it) || it.stage != unended && it.stage != waiting || !it.windowed() || int(it.mapping) != w.Mapping {
		return false
	}
	deletes, before := it.operation == marketo.Delete, it.bytes
	it.content = contentOf(w)
	if deletes && it.partial {
		it.needs.set(itsRow, true)
	}
	if it.anew = deletes; deletes && it.problem == nil {
		it.object = whole(w.Object)
		if it.operation == marketo.Insert { // it would leave what is there as it is
			it.operation = marketo.Upsert
		}
	}
	it.bytes = sizeOf(w)
	m.resized(it, before)
	it.at, it.xid, it.newest = at, m.stream.xid, stampOf(m.stream.time)
	if it.stage == unended {
		m.promote(now, it)
	}
	return true
}

// asked goes on with a removal when the table has told whether a row holds its
// key. One that does is sent as it is, in whatever spelling: its object may have
// the values of the row that has gone. Where several rows hold it, the object is
// left alone, unless a write of one of them was merged into the removal.
// A removal that a row covered before is newer by that than what follows it.
func (m *Machine) asked(now time.Time, it *item, ev *RowRead, covered bool) {
	it.needs.set(itsRow, false)
	if it.stale {
		it.stale, it.covered = false, covered
		m.promote(now, it)
		return
	}
	switch {
	case ev.State == RowGone, ev.State == RowDiffers:
		it.setRemoval(decided)
		if covered && it.operation == marketo.Delete {
			m.cover(it, ev.Seen, nil)
		}
		m.promote(now, it)
	case ev.State == RowShared && (!it.owes || ev.Write.Object.Shape == nil):
		m.kept(it)
	default:
		if ev.Write.Key != it.key {
			m.moveParked(it, &ev.Write)
			it.key = ev.Write.Key
			_, it.folded = HashKey(it.key)
			m.uncover(it)
			m.respelled(int(it.mapping))
		}
		it.anew = it.anew || it.operation == marketo.Delete
		it.setRemoval(notRemoval)
		it.operation, it.partial, it.owes = ev.Write.Operation, false, false
		if it.anew && it.operation == marketo.Insert { // it would leave what is there as it is
			it.operation = marketo.Upsert
		}
		m.completed(it, &ev.Write)
		if ev.State == RowMatches {
			m.cover(it, ev.Seen, &ev.Write.Object)
		}
		m.promote(now, it)
	}
}

// moveParked ends the entry of an object whose row has another spelling of its
// key. Where nothing else would bring that row again after a kill, as it is the
// entry that is being tried again, it stays parked under its own spelling until it
// is settled. What was refused stays missing in the object of the old spelling, if
// Marketo tells the two apart.
func (m *Machine) moveParked(it *item, row *mapping.Write) {
	p := m.parked.objects[it.key]
	if p == nil {
		return
	}
	if it.feed == fromParked && m.parked.objects[row.Key] == nil {
		moved := *p
		moved.Key, moved.Operation = row.Key, row.Operation.String()
		moved.Fields, moved.Payload = fields(row.Object, true), fields(shorten(row.Object), false)
		m.parked.objects[row.Key] = &moved
		delete(m.known.incomplete, row.Key)
		m.ledger.draft.Parked = append(m.ledger.draft.Parked, moved.Parked)
		if moved.Waits {
			m.clock.timers.add(timer{at: moved.due, parked: row.Key})
		}
	}
	m.unparked(it.key)
}

// kept settles a removal that is not made, as several rows hold the key.
func (m *Machine) kept(it *item) {
	if it.feed == fromParked {
		m.unparked(it.key)
	}
	m.states[it.mapping].count.Kept++
	m.settle(it)
}

// respelled notes that an object is written in another spelling of its key. The
// one under the old spelling is the same where Marketo takes the two for one,
// and stays where it does not, which is not known.
func (m *Machine) respelled(mapping int) {
	count := &m.states[mapping].count
	if count.Respelled++; count.Respelled == 1 {
		m.log(slog.LevelWarn, "a key is spelled in another way; if marketo tells the spellings apart, the object of the old one is still there: remove it by hand",
			"mapping", m.cfg.Mappings[mapping].Name)
	}
}

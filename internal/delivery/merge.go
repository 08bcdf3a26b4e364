package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Changes of a key that wait together are sent as one object, where sending that
// once leaves Marketo as sending each of them would. The item keeps its place in
// the queue and its oldest transaction.

// mayMerge is the rule of who may merge with whom: next comes right after an item
// in its key's chain.
//
// Spellings of a key may be two objects. Nobody may come to depend on the retry
// of a parked object, and an item has one ticket at most. What a call of unknown outcome carried goes again as it is.
// And what a removal comes to is known when its transaction has ended.
func (m *Machine) mayMerge(it *item, next *change) bool {
	switch {
	case it.key != next.key, it.mapping != next.mapping, m.cfg.Mappings[it.mapping].Separate:
		return false
	case it.feed == fromParked, next.feed == fromParked, it.ticket != nil && next.ticket != nil:
		return false
	case it.repeat, it.covered, it.problem != nil, next.problem != nil, it.needs.has(itsRow), next.needs.has(itsHolder):
		return false
	}
	_, ok := merged(it.operation, next.operation)
	return ok
}

// change is what may be merged into an item.
type change struct {
	*content
	key     string
	mapping int32
	feed    feed
	ticket  *ticket
}

// merge takes w into the waiting item it, if that is allowed.
func (m *Machine) merge(now time.Time, it *item, w *mapping.Write, at pgoutput.Position) bool {
	if !it.idle() || it.key != w.Key || w.Removal {
		return false
	}
	if m.supersede(now, it, w, at) {
		return true
	}
	was := it.wants()
	if !m.blend(it, w, fromStream, nil) {
		return false
	}
	it.at, it.xid, it.newest = at, m.stream.xid, stampOf(m.stream.time)
	if it.feed == fromBackfill {
		m.window.Add(m.stream.open)
		m.adopt(it, m.stream.open, uint32(at.Seq), it.newest)
	}
	m.relane(now, it, was)
	return true
}

// blend makes a waiting item the object that it and a write make together, if that
// is allowed. A row that has to be read makes one whole: more can join it there.
func (m *Machine) blend(it *item, w *mapping.Write, from feed, t *ticket) bool {
	next := contentOf(w)
	if w.Reread || !m.mayMerge(it, &change{content: &next, key: w.Key, mapping: int32(w.Mapping), feed: from, ticket: t}) {
		return false
	}
	before := it.bytes
	it.take(&next, sizeOf(w))
	m.resized(it, before)
	return true
}

// relane moves an item that has become one of another lane than it was.
func (m *Machine) relane(now time.Time, it *item, was queued) {
	if it.stage == ready && was != it.wants() {
		m.promote(now, it)
	}
}

// absorb merges what follows for the key into an item that is about to be
// sent, or comes back: it need not go by itself when its value is known to be
// superseded.
func (m *Machine) absorb(it *item) {
	for it.after != nil && !m.undecided(it.after) && m.mayAbsorb(it, it.after) {
		m.absorbNext(it)
	}
}

// mayAbsorb reports whether next, which follows it, can be sent with it as one.
func (m *Machine) mayAbsorb(it, next *item) bool {
	if next.covered {
		return it.mayJoin() && it.key == next.key && next.feed != fromParked && (it.ticket == nil || next.ticket == nil)
	}
	return it.needs == 0 && !next.repeat &&
		m.mayMerge(it, &change{content: &next.content, key: next.key, mapping: next.mapping, feed: next.feed, ticket: next.ticket})
}

func (m *Machine) absorbNext(it *item) {
	next, before := it.after, it.bytes
	if next.covered {
		it.follow(next)
	} else {
		it.take(&next.content, next.bytes)
	}
	m.resized(it, before)
	m.memory.bytes -= int(next.bytes)
	m.states[next.mapping].bytes -= int(next.bytes)
	m.joinOrigin(it, next)
	it.after = next.after
	if it.last == next {
		it.last = it
	}
	m.memory.items--
	m.states[it.mapping].pending--
	m.states[it.mapping].count.Coalesced++
	m.forget(next)
}

// joinOrigin has it stand for what next, which is merged into it, stood for.
func (m *Machine) joinOrigin(it, next *item) {
	if next.ticket != nil {
		it.ticket = next.ticket
	}
	if next.feed == fromBackfill {
		m.feeds.waiting--
		return
	}
	it.at, it.xid, it.newest = next.at, next.xid, next.newest
	if it.feed == fromBackfill {
		m.adopt(it, next.ref, next.from, next.committed)
		return
	}
	m.window.Settle(next.ref)
}

// merged returns the operation that stands for a waiting one and a newer one.
// Whether changes of a key are merged one by one or in parts must not decide
// how far they are: the next life may do it in another way.
func merged(older, newer marketo.Operation) (marketo.Operation, bool) {
	switch {
	case newer == marketo.Delete:
		return marketo.Delete, true
	case older == newer:
		return older, true
	case older == marketo.Delete:
		// Created again before the delete was sent: one upsert of the whole
		// row, since the object may still be there. An update would have
		// found nothing to update.
		return marketo.Upsert, newer != marketo.Update
	case older == marketo.Update && newer == marketo.Insert, older == marketo.Insert && newer == marketo.Update:
		// An insert of an existing object is skipped, the other is not.
		return 0, false
	}
	// With an insert, the upsert is itself one of an object created again.
	return marketo.Upsert, true
}

// take makes it the object that it and next, which comes after it, make together.
// size is what next holds in memory.
func (it *item) take(next *content, size int32) {
	operation, _ := merged(it.operation, next.operation)
	older := it.content
	it.content = *next
	it.needs = 0
	it.needs.set(itsRow, older.needs.has(itsRow) || next.needs.has(itsRow))
	it.owes = older.owes || next.owes || older.removal == notRemoval && next.removal != notRemoval
	it.made = false
	switch {
	case next.operation == marketo.Delete:
		it.partial, it.anew = false, false
		it.bytes = size
	case older.operation == marketo.Delete:
		it.object, it.anew = whole(next.object), true
		it.needs.set(itsRow, it.needs.has(itsRow) || next.partial)
		it.partial = false
		it.bytes = size
	default:
		it.object = overlay(older.object, next.object)
		it.partial = older.partial && next.partial
		it.anew = older.anew || next.anew
		it.bytes = max(it.bytes, size)
	}
	it.operation = operation
}

// whole returns o with everything that is left out cleared: the object it
// replaces may have had a value there.
func whole(o marketo.Object) marketo.Object {
	values := o.Values()
	for i := range values {
		if values[i].Kind == marketo.Omitted {
			values[i].Kind = marketo.Null
		}
	}
	return marketo.NewObject(o.Shape, values)
}

// overlay returns newer with what it leaves out taken from older. Neither is
// changed: older may still be part of a batch.
func overlay(older, newer marketo.Object) marketo.Object {
	var values []marketo.Value
	for i := range newer.Len() {
		if newer.Kind(i) != marketo.Omitted || older.Kind(i) == marketo.Omitted {
			continue
		}
		if values == nil {
			values = newer.Values()
		}
		values[i] = older.Value(i)
	}
	if values == nil {
		return newer
	}
	return marketo.NewObject(newer.Shape, values)
}

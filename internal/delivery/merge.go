package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// merge takes w into the waiting item it, if sending the result once leaves
// Marketo as sending both would. The item keeps its place and its oldest
// transaction.
func (m *Machine) merge(now time.Time, it *item, w *mapping.Write, at pgoutput.Position) bool {
	if !it.waits() {
		return false
	}
	if it.key != w.Key || w.Removal {
		// Spellings of a key may be two objects. And what a removal comes to is
		// known when its transaction has ended.
		return false
	}
	if m.supersede(now, it, w, at) {
		return true
	}
	if !it.windowed {
		// No transaction waits for the retry of a parked object, so none may
		// come to depend on it.
		return false
	}
	if it.repeat || it.reread || it.covered || it.problem != nil || w.Problem != nil || w.Reread {
		return false
	}
	if int(it.mapping) != w.Mapping || m.cfg.Mappings[it.mapping].Separate {
		return false
	}
	operation, ok := merged(it.operation, w.Operation)
	if !ok {
		return false
	}
	if it.place == ready && operation != it.operation {
		m.lane(int(it.mapping), it.operation).remove(it)
		defer m.promote(now, it)
	}
	m.bytes -= it.bytes
	it.take(operation, w)
	m.bytes += it.bytes
	it.at, it.xid = at, m.xid
	it.newest = stampOf(m.time)
	return true
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
		return it.mayJoin() && it.key == next.key && next.windowed
	}
	if it.covered || it.repeat || it.problem != nil || it.needsRow() || next.problem != nil || next.repeat ||
		it.key != next.key || next.removal == asks || m.cfg.Mappings[it.mapping].Separate || !it.windowed || !next.windowed {
		return false
	}
	_, ok := merged(it.operation, next.operation)
	return ok
}

func (m *Machine) absorbNext(it *item) {
	next := it.after
	m.bytes -= it.bytes + next.bytes
	if next.covered {
		it.follow(next)
	} else {
		it.takeNext(next)
	}
	m.bytes += it.bytes
	it.at, it.xid, it.newest = next.at, next.xid, next.newest
	it.after = next.after
	if it.last == next {
		it.last = it
	}
	m.window.Settle(next.ref)
	m.items--
	m.states[it.mapping].pending--
	m.states[it.mapping].count.Coalesced++
	m.forget(next)
}

// takeNext makes it the object that it and next make together.
func (it *item) takeNext(next *item) {
	operation, _ := merged(it.operation, next.operation)
	it.take(operation, &mapping.Write{
		Operation: next.operation, Object: next.object,
		Partial: next.partial, Bytes: next.bytes - itemBytes,
	})
	it.owes = it.owes || next.owes || it.removal == notRemoval && next.removal != notRemoval
	it.ends, it.removal = next.ends, next.removal
	it.reread, it.unsure = it.reread || next.reread, next.unsure
	it.anew = operation != marketo.Delete && (it.anew || next.anew)
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

// take makes it the object that older and w make together.
func (it *item) take(operation marketo.Operation, w *mapping.Write) {
	wPartial := w.Partial || w.Operation == marketo.Update
	switch {
	case w.Operation == marketo.Delete:
		it.object, it.partial, it.anew = w.Object, false, false
		it.bytes = w.Bytes + itemBytes
	case it.operation == marketo.Delete:
		it.object, it.partial, it.anew = whole(w.Object), false, true
		it.reread = wPartial
		it.bytes = w.Bytes + itemBytes
	default:
		it.object = overlay(it.object, w.Object)
		it.partial = it.partial && wPartial
		it.bytes = max(it.bytes, w.Bytes+itemBytes)
	}
	it.operation, it.ends = operation, w.Operation == marketo.Update
	it.removal, it.unsure, it.made = notRemoval, false, false
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

package delivery

import (
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Marketo charges for every call, whether it changes anything or not. So what it
// has confirmed of objects is remembered, and an object that it has as it is
// already is settled without a call. Only what is known counts: nothing is left
// out of an object that is parked, was given up, came to be from a part of its
// row, or may still be changed by a call of unknown outcome.

// Look asks what is remembered of an object; it comes as Looked. Key is what it
// is remembered by: all spellings of a key have one.
type Look struct {
	Look uint64
	Key  string
}

// Looked brings what came of a Look: nil where nothing is remembered.
type Looked struct {
	Look  uint64
	Found *checkpoint.Confirmed
}

// Unchanged says that an object is settled without a call, as Marketo has it.
type Unchanged struct {
	Mapping int
	Object  marketo.Object
}

func (Looked) event()     {}
func (Look) effect()      {}
func (Unchanged) effect() {}

// looks are the questions what is remembered of objects that are under way.
type looks struct {
	asked map[uint64]*item
	last  uint64
}

// wantsLook reports whether it is worth asking what is remembered of an object.
func (m *Machine) wantsLook(it *item) bool {
	return m.cfg.Digest != nil && !it.looked && m.maySuppress(it)
}

// maySuppress reports whether an item may be settled without a call if Marketo
// has what it asks for.
func (m *Machine) maySuppress(it *item) bool {
	return (it.operation == marketo.Upsert || it.operation == marketo.Update) && it.removal == notRemoval &&
		!it.repeat && !it.owes && !it.anew && it.needs == 0 && it.problem == nil && (it.ticket == nil || !it.ticket.force) &&
		!m.isIncomplete(it.key)
}

// look asks what is remembered of an item's object.
func (m *Machine) look(it *item) {
	m.known.looks.last++
	m.known.looks.asked[m.known.looks.last] = it
	m.emit(Look{Look: m.known.looks.last, Key: mapping.Fold(it.key)})
}

// looked goes on with an item of which it is known what is remembered.
func (m *Machine) looked(now time.Time, ev Looked) {
	it := m.known.looks.asked[ev.Look]
	delete(m.known.looks.asked, ev.Look)
	it.looked = true
	if ev.Found != nil && ev.Found.Shape == m.states[it.mapping].shape {
		it.found = ev.Found
		if m.sameKey(it) {
			m.known.existing.note(it, it.operation, marketo.Updated)
		}
	}
	m.promote(now, it)
}

// sameKey reports whether what is remembered is of the key as the item spells it.
func (m *Machine) sameKey(it *item) bool {
	for i := range it.object.Shape.Key {
		if it.found.Digests[i] != m.cfg.Digest(i, it.object.Value(i)) {
			return false
		}
	}
	return true
}

// isUnchanged reports whether Marketo has what an item asks for.
func (m *Machine) isUnchanged(it *item) bool {
	if it.found == nil || !m.maySuppress(it) || len(it.found.Digests) != it.object.Len() {
		return false
	}
	for i := range it.object.Len() {
		if it.object.Kind(i) != marketo.Omitted && it.found.Digests[i] != m.cfg.Digest(i, it.object.Value(i)) {
			return false
		}
	}
	return true
}

// suppress settles an item that Marketo has already.
func (m *Machine) suppress(it *item) {
	m.states[it.mapping].count.Unchanged++
	m.emit(Unchanged{Mapping: int(it.mapping), Object: it.object})
	m.settle(it)
}

// remember keeps what Marketo has confirmed of an object.
func (m *Machine) remember(now time.Time, it *item, status marketo.Status, call uint64) {
	if m.cfg.Digest == nil {
		return
	}
	if it.operation == marketo.Delete || status == marketo.Skipped {
		m.forgetRecord(it)
		return
	}
	c := checkpoint.Confirmed{
		Key: mapping.Fold(it.key), Shape: m.states[it.mapping].shape, Digests: make([]uint64, it.object.Len()),
		Status: status.String(), At: it.at, Time: m.wall(now), Call: call,
	}
	known := it.found != nil && len(it.found.Digests) == len(c.Digests) && m.sameKey(it)
	for i := range c.Digests {
		switch {
		case it.object.Kind(i) != marketo.Omitted:
			c.Digests[i] = m.cfg.Digest(i, it.object.Value(i))
		case known && status != marketo.Created:
			c.Digests[i] = it.found.Digests[i]
		}
	}
	m.ledger.draft.Confirmed = append(m.ledger.draft.Confirmed, c)
}

// forgetRecord has nothing remembered of an item's object.
func (m *Machine) forgetRecord(it *item) {
	it.found = nil
	m.forgetKey(it.key)
}

// forgetKey has nothing remembered of the objects of a key, in all its spellings.
func (m *Machine) forgetKey(key string) {
	if m.cfg.Digest != nil {
		m.ledger.draft.Forgotten = append(m.ledger.draft.Forgotten, mapping.Fold(key))
	}
}

// ShapeOf stands for the names that digests of a mapping's objects are in the
// order of: checkpoint.Confirmed.Shape.
func ShapeOf(c *Mapping) uint64 {
	if c.Shape == nil {
		return 0
	}
	names := []string{c.Object}
	names = append(append(names, c.Shape.Key...), c.Shape.Attributes...)
	return xxhash.Sum64String(strings.Join(names, "\x00"))
}

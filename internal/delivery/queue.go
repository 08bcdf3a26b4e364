package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// queue is what is to be sent.
type queue struct {
	lanes []lane
	// listed holds the lanes that may have items, in the order they got them.
	listed []*lane
	groups []*group
	// sequence is that of the newest item.
	sequence uint64
	// seen is when keys came last.
	seen *sightings
	// braking is set when a mapping is to be held.
	braking bool
}

func newQueue(mappings, keysOfBatch int) queue {
	q := queue{seen: newSightings(keysOfBatch), lanes: make([]lane, int(classes)*mappings*operations)}
	for i := range q.lanes {
		q.lanes[i].class = class(i / (mappings * operations))
		q.lanes[i].mapping = i / operations % mappings
		q.lanes[i].operation = marketo.Operation(i % operations)
	}
	return q
}

const operations = int(marketo.Delete) + 1

func (m *Machine) lane(c class, mapping int, op marketo.Operation) *lane {
	return &m.queue.lanes[(int(c)*len(m.states)+mapping)*operations+int(op)]
}

// queued names a lane among those of a mapping.
type queued uint8

// wants is the lane that an item belongs to.
func (it *item) wants() queued { return queued(int(it.feed.class())*operations + int(it.operation)) }

// laneOf is the lane that a ready item is in.
func (m *Machine) laneOf(it *item) *lane {
	return m.lane(class(int(it.queued)/operations), int(it.mapping), marketo.Operation(int(it.queued)%operations))
}

// insert puts an item into its lane.
func (q *queue) insert(l *lane, it *item) {
	l.insert(it)
	if !l.listed {
		l.listed = true
		q.listed = append(q.listed, l)
	}
}

// enqueue takes one write: as a part of the item that waits for its key, or
// as a new item at the end of its key's chain.
func (m *Machine) enqueue(now time.Time, e *Entry, at pgoutput.Position) {
	w := &e.Write
	state := &m.states[w.Mapping]
	state.count.Received++
	keyed, folded := e.Hash, e.Folded
	if keyed == 0 {
		keyed, folded = HashKey(w.Key)
	}
	if m.replayed.has(w, keyed, at) {
		state.count.Replayed++
		return
	}
	if state.paused[live] != "" && at != state.newest && m.leaves(now, w.Mapping, at) || state.stopped.paused {
		state.count.Left++
		return
	}
	state.newest = at
	if m.queue.seen.counts(keyed) {
		state.keys.note(m.queue.seen.see(keyed, now, m.cfg.MaxWait))
	}
	if w.Respelled {
		m.respelled(w.Mapping)
	}
	hash := m.keys.hash(keyed)
	head := m.keys.first(hash, w.Key)
	covered := m.covers(hash, w, at)
	if head != nil && (covered && m.join(now, head.last, w, at) || !covered && m.merge(now, head.last, w, at)) {
		state.count.Coalesced++
		return
	}
	it := m.itemOf(w, hash, folded)
	it.covered = covered
	it.at, it.xid, it.ref, it.from = at, m.stream.xid, m.stream.open, uint32(at.Seq)
	it.since, it.committed = stampOf(now), stampOf(m.stream.time)
	it.newest = it.committed
	m.window.Add(m.stream.open)
	m.add(it)
	if w.Partial && m.holds.all.After(now) {
		// A call that nobody knows of may have made the object from a part.
		m.noteIncomplete(it.key)
	}
	if it.deletes() && state.brake.free.After(now) {
		m.chainAsking(now, head, it)
		return
	}
	m.chain(now, head, it)
}

// chainAsking is chain for a removal that the table is asked for, as its mapping was
// released. It is asked for with what it would be merged into: an earlier life, which
// knew nothing of the release, may have sent the two as one.
func (m *Machine) chainAsking(now time.Time, head, it *item) {
	if head == nil || !head.last.idle() || !m.mayAbsorb(head.last, it) {
		it.ask()
		m.chain(now, head, it)
		return
	}
	mapping := it.mapping
	m.chain(now, head, it)
	for before := head; before != nil; before = before.after {
		if before.mapping == mapping && before.idle() {
			m.gatherAsking(now, before)
		}
	}
}

// chain puts an item at the end of its key's chain, which begins with head; where
// there is none, it is the first, and goes on.
func (m *Machine) chain(now time.Time, head, it *item) {
	if head == nil {
		it.last = it
		m.begin(now, it)
		return
	}
	follow(head, it)
	if m.undecided(it) {
		m.await(it)
	}
}

// follow puts an item at the end of the chain that begins with head.
func follow(head, it *item) {
	head.last.after = it
	head.last = it
}

// begin makes an item the first of its key, and has it go on.
func (m *Machine) begin(now time.Time, it *item) {
	m.keys.put(it)
	if it.partial && m.isIncomplete(it.key) {
		it.needs.set(itsRow, true)
	}
	m.promote(now, it)
}

// release forgets an item whose end is in the store, and lets the next one of
// its key go on.
func (m *Machine) release(now time.Time, it *item) {
	m.memory.items--
	m.memory.bytes -= int(it.bytes)
	m.states[it.mapping].bytes -= int(it.bytes)
	m.memory.fetched -= int(it.fetched)
	if it.ticket != nil {
		m.ticketReleased(it.ticket)
	}
	if next := it.after; next != nil {
		next.last = it.last
		m.begin(now, next)
	} else {
		m.keys.remove(it)
	}
	m.forget(it)
}

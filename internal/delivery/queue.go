package delivery

import (
	"log/slog"
	"math"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// itemBytes is what an item costs besides the bytes of its write: the item
// itself, its place in the table of keys and in its batch.
const itemBytes = 320

// received takes a piece of the stream into the queue.
func (m *Machine) received(now time.Time, entries []Entry) {
	for i := range entries {
		if i%touchAtOnce == 0 {
			m.touchKeys(entries[i:])
		}
		e := &entries[i]
		switch e.Kind {
		case EntryBegin:
			m.open, m.inside = m.window.Open(), true
			m.commit, m.time, m.xid, m.timeline = e.LSN, e.Time, e.XID, e.Timeline
			m.rows.passed(e.LSN)
			m.window.Announce(m.open, e.LSN, e.Time)
			m.passed(pgoutput.Position{Commit: e.LSN})
		case EntryWrite:
			at := pgoutput.Position{Commit: m.commit, Seq: e.Seq}
			m.enqueue(now, e, at)
			m.advanced(m.open)
			m.passed(at)
		case EntryCommit:
			m.passed(pgoutput.Position{Commit: m.commit, Seq: math.MaxUint64})
			m.window.Close(m.open, e.LSN, m.time)
			m.inside = false
			m.count.Transactions++
			m.endOfTransaction(now)
		case EntryFiltered:
			m.advanced(m.open)
		case EntryMark:
			if !m.inside {
				m.window.Mark(e.LSN)
				m.passed(pgoutput.Position{Commit: e.LSN})
			}
			m.ledger.urgent = m.ledger.urgent || e.Urgent
		}
	}
	if m.behind() && m.full() && m.replayed.foreign() {
		// More comes again than an earlier life can have held.
		m.sentBefore = pgoutput.Position{}
		m.log(slog.LevelWarn, "mappings are not what they were in the middle of what was being delivered: what was settled of it is sent again, and objects may go back for a moment")
	}
}

// behind reports whether the stream has not come to the newest change yet that
// an earlier life has sent. Nothing is sent until then: what was sent for a key
// may stand for several of its changes, and the first of them alone would take
// the object a step back.
func (m *Machine) behind() bool { return m.sentBefore != pgoutput.Position{} }

// passed notes that the stream has come to at.
func (m *Machine) passed(at pgoutput.Position) {
	if m.behind() && at.Compare(m.sentBefore) >= 0 {
		m.sentBefore = pgoutput.Position{}
	}
	m.replayed.passed(at)
}

// enqueue takes one write: as a part of the item that waits for its key, or
// as a new item at the end of its key's chain.
func (m *Machine) enqueue(now time.Time, e *Entry, at pgoutput.Position) {
	w := &e.Write
	state := &m.states[w.Mapping]
	state.count.Received++
	keyed := e.Hash
	if keyed == 0 {
		keyed = KeyHash(w.Key)
	}
	if m.replayed.has(w, keyed, at) {
		state.count.Replayed++
		return
	}
	if m.seen.counts(keyed) {
		state.keys.note(m.seen.see(keyed, now, m.cfg.MaxWait))
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
	it := m.newItem()
	m.sequence++
	*it = item{
		key: w.Key, hash: hash, mapping: int32(w.Mapping), operation: w.Operation, object: w.Object,
		problem: w.Problem, reread: w.Reread, unsure: w.Unsure, removal: removalOf(w),
		partial: w.Partial || w.Operation == marketo.Update,
		ends:    w.Operation == marketo.Update,
		ref:     m.open, from: at.Seq, windowed: true, at: at, xid: m.xid,
		sequence: m.sequence, since: stampOf(now), committed: stampOf(m.time), newest: stampOf(m.time),
		bytes: w.Bytes + itemBytes, covered: covered,
	}
	if it.deletes() && state.brake.free.After(now) {
		it.removal = asks
	}
	m.window.Add(m.open)
	m.items++
	m.bytes += it.bytes
	state.pending++
	if w.Partial && m.holdAll.After(now) {
		// A call that nobody knows of may have made the object from a part.
		m.lack(it.key)
	}
	if head != nil {
		head.last.after = it
		head.last = it
		if m.undecided(it) {
			m.await(it)
		}
		return
	}
	it.last = it
	m.keys.put(it)
	if it.partial && m.lacks(it.key) {
		it.reread = true
	}
	m.promote(now, it)
}

func (m *Machine) newItem() *item {
	if n := len(m.free); n > 0 {
		it := m.free[n-1]
		m.free = m.free[:n-1]
		return it
	}
	return new(item)
}

// forget keeps the memory of an item that is over for the next one.
func (m *Machine) forget(it *item) {
	*it = item{}
	if len(m.free) < 10_000 {
		m.free = append(m.free, it)
	}
}

// promote puts the first item of a chain where it can go on from.
func (m *Machine) promote(now time.Time, it *item) {
	switch {
	case it.covered:
		m.settleCovered(it)
	case it.problem != nil:
		m.unmappable(now, it)
	case m.undecided(it), m.precedesUndecided(it):
		m.awaitEnd(it)
	case it.needsRow():
		m.read(it)
	case !it.repeat && m.heldUntil(it.key).After(now):
		m.later(it, m.heldUntil(it.key))
	default:
		m.ready(it)
	}
}

func (m *Machine) ready(it *item) {
	l := m.lane(int(it.mapping), it.operation)
	l.insert(it)
	if !l.listed {
		l.listed = true
		m.listed = append(m.listed, l)
	}
}

// later puts it back at a time to come.
func (m *Machine) later(it *item, at time.Time) {
	it.place = timed
	m.timers.add(timer{at: at, item: it})
}

// release forgets an item whose end is in the store, and lets the next one of
// its key go on.
func (m *Machine) release(now time.Time, it *item) {
	m.items--
	m.bytes -= it.bytes
	m.fetched -= int(it.fetched)
	next := it.after
	if next == nil {
		m.keys.remove(it)
	} else {
		next.last = it.last
		m.keys.put(next)
		if next.partial && m.lacks(next.key) {
			next.reread = true
		}
		m.promote(now, next)
	}
	m.forget(it)
}

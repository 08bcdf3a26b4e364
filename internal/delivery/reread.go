package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// reads are the rows that have to be read before items can be sent.
type reads struct {
	// wanted holds the items whose rows are to be read, asked those whose rows
	// have been asked for.
	wanted []*item
	asked  map[uint64]*item
	last   uint64
	mayAsk int // see mayRead
	// rows are those that were read of late, and may cover what comes.
	rows rowsRead
}

// readsAtOnce is the most rows that are asked for and not yet there. Rows may
// be large.
const readsAtOnce = 200

// asksAtOnce is the same of questions whether some row holds a key, as long as
// hardly any does: then nothing comes that would take memory, and each answer
// may cost the server a look at the whole table, for however many keys.
const asksAtOnce = 2000

// mayRead is how many rows may be asked for and not be there when it is asked
// for one more.
func (m *Machine) mayRead(it *item) int {
	if it.needs.has(itsHolder) {
		return max(readsAtOnce, m.reads.mayAsk)
	}
	return readsAtOnce
}

// askedFor notes what came of a question whether some row holds a key.
func (m *Machine) askedFor(state RowState) {
	if state != RowGone {
		m.reads.mayAsk /= 2
		return
	}
	m.reads.mayAsk = min(max(readsAtOnce, m.reads.mayAsk)+1, asksAtOnce)
}

// fetch asks for rows, the longest wanted first, while those that were read and
// are not yet settled leave room in memory.
func (m *Machine) fetch() {
	n := 0
	for n < len(m.reads.wanted) && len(m.reads.asked) < m.mayRead(m.reads.wanted[n]) && m.memory.fetched < m.cfg.MaxPendingBytes/2 {
		it := m.reads.wanted[n]
		n++
		m.reads.last++
		m.reads.asked[m.reads.last] = it
		m.emit(Read{Read: m.reads.last, Mapping: int(it.mapping), Object: it.object, XID: it.xid, Folded: it.needs.has(itsHolder)})
	}
	clear(m.reads.wanted[:n])
	m.reads.wanted = m.reads.wanted[n:]
}

// sharedKey parks an object whose key several rows have.
var sharedKey = &mapping.Problem{Code: "shared_key", Message: "several rows of the table have this key; choose key columns that are unique, then retry or discard"}

// rowRead completes the object with the row as it is now. Later changes of the
// row, in the stream behind it, that the row has already are covered by it.
func (m *Machine) rowRead(now time.Time, ev RowRead) {
	it := m.reads.asked[ev.Read]
	delete(m.reads.asked, ev.Read)
	if ev.Err != nil {
		m.cannotRead(now, it, ev)
		return
	}
	m.canRead(int(it.mapping))
	if len(m.reads.asked)+len(m.reads.wanted) > 0 {
		// More are about to come: it waits for its batch to fill from now on.
		it.since = stampOf(now)
	}
	covered := it.covered
	it.covered = false
	retried := it.ends && it.feed == fromParked // which may be of a row that is there
	if it.needs.has(itsHolder) && ev.Problem == nil && !(retried && ev.State == RowShared) {
		m.askedFor(ev.State)
		m.asked(now, it, &ev, covered)
		return
	}
	it.needs.set(itsRow, false)
	it.partial = false
	switch {
	case ev.Problem != nil:
		it.problem = ev.Problem
	case ev.State == RowShared:
		it.problem = sharedKey
	case ev.State == RowMatches:
		m.completed(it, &ev.Write)
		m.cover(it, ev.Seen, &ev.Write.Object)
	case ev.State == RowGone && covered:
		// It is older than what was sent, and the end of the row is still to come.
		m.differs(it, ev.State)
		return
	case it.ends && !covered:
		// What the end of the row sets still has to be set.
		it.operation = marketo.Update
	case ev.State == RowDiffers && ev.Removes:
		m.removed(it, &ev.Write)
		if it.operation == marketo.Delete {
			m.cover(it, ev.Seen, nil)
		}
	case ev.State == RowDiffers:
		m.differs(it, ev.State)
		return
	default:
		m.rowGone(now, it)
		return
	}
	m.promote(now, it)
}

// completed makes it the object of the row that was read.
func (m *Machine) completed(it *item, w *mapping.Write) {
	m.refill(it, w)
	it.ends = false
	it.setRemoval(notRemoval)
	if it.anew && it.problem == nil {
		it.object = whole(it.object)
	}
	if it.operation == marketo.Update {
		// An update that only sets attributes has become a whole row.
		it.operation = w.Operation
	}
}

// removed makes it what on_delete asks for: the row is there and does not match
// the mapping's where, which the change itself could not tell. No other change
// need say so.
func (m *Machine) removed(it *item, w *mapping.Write) {
	m.refill(it, w)
	it.operation, it.anew = w.Operation, false
	it.ends = w.Operation == marketo.Update
	it.partial = it.ends
}

// refill gives it the content of w, whose row was read.
func (m *Machine) refill(it *item, w *mapping.Write) {
	before := it.bytes
	it.bytes = sizeOf(w)
	m.resized(it, before)
	m.memory.fetched += int(it.bytes) - int(it.fetched)
	it.fetched = it.bytes
	it.object, it.problem = w.Object, w.Problem
}

// differs ends the item of a row that has gone, or that does not match, for which
// on_delete asks nothing.
func (m *Machine) differs(it *item, state RowState) {
	switch {
	case it.feed != fromParked:
	case state == RowDiffers:
		m.unparked(it.key) // a change that carries a part of the row may have it match again
	default:
		m.resolve(it.key)
	}
	m.states[it.mapping].count.Gone++
	m.settle(it)
}

// rowGone goes on with the item of a row that is not there, or that on_delete
// asks nothing for. The change that took the row away is in the stream, behind
// this one or already settled. If that deletes the object, nothing need be sent;
// otherwise the object stays, and gets what the stream has carried. Whether a
// row had an object at all, which where would have told, is not known any more.
func (m *Machine) rowGone(now time.Time, it *item) {
	if it.windowed() && !it.made && !it.unsure && !m.cfg.Mappings[it.mapping].Deletes {
		count := &m.states[it.mapping].count
		if count.Incomplete++; count.Incomplete == 1 {
			m.log(slog.LevelWarn, "object sent without values of its row, which has gone", "mapping", m.cfg.Mappings[it.mapping].Name)
		}
		m.promote(now, it)
		return
	}
	m.differs(it, RowGone)
}

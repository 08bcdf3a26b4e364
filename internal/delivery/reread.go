package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// readsAtOnce is the most rows that are asked for and not yet there. Rows may
// be large.
const readsAtOnce = 200

// read has the row read that is behind an object which the stream did not carry
// whole.
func (m *Machine) read(it *item) {
	it.place = reading
	m.unread = append(m.unread, it)
}

// fetch asks for rows, the longest wanted first, while those that were read and
// are not yet settled leave room in memory.
func (m *Machine) fetch() {
	n := 0
	for n < len(m.unread) && len(m.reads) < readsAtOnce && m.fetched < m.cfg.MaxPendingBytes/2 {
		it := m.unread[n]
		n++
		m.lastRead++
		m.reads[m.lastRead] = it
		m.emit(Read{Read: m.lastRead, Mapping: int(it.mapping), Object: it.object, XID: it.xid})
	}
	clear(m.unread[:n])
	m.unread = m.unread[n:]
}

// rowRead completes the object with the row as it is now. Later changes of
// the row are in the stream behind it, so what is newer comes again.
func (m *Machine) rowRead(now time.Time, ev RowRead) {
	it := m.reads[ev.Read]
	delete(m.reads, ev.Read)
	if ev.Err != nil {
		it.faults++
		if it.faults == 1 {
			m.log(slog.LevelWarn, "row cannot be read again", "mapping", m.cfg.Mappings[it.mapping].Name, "err", ev.Err)
		}
		m.later(it, now.Add(m.jitter(m.backoff(time.Second, time.Minute, int(it.faults)))))
		return
	}
	it.reread, it.partial = false, false
	if !ev.Found && it.ends {
		// What the end of the row sets still has to be set.
		it.operation = marketo.Update
		m.promote(now, it)
		return
	}
	if !ev.Found {
		m.rowGone(now, it)
		return
	}
	m.bytes += ev.Write.Bytes + itemBytes - it.bytes
	it.bytes = ev.Write.Bytes + itemBytes
	m.fetched += it.bytes - it.fetched
	it.fetched = it.bytes
	it.ends = false
	it.object, it.problem = ev.Write.Object, ev.Write.Problem
	if it.anew && it.problem == nil {
		it.object = whole(it.object)
	}
	if it.operation == marketo.Update || it.operation == marketo.Delete {
		// An update that only sets attributes, or the retry of a delete whose
		// row is there again, has become a whole row.
		it.operation = ev.Write.Operation
	}
	m.promote(now, it)
}

// rowGone ends the item of a row that is not there. The change that took it
// away is in the stream, behind this one or already settled, and says what is
// to become of the object. Only the retry of a delete still has to be sent.
func (m *Machine) rowGone(now time.Time, it *item) {
	if it.operation == marketo.Delete {
		m.promote(now, it)
		return
	}
	if !it.windowed {
		m.resolve(it.key)
	}
	m.states[it.mapping].count.Gone++
	m.settle(it)
}

package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// read asks for the row behind an object that the stream did not carry whole.
func (m *Machine) read(it *item) {
	it.place = reading
	m.lastRead++
	m.reads[m.lastRead] = it
	m.emit(Read{Read: m.lastRead, Mapping: it.mapping, Object: it.object})
}

// rowRead completes the object with the row as it is now. Later changes of
// the row are in the stream behind it, so what is newer comes again.
func (m *Machine) rowRead(now time.Time, ev RowRead) {
	it := m.reads[ev.Read]
	delete(m.reads, ev.Read)
	if ev.Err != nil {
		it.attempts++
		if it.attempts == 1 {
			m.log(slog.LevelWarn, "row cannot be read again", "mapping", m.cfg.Mappings[it.mapping].Name, "err", ev.Err)
		}
		m.later(it, now.Add(m.jitter(m.backoff(time.Second, time.Minute, it.attempts))))
		return
	}
	it.reread, it.partial = false, false
	if !ev.Found {
		// The change that took the row away is in the stream behind this one
		// and says what is to become of the object.
		m.states[it.mapping].count.Gone++
		m.settle(it)
		return
	}
	m.bytes += ev.Write.Bytes + itemBytes - it.bytes
	it.bytes = ev.Write.Bytes + itemBytes
	it.object, it.problem = ev.Write.Object, ev.Write.Problem
	if it.anew && it.problem == nil {
		it.object = whole(it.object)
	}
	if it.operation == marketo.Update {
		// An update that only sets attributes has become a whole row.
		it.operation = ev.Write.Operation
	}
	m.promote(now, it)
}

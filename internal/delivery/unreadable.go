package delivery

import (
	"log/slog"
	"time"
)

const (
	// lastReread bounds the pause before a row is asked for again. Asking costs
	// the server little, and what is in the way, a lock or a right that is
	// missing, may be gone at any moment.
	lastReread = 15 * time.Second
	// firstLook is the first pause before a transaction is looked for again that
	// was streamed and could not be seen yet.
	firstLook = 50 * time.Millisecond
	// unreadableAfter is how long rows may be out of reach for what passes.
	unreadableAfter = time.Minute
)

// unreadable is why the rows of a mapping cannot be read; zero while they can.
type unreadable struct {
	reason string
	since  time.Time
	setUp  bool
}

// cannotRead takes back an item whose row could not be read, to be asked for again.
func (m *Machine) cannotRead(now time.Time, it *item, ev RowRead) {
	it.faults++
	if ev.Unseen {
		m.later(it, now.Add(m.jitter(m.backoff(firstLook, lastReread, int(it.faults)))))
		return
	}
	u := &m.states[it.mapping].unreadable
	if u.reason == "" {
		u.since = now
		m.log(slog.LevelWarn, "rows cannot be read", "mapping", m.cfg.Mappings[it.mapping].Name, "err", ev.Err)
	}
	u.reason, u.setUp = ev.Err.Error(), ev.SetUp
	m.later(it, now.Add(m.jitter(m.backoff(time.Second, lastReread, int(it.faults)))))
}

// canRead notes that rows of a mapping can be read.
func (m *Machine) canRead(mapping int) {
	u := &m.states[mapping].unreadable
	if u.reason != "" {
		m.log(slog.LevelInfo, "rows can be read again", "mapping", m.cfg.Mappings[mapping].Name)
		*u = unreadable{}
	}
}

// tellUnreadable returns why rows of a mapping are out of reach, when somebody
// has to act for it or it has lasted.
func (m *Machine) tellUnreadable(now time.Time, mapping int) (reason string, ok bool) {
	u := &m.states[mapping].unreadable
	if u.reason == "" || !u.setUp && now.Sub(u.since) < unreadableAfter {
		return "", false
	}
	return "rows of mapping " + m.cfg.Mappings[mapping].Name + " cannot be read: " + u.reason, true
}

package delivery

import "time"

// When saves are made, and when they are synced, decides how many there are and
// how far the slot lags behind. What they hold, and what may be done after them,
// is in promise.go.

// late reports whether calls that were counted a while ago are still not sent:
// by then the limiter knows less of them than Marketo will.
func (l *ledger) late(now time.Time) bool {
	return l.saving && len(l.current.Started) > 0 && now.Sub(l.currentSince) > prompt ||
		len(l.draft.Started) > 0 && now.Sub(l.draftSince) > prompt
}

// syncDue reports whether a synced save is due: often while the checkpoint
// moves, seldom while there is only other people's WAL or what was saved
// unsynced.
func (m *Machine) syncDue(now time.Time, frontier LSN) bool {
	l := &m.ledger
	every := m.cfg.SyncEvery
	switch {
	case frontier <= l.synced:
		l.urgent = false
		if !l.unsynced {
			return false
		}
		every = m.cfg.MarkEvery
	case m.memory.items == 0 && emptyDraft(&l.draft) && l.synced != 0 && !l.unsynced:
		every = m.cfg.MarkEvery
	case m.drained():
		every /= drainedShare
	}
	at := l.syncedAt.Add(every)
	if l.urgent || !at.After(now) {
		return true
	}
	m.wakeAt(at)
	return false
}

const (
	// drainedSync is from how many objects on a backlog is worth a sync of its
	// own to be done with it.
	drainedSync = 1000
	// drainedShare is the part of SyncEvery that lies between two of those: a
	// stream that keeps up may come to its end, as far as it has been read, a
	// thousand times a second.
	drainedShare = 10
)

// drained reports whether a backlog has just come to its end: then the slot
// follows without waiting for SyncEvery. The last objects may come after syncs
// that found everything else done, so those before them count, too.
func (m *Machine) drained() bool {
	l := &m.ledger
	return m.liveItems() == len(l.ends) && l.burst+l.sinceSync+len(l.ends) >= drainedSync
}

// endTime is the longest that an object whose end leaves nothing to be kept waits for
// a save: what has come for its key waits with it.
const endTime = 50 * time.Millisecond

// nothingToSave reports whether no save is needed now: nothing is to be kept, and no
// object waits for a save to be over, as a row of a backfill does that Marketo has.
func (m *Machine) nothingToSave(now time.Time) bool {
	l := &m.ledger
	if !emptyDraft(&l.draft) {
		return false
	}
	until := l.savedAt.Add(endTime)
	if len(l.ends) > 0 && until.After(now) {
		m.wakeAt(until)
		return true
	}
	return len(l.ends) == 0
}

// joinTime is the longest a save waits for others to join it: nothing beside a
// call to Marketo.
const joinTime = 2 * time.Millisecond

// joined reports whether the save had better wait for more to go into it:
// while calls are under way their answers may be about to come. Where they come
// at once, all calls go round together, with one save a round.
func (m *Machine) joined(now time.Time) bool {
	until := m.ledger.savedAt.Add(joinTime)
	if len(m.calls.sent) == m.calls.unsent || !until.After(now) {
		return false
	}
	m.wakeAt(until)
	return true
}

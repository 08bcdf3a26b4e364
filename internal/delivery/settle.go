package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// ledger is what is on its way into the store, and what is there.
type ledger struct {
	// draft gathers what the next save carries, ends the items that may be
	// released once it is there.
	draft checkpoint.Save
	ends  []*item

	// saving is the save under way, released its items, lsn its checkpoint.
	saving   bool
	current  checkpoint.Save
	released []*item

	// saved is the checkpoint in the store, synced the one that would
	// survive a power loss; only that is ever acknowledged.
	saved, synced LSN
	syncedAt      time.Time
	savedAt       time.Time
	// sinceSync counts the objects that were settled since the last sync. burst
	// is the most of them between any two, halved with every sync that came
	// after.
	sinceSync, burst int
	// draftSince and currentSince are when the first call of the draft, and of
	// the save under way, was counted.
	draftSince, currentSince time.Time
	// counted is set while the limiter knows of calls that the store does not.
	counted bool
	// reserved are those who wait for a call of theirs to be in the store,
	// reserving those whose call is in the save under way.
	reserved, reserving []reservation
	// beyond counts what the store has, or is about to get, as settled above the
	// checkpoint; settledTo is the newest change that was ever settled.
	beyond    beyond
	settledTo pgoutput.Position
	// unsynced is set while the store holds what a power loss would take, such
	// as the calls of the day.
	unsynced bool
	// urgent is set while the server waits for an answer to a keepalive.
	urgent bool

	failures int
	retry    time.Time
	// last is set when the save under way is that of an orderly end, closed
	// when it is done.
	last, closed bool
}

// busy reports whether something is not in the store yet.
func (l *ledger) busy() bool {
	return l.saving || !l.closed
}

// down reports whether the store refuses to take anything. Nothing is sent
// then: its outcome could not be kept.
func (l *ledger) down(time.Time) bool { return l.failures > 0 }

// late reports whether calls that were counted a while ago are still not sent:
// by then the limiter knows less of them than Marketo will.
func (l *ledger) late(now time.Time) bool {
	return l.saving && len(l.current.Started) > 0 && now.Sub(l.currentSince) > prompt ||
		len(l.draft.Started) > 0 && now.Sub(l.draftSince) > prompt
}

// settle ends an item: its status, or its parked entry, is known and goes into
// the store with the next save, together with the checkpoint that it frees.
//
// The order is the promise: settle in the window, save what settled and the
// new checkpoint in one commit, acknowledge it once synced; the stream reports it.
func (m *Machine) settle(it *item) {
	if it.windowed {
		m.advanced(it.ref)
		m.window.Settle(it.ref)
		m.ledger.draft.Settled = append(m.ledger.draft.Settled, checkpoint.Settled{Key: it.key, Through: it.at})
		if m.ledger.settledTo.Compare(it.at) < 0 {
			m.ledger.settledTo = it.at
		}
	}
	it.place = saving
	m.states[it.mapping].pending--
	m.ledger.ends = append(m.ledger.ends, it)
}

// save starts the next group commit if there is something to keep.
func (m *Machine) save(now time.Time) {
	l := &m.ledger
	if l.saving || l.closed {
		return
	}
	if l.retry.After(now) {
		m.wakeAt(l.retry)
		return
	}
	m.recordBrakes(now)
	frontier := m.window.Frontier()
	last := m.stopping && len(m.calls) == 0 && (m.items == len(l.ends) || !m.maySendLater(now))
	sync := last || m.syncDue(now, frontier)
	if !sync && len(l.reserved) == 0 && (emptyDraft(&l.draft) || m.joined(now)) {
		return
	}
	l.current, l.draft = l.draft, reset(l.current)
	l.draft.Sent = l.current.Sent
	l.currentSince = l.draftSince
	l.reserved, l.reserving = nil, l.reserved
	l.released, l.ends = l.ends, l.released[:0]
	if frontier > l.saved {
		l.current.Checkpoint = frontier
	}
	l.current.Settled = above(l.current.Settled, frontier)
	m.gatherSettled(frontier)
	if l.counted || last {
		quota := checkpoint.Quota(m.limiter.Snapshot())
		// Those that are recorded ahead may be sent before the next save.
		quota.Calls += len(m.prepared)
		l.current.Quota = &quota
		l.counted = false
	}
	l.current.Sync, l.last = sync, last
	l.current.Clean = last && m.ghosts == len(l.current.Ended)
	l.saving = true
	m.emit(Save{Save: &l.current})
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
	case m.items == 0 && emptyDraft(&l.draft) && l.synced != 0 && !l.unsynced:
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
	return m.items == len(l.ends) && l.burst+l.sinceSync+len(l.ends) >= drainedSync
}

// joinTime is the longest a save waits for others to join it: nothing beside a
// call to Marketo.
const joinTime = 2 * time.Millisecond

// joined reports whether the save had better wait for more to go into it:
// while calls are under way their answers may be about to come. Where they come
// at once, all calls go round together, with one save a round.
func (m *Machine) joined(now time.Time) bool {
	until := m.ledger.savedAt.Add(joinTime)
	if len(m.calls) == m.unsent || !until.After(now) {
		return false
	}
	m.wakeAt(until)
	return true
}

// saved goes on once a save has ended.
func (m *Machine) saved(now time.Time, err error) {
	l := &m.ledger
	l.saving = false
	if err != nil {
		m.saveFailed(now, err)
		return
	}
	if l.failures > 0 {
		m.log(slog.LevelInfo, "store works again", "failed", l.failures)
		l.failures = 0
	}
	l.savedAt = now
	m.grant(now)
	l.sinceSync += len(l.released)
	if l.current.Checkpoint > l.saved {
		l.saved = l.current.Checkpoint
	}
	l.unsynced = !l.current.Sync
	if l.current.Sync {
		l.syncedAt, l.burst, l.sinceSync = now, max(l.sinceSync, l.burst/2), 0
		l.closed = l.last
		if l.saved > l.synced {
			l.synced = l.saved
			l.urgent = false
			m.emit(Acknowledge{LSN: l.synced})
		}
	}
	m.ghosts -= len(l.current.Ended)
	if to := l.current.SettledTo; to != nil {
		l.beyond = beyond{except: len(to.Except)}
	}
	for i, it := range l.released {
		if i%touchAtOnce == 0 {
			m.touchReleased(l.released[i:])
		}
		m.release(now, it)
	}
	for _, c := range l.current.Started {
		m.recorded(now, c.ID)
	}
}

// saveFailed takes what could not be saved back into the draft, in front of
// what has come since.
func (m *Machine) saveFailed(now time.Time, err error) {
	l := &m.ledger
	if l.failures == 0 {
		m.log(slog.LevelError, "store does not take anything; sending and acknowledging stop until it does", "err", err)
	}
	l.failures++
	l.retry = now.Add(m.backoff(250*time.Millisecond, 10*time.Second, l.failures))
	m.wakeAt(l.retry)
	l.counted = l.counted || l.current.Quota != nil
	l.reserved, l.reserving = append(l.reserving, l.reserved...), nil
	l.draftSince = l.currentSince
	l.draft.Started = append(l.current.Started, l.draft.Started...)
	l.draft.Ended = append(l.current.Ended, l.draft.Ended...)
	l.draft.Settled = append(l.current.Settled, l.draft.Settled...)
	l.draft.Parked = append(l.current.Parked, l.draft.Parked...)
	l.draft.Resolved = append(l.current.Resolved, l.draft.Resolved...)
	l.draft.Lacking = append(l.current.Lacking, l.draft.Lacking...)
	l.draft.Deletions = append(l.current.Deletions, l.draft.Deletions...)
	l.ends = append(l.released, l.ends...)
	l.current, l.released = checkpoint.Save{}, nil
}

// above keeps what the checkpoint does not cover: only that would come again.
func above(settled []checkpoint.Settled, frontier LSN) []checkpoint.Settled {
	kept := settled[:0]
	for _, s := range settled {
		if s.Through.Commit >= frontier {
			kept = append(kept, s)
		}
	}
	clear(settled[len(kept):])
	return kept
}

func emptyDraft(s *checkpoint.Save) bool {
	return len(s.Started) == 0 && len(s.Ended) == 0 && len(s.Settled) == 0 &&
		len(s.Parked) == 0 && len(s.Resolved) == 0 && len(s.Lacking) == 0 && len(s.Deletions) == 0
}

// reset empties s and keeps its memory for the next draft.
func reset(s checkpoint.Save) checkpoint.Save {
	clear(s.Started)
	clear(s.Settled)
	clear(s.Parked)
	return checkpoint.Save{
		Started: s.Started[:0], Ended: s.Ended[:0], Settled: s.Settled[:0],
		Parked: s.Parked[:0], Resolved: s.Resolved[:0], Lacking: s.Lacking[:0],
	}
}

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
	// brakes are the mappings whose brakes the store knows less of.
	brakes []int

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
func (l *ledger) down() bool { return l.failures > 0 }

// settle ends an item: its status, or its parked entry, is known and goes into
// the store with the next save, together with the checkpoint that it frees.
//
// The order is the promise: settle in the window, save what settled and the
// new checkpoint in one commit, acknowledge it once synced; the stream reports it.
func (m *Machine) settle(it *item) {
	if it.windowed() {
		m.advanced(it.ref)
		m.window.Settle(it.ref)
		m.ledger.draft.Settled = append(m.ledger.draft.Settled, checkpoint.Settled{Key: it.key, Through: it.at})
		if m.ledger.settledTo.Compare(it.at) < 0 {
			m.ledger.settledTo = it.at
		}
	}
	if it.ticket != nil {
		m.settleTicket(it)
	}
	m.move(it, saving)
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
	last := m.end.stopping && len(m.calls.sent) == 0 && (m.unsent() == len(l.ends) || !m.maySendLater(now))
	sync := last || m.syncDue(now, frontier)
	if !sync && len(l.reserved) == 0 && (m.nothingToSave(now) || m.joined(now)) {
		return
	}
	l.current, l.draft = l.draft, reset(l.current)
	l.draft.Sent = l.current.Sent
	l.currentSince = l.draftSince
	l.reserved, l.reserving = nil, l.reserved
	l.released, l.ends = l.ends, l.released[:0]
	m.feeds.saving, m.feeds.ended = m.feeds.ended, m.feeds.saving[:0]
	if frontier > l.saved {
		l.current.Checkpoint = frontier
		if latest, ok := m.window.Latest(); ok {
			l.current.Latest = &latest
		}
	}
	l.current.Settled = above(l.current.Settled, frontier)
	l.current.Lacking = m.stillLacking(l.current.Lacking)
	m.gatherSettled(frontier)
	if l.counted || last {
		quota := checkpoint.Quota(m.calls.limiter.Snapshot())
		// Those that are recorded ahead may be sent before the next save.
		quota.Calls += len(m.ahead.calls)
		l.current.Quota = &quota
		l.counted = false
	}
	l.current.Sync, l.last = sync, last
	l.current.Clean = last && m.calls.inStore == len(l.current.Ended)
	l.saving = true
	m.emit(Save{Save: &l.current})
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
	m.calls.inStore -= len(l.current.Ended)
	if to := l.current.SettledTo; to != nil {
		l.beyond = beyond{except: len(to.Except)}
	}
	for i, it := range l.released {
		if i%prefetchAtOnce == 0 {
			m.prefetchReleased(l.released[i:])
		}
		m.release(now, it)
	}
	m.ticketsSaved()
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
	l.draft = joinDrafts(&l.current, &l.draft)
	l.ends = append(l.released, l.ends...)
	m.feeds.ended, m.feeds.saving = append(m.feeds.saving, m.feeds.ended...), nil
	l.current, l.released = checkpoint.Save{}, nil
}

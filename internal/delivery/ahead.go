package delivery

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Every call is recorded in the store before it is sent. Where calls are
// answered at once, they would all wait for the store together, and then all be
// waited for. So while calls are that quick, the next ones are recorded before
// there is a place for them: a place that becomes free is taken at once.

// ahead holds calls that were recorded ahead, oldest first; quick is set while
// calls are answered so soon that this pays.
type ahead struct {
	calls []*call
	// bulk counts those of backfills.
	bulk  int
	quick bool
}

const (
	// quickCall is how soon a call must be answered for that. Calls of an
	// instance of Marketo take longer, and waiting for the store is nothing
	// beside them.
	quickCall = 20 * time.Millisecond
	// aheadRounds is for how many rounds of calls it is done.
	aheadRounds = 2
)

// prepare records calls ahead. It takes full batches that nothing can be merged
// into while they wait.
func (m *Machine) prepare(now time.Time) {
	for m.ahead.quick && len(m.queue.groups) == 0 && len(m.ahead.calls) < aheadRounds*m.cfg.Limits.ConcurrentCalls && m.mayPrepare(now) {
		l := m.nextLane(now, true)
		if l == nil || m.states[l.mapping].block.reason != "" || l.n < m.cfg.Capacity.Objects || m.waitingPays(l.mapping) {
			return
		}
		if c := m.fill(now, l); c != nil {
			m.record(now, c)
			m.ledger.counted = true
			m.ahead.add(c)
		}
	}
}

func (a *ahead) add(c *call) {
	a.calls = append(a.calls, c)
	if c.lane.class == bulk {
		a.bulk++
	}
}

// take takes all calls, or the one at a place.
func (a *ahead) take() []*call {
	calls := a.calls
	a.calls, a.bulk = nil, 0
	return calls
}

func (a *ahead) takeAt(i int) *call {
	c := a.calls[i]
	a.calls = slices.Delete(a.calls, i, i+1)
	if c.lane.class == bulk {
		a.bulk--
	}
	return c
}

// bulkAhead reports whether one more call of a backfill may be recorded ahead: they
// leave room for live ones.
func (m *Machine) bulkAhead() bool {
	return m.ahead.bulk < aheadRounds*m.part(m.cfg.Limits.ConcurrentCalls)
}

// mayPrepare reports whether nothing but other calls stands in the way of one.
func (m *Machine) mayPrepare(now time.Time) bool {
	if m.memory.items == 0 || m.allBehind() || m.end.halted != "" || m.end.stopping || m.pauses.outage.failures > 0 || m.pauses.throttle.refusals > 0 || m.pauses.wish.After(now) || m.holds.all.After(now) || m.ledger.down() {
		return false
	}
	ok, _, why := m.calls.limiter.Ready(now)
	return ok || why == marketo.WhyConcurrency
}

// recorded goes on with a call whose record is in the store.
func (m *Machine) recorded(now time.Time, id uint64) {
	if c := m.calls.sent[id]; c != nil {
		m.calls.unsent--
		m.send(now, c)
		return
	}
	if i := slices.IndexFunc(m.ahead.calls, func(c *call) bool { return c.id == id }); i >= 0 {
		m.ahead.calls[i].recorded = true
	}
}

// nextPrepared takes the oldest of the calls of a class that were recorded ahead; nil
// when none is in the store, or may go.
func (m *Machine) nextPrepared(of class) *call {
	if of == bulk && !m.bulkPlace() {
		return nil
	}
	for i, c := range m.ahead.calls {
		if c.lane.class == of && c.recorded {
			return m.ahead.takeAt(i)
		}
	}
	return nil
}

// dropPrepared takes back the calls that were recorded ahead when they cannot
// go soon: what waits in them would wait in vain.
func (m *Machine) dropPrepared(now time.Time) {
	for _, c := range m.ahead.take() {
		m.drop(now, c)
	}
}

// dropPreparedOf does so with those of one mapping.
func (m *Machine) dropPreparedOf(now time.Time, mapping int) {
	for _, c := range m.ahead.take() {
		if int(c.items[0].mapping) == mapping {
			m.drop(now, c)
		} else {
			m.ahead.add(c)
		}
	}
}

func (m *Machine) drop(now time.Time, c *call) {
	m.braked(c, -1)
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	m.comeBack(now, c)
}

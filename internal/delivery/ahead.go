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
	for m.quick && len(m.groups) == 0 && len(m.prepared) < aheadRounds*m.cfg.Limits.ConcurrentCalls && m.mayPrepare(now) {
		l := m.nextLane(now)
		if l == nil || m.states[l.mapping].block.reason != "" || l.n < m.cfg.Capacity.Objects || m.waitingPays(l.mapping) {
			return
		}
		if c := m.fill(now, l); c != nil {
			m.record(now, c)
			m.ledger.counted = true
			m.prepared = append(m.prepared, c)
		}
	}
}

// mayPrepare reports whether nothing but other calls stands in the way of one.
func (m *Machine) mayPrepare(now time.Time) bool {
	if m.items == 0 || m.behind() || m.halted != "" || m.stopping || m.trouble.failures > 0 || m.throttle.refusals > 0 || m.wish.After(now) || m.holdAll.After(now) || m.ledger.down(now) {
		return false
	}
	ok, _, why := m.limiter.Ready(now)
	return ok || why == marketo.WhyConcurrency
}

// recorded goes on with a call whose record is in the store.
func (m *Machine) recorded(now time.Time, id uint64) {
	if c := m.calls[id]; c != nil {
		m.unsent--
		m.send(now, c)
		return
	}
	if i := slices.IndexFunc(m.prepared, func(c *call) bool { return c.id == id }); i >= 0 {
		m.prepared[i].recorded = true
	}
}

// nextPrepared takes the oldest of the calls that were recorded ahead; nil when
// none is in the store.
func (m *Machine) nextPrepared() *call {
	if len(m.prepared) == 0 || !m.prepared[0].recorded {
		return nil
	}
	c := m.prepared[0]
	m.prepared = slices.Delete(m.prepared, 0, 1)
	return c
}

// dropPrepared takes back the calls that were recorded ahead when they cannot
// go soon: what waits in them would wait in vain.
func (m *Machine) dropPrepared(now time.Time) {
	dropped := m.prepared
	m.prepared = nil
	for _, c := range dropped {
		m.drop(now, c)
	}
}

// dropPreparedOf does so with those of one mapping.
func (m *Machine) dropPreparedOf(now time.Time, mapping int) {
	dropped := m.prepared
	m.prepared = nil
	for _, c := range dropped {
		if int(c.items[0].mapping) == mapping {
			m.drop(now, c)
		} else {
			m.prepared = append(m.prepared, c)
		}
	}
}

func (m *Machine) drop(now time.Time, c *call) {
	m.braked(c, -1)
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	m.comeBack(now, c)
}

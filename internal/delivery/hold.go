package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// recordHold records a call that nobody knows the keys of: should this life
// end before the hold does, the next one has to hold everything, too.
func (m *Machine) recordHold(until time.Time) {
	m.lastCall++
	m.ghosts++
	m.ledger.draft.Started = append(m.ledger.draft.Started, checkpoint.Call{ID: m.lastCall})
	m.timers.add(timer{at: until, call: m.lastCall})
}

// heldUntil is until when newer values of key are held; zero for not at all.
func (m *Machine) heldUntil(key string) time.Time {
	if len(m.holds) == 0 {
		return time.Time{}
	}
	return m.holds[mapping.Fold(key)]
}

// hold keeps newer values of key, in whatever spelling, back until then.
func (m *Machine) hold(key string, until time.Time) {
	key = mapping.Fold(key)
	if m.holds[key].Before(until) {
		m.holds[key] = until
		m.timers.add(timer{at: until, key: key})
	}
}

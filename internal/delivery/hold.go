package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// holds are what keeps newer values of keys back: calls that may be executing.
type holds struct {
	// keys says until when newer values of keys are held, by their folded form.
	keys map[string]time.Time
	// all, when set, is until when every key is held: the last life's calls are
	// unknown.
	all time.Time
	// inherited is until when keys of the last life's calls may be held.
	inherited time.Time
}

// recordHold records a call that nobody knows the keys of: should this life
// end before the hold does, the next one has to hold everything, too.
func (m *Machine) recordHold(until time.Time) {
	m.calls.last++
	m.calls.inStore++
	m.ledger.draft.Started = append(m.ledger.draft.Started, checkpoint.Call{ID: m.calls.last})
	m.clock.timers.add(timer{at: until, call: m.calls.last})
}

// heldUntil is until when newer values of key are held; zero for not at all.
func (m *Machine) heldUntil(key string) time.Time {
	if len(m.holds.keys) == 0 {
		return time.Time{}
	}
	return m.holds.keys[mapping.Fold(key)]
}

// hold keeps newer values of key, in whatever spelling, back until then.
func (m *Machine) hold(key string, until time.Time) {
	key = mapping.Fold(key)
	if m.holds.keys[key].Before(until) {
		m.holds.keys[key] = until
		m.clock.timers.add(timer{at: until, key: key})
	}
}

package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func (m *Machine) restore(state checkpoint.State, now time.Time) {
	if state.Checkpoint != nil {
		m.ledger.saved = state.Checkpoint.LSN
	}
	m.window = checkpoint.NewWindow(m.ledger.saved)
	m.replayed = newReplayed(state, m.cfg.Mappings)
	m.ledger.settledTo = m.replayed.to
	m.ledger.beyond.restore(state, m.replayed.to)
	m.stream.sentBefore, m.ledger.draft.Sent = state.Sent, state.Sent
	m.restoreLags(&state)
	m.passed(pgoutput.Position{Commit: m.ledger.saved})
	for _, key := range state.Lacking {
		m.known.incomplete[key] = struct{}{}
	}
	for i := range state.Parked {
		p := &parkedObject{Parked: state.Parked[i]}
		m.parked.objects[p.Key] = p
		if p.Waits {
			// By a clock that was set back since, it may lie far away.
			p.due = now.Add(min(p.Next.Sub(now), lastRetry))
			m.clock.timers.add(timer{at: p.due, parked: p.Key})
		}
	}
	m.calls.limiter.Restore(marketo.Quota(state.Quota), now)
	m.restoreBrakes(now, state.Deletions)
	until := now.Add(m.cfg.UnknownHold)
	if len(state.InFlight) > 0 || !state.Clean && !state.SameBoot {
		m.holds.inherited = until
	}
	m.calls.inStore = len(state.InFlight)
	for _, c := range state.InFlight {
		// It may have left later than it was counted.
		m.calls.limiter.Inherit(now)
		m.calls.limiter.Lose(until)
		for _, key := range c.Keys {
			m.hold(key, until)
			m.noteIncomplete(key)
			m.forgetKey(key) // in whatever spelling
		}
		if len(c.Keys) == 0 {
			m.holds.all = until
		}
		m.clock.timers.add(timer{at: until, call: c.ID})
	}
	if !state.Clean && !state.SameBoot {
		m.holds.all = until
		m.recordHold(until)
	}
	if m.holds.inherited.After(now) {
		m.out.opening = append(m.out.opening, Log{Level: slog.LevelWarn,
			Message: "calls of the last run may still be executing; newer values of their keys wait",
			Args:    []any{"keys", len(m.holds.keys), "all", !m.holds.all.IsZero(), "for", m.cfg.UnknownHold}})
	}
}

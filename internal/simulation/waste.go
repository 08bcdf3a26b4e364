package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// waste is a row of calls of one life that could do nothing, as Marketo refused
// them for the number of calls, with none that passed in between.
type waste struct {
	throttled, spent row
	// asked counts what lets a call ask although Marketo's word stands: an
	// operator, and an answer that was none to it.
	asked int
}

type row struct {
	n     int
	since time.Duration
}

func (r *row) add(now time.Duration) {
	if r.n == 0 {
		r.since = now
	}
	r.n++
}

// noWaste: while Marketo refuses calls for their number, ever fewer are made.
// It is told of every answer.
func (s *Simulator) noWaste(fault *marketo.Fault) {
	w := &s.waste
	switch {
	case fault == nil, fault.Class == marketo.FaultRefused, fault.Class == marketo.FaultTooLarge:
		*w = waste{}
		return
	case fault.Class == marketo.FaultExpired:
		w.asked++
		return
	case fault.Class == marketo.FaultRate, fault.Class == marketo.FaultConcurrency:
		w.throttled.add(s.now)
		s.covered.Throttled++
	case fault.Class == marketo.FaultQuota:
		w.spent.add(s.now)
		s.covered.Spent++
	default:
		return
	}
	together := max(s.profile.config.Limits.ConcurrentCalls, 1)
	if most := together + 8 + w.asked + int((s.now-w.throttled.since)/(30*time.Second)); w.throttled.n > most {
		s.fail("waste", "%d calls in a row within %s, although Marketo refuses them as too many are made", w.throttled.n, s.now-w.throttled.since)
	}
	if s.profile.clock {
		return
	}
	days := 1 + int((s.now-w.spent.since)/(23*time.Hour))
	if most := together + 1 + days + w.asked + int((s.now-w.spent.since)/(15*time.Minute)); w.spent.n > most {
		s.fail("waste", "%d calls in a row within %s, although Marketo says that the quota is used up", w.spent.n, s.now-w.spent.since)
	}
}

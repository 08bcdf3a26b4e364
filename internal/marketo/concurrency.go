package marketo

import (
	"slices"
	"time"
)

// recovery is how long concurrency stays lowered by one step.
const recovery = time.Minute

// sharedConcurrency is Marketo's own limit, the ceiling of a concurrency
// that was lowered where none was configured.
const sharedConcurrency = 10

// place reports whether there is a place for one more call at once. Those that
// may still be executing take places, too, but never the last one: it would be
// empty for minutes after every broken connection. If not, at is when one of
// these gives its place back; zero where only a Done can.
func (l *Limiter) place(now time.Time) (free bool, at time.Time) {
	limit := l.Concurrency(now)
	if limit == 0 || len(l.flying) == 0 {
		return true, at
	}
	l.lost = slices.DeleteFunc(l.lost, func(until time.Time) bool { return !until.After(now) })
	if len(l.flying)+len(l.lost) < limit {
		return true, at
	}
	if len(l.flying) < limit {
		at = slices.MinFunc(l.lost, time.Time.Compare)
	}
	return false, at
}

// Lose counts a call that nobody waits for any longer, and that may be executing
// until then.
func (l *Limiter) Lose(until time.Time) {
	if l.limits.ConcurrentCalls > 0 {
		l.lost = append(l.lost, until)
	}
}

// Concurrency is the number of calls allowed at once at now: the configured
// one, less what Marketo's complaints took, one of which is given back every
// minute. 0 means unlimited.
func (l *Limiter) Concurrency(now time.Time) int {
	limit := l.limits.ConcurrentCalls
	if l.lowered == 0 {
		return limit
	}
	ceiling := limit
	if ceiling == 0 {
		ceiling = sharedConcurrency
	}
	if n := l.lowered + int(now.Sub(l.loweredAt)/recovery); n < ceiling {
		return n
	}
	return limit
}

// Throttled notes that Marketo refused a call for its rate (FaultRate: nothing
// starts for a whole window) or for concurrency (FaultConcurrency: one call
// less at once, never less than one). Other classes change nothing.
func (l *Limiter) Throttled(now time.Time, class FaultClass) {
	switch class {
	case FaultRate:
		l.paused = now.Add(Window + l.limits.Margin)
	case FaultConcurrency:
		n := l.Concurrency(now)
		if n == 0 {
			n = min(max(len(l.flying), 2), sharedConcurrency)
		}
		l.lowered, l.loweredAt = max(1, n-1), now
	}
}

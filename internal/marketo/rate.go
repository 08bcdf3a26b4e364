package marketo

import (
	"slices"
	"time"
)

// rateFrom is when the window allows a call; zero for any time. It is not ok
// when that is not known: when a call is done.
func (l *Limiter) rateFrom(now time.Time) (at time.Time, ok bool) {
	n := l.limits.CallsPer20s
	if n <= 0 {
		return l.paused, true
	}
	// A call that is still under way may have left only now, whatever we
	// thought: the process may have been stopped in between.
	n -= l.long(now)
	if n <= 0 {
		return time.Time{}, false
	}
	at = l.paused
	if len(l.starts) >= n {
		if free := l.starts[len(l.starts)-n].Add(Window + l.limits.Margin); at.Before(free) {
			at = free
		}
	}
	return at, true
}

// long counts the calls under way that the window has forgotten.
func (l *Limiter) long(now time.Time) int {
	n := 0
	for _, start := range l.flying {
		if !now.Before(start.Add(Window + l.limits.Margin)) {
			n++
		}
	}
	return n
}

func (l *Limiter) note(at time.Time) {
	n := l.limits.CallsPer20s
	if n <= 0 {
		return
	}
	i := len(l.starts)
	for i > 0 && l.starts[i-1].After(at) {
		i--
	}
	l.starts = slices.Insert(l.starts, i, at)
	if len(l.starts) > n {
		l.starts = append(l.starts[:0], l.starts[1:]...)
	}
}

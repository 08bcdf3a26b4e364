package marketo

import (
	"slices"
	"time"
)

// Marketo's limits hold for an instance, shared by all its integrations: 100
// calls in 20 seconds, 10 at once, and a number of calls a day. Adobe advises
// one integration to stay within half of the first two.
const (
	// Window is the span over which Marketo counts calls.
	Window = 20 * time.Second
	// DefaultMargin widens Window against clocks and networks that make two
	// calls arrive closer to each other than they left.
	DefaultMargin = 100 * time.Millisecond
)

// Limits is what we allow ourselves. Zero means unlimited in each of the
// first three fields.
type Limits struct {
	CallsPer20s     int
	ConcurrentCalls int
	// CallsPerDay counts calls of one day in US Central time.
	CallsPerDay int
	// Margin is added to the 20 seconds. Zero means DefaultMargin, a negative
	// one means none.
	Margin time.Duration
}

// Quota is the part of a Limiter that must outlive a restart.
type Quota struct {
	// Day is the quota day, YYYY-MM-DD in US Central time; "" before any call.
	Day string
	// Calls counts the calls started on that day.
	Calls int
	// Starts holds the times of the latest calls, the oldest first.
	Starts []time.Time
	// Exhausted is set while Marketo's own word is that the day is used up.
	Exhausted bool
}

// Why a call may not start; see Limiter.Ready.
const (
	WhyRate        = "rate"
	WhyConcurrency = "concurrency"
	WhyQuota       = "quota"
)

// Limiter says when the next call may start, so that no span of 20 seconds
// ever holds more starts than allowed. It is arithmetic on the times it is
// given, with no clock and no goroutine; it is not for concurrent use. Times
// must not go back in one life. The quota day goes by the wall clock, which
// SetClock says how to come to.
type Limiter struct {
	limits Limits
	// ahead is how far the wall clock is ahead of the times given.
	ahead time.Duration

	// starts holds the latest CallsPer20s starts, oldest first.
	starts []time.Time

	// flying holds the starts of the calls that are not done, lost until when
	// those may still be executing that nobody waits for any longer.
	flying, lost []time.Time
	// lowered is the concurrency Marketo forced on us at loweredAt; 0 is none.
	lowered   int
	loweredAt time.Time

	day          string
	began, reset time.Time // the ends of day, by the wall clock
	calls        int
	// turned is set when the last life's calls were of an earlier day.
	turned bool

	paused time.Time // no start before it: Marketo complained of the rate
	// exhausted is set while Marketo says that the quota is used up. Then one
	// call at a time may ask, not before asks, by the wall clock.
	exhausted   bool
	exhaustedAt time.Time
	asks        time.Time
}

// NewLimiter returns a Limiter that has seen no calls.
func NewLimiter(l Limits) *Limiter {
	switch {
	case l.Margin == 0:
		l.Margin = DefaultMargin
	case l.Margin < 0:
		l.Margin = 0
	}
	return &Limiter{limits: l}
}

// Ready reports whether a call may start now. If not, why is "quota", "rate"
// or "concurrency", and at is the earliest time worth asking again; it is
// zero where only a Done can change the answer.
func (l *Limiter) Ready(now time.Time) (ok bool, at time.Time, why string) {
	if at := l.quotaFrom(now); now.Before(at) {
		return false, at, WhyQuota
	}
	if at, ok := l.rateFrom(now); !ok || now.Before(at) {
		return false, at, WhyRate
	}
	if l.exhausted && len(l.flying) > 0 {
		return false, time.Time{}, WhyQuota
	}
	if free, at := l.place(now); !free {
		return false, at, WhyConcurrency
	}
	return true, time.Time{}, ""
}

// Start counts a call that starts now. The caller has asked Ready.
func (l *Limiter) Start(now time.Time) {
	l.turn(now)
	l.calls++
	l.flying = append(l.flying, now)
	if l.exhausted {
		l.asks = l.wall(now).Add(askEvery)
	}
	l.note(now)
}

// Again tells that the call that was started then left only at the time given,
// which may be in the past: it counts then, and no more when it was started.
func (l *Limiter) Again(started, at time.Time) {
	l.cross(started, at)
	if i := slices.IndexFunc(l.starts, started.Equal); i >= 0 {
		l.starts = slices.Delete(l.starts, i, i+1)
	}
	if i := slices.IndexFunc(l.flying, started.Equal); i >= 0 {
		l.flying[i] = at
	}
	l.note(at)
}

// Inherit counts a call that an earlier life left under way: it may have left
// only now, and on a day that is not the one it was counted on.
func (l *Limiter) Inherit(now time.Time) {
	if l.turned {
		l.calls++
	}
	l.note(now)
}

// Done ends a call that was started then, by the last word on it, and left at
// the time given; zero if it never did.
func (l *Limiter) Done(started, left time.Time) {
	if !left.IsZero() {
		l.cross(started, left)
	}
	if i := slices.IndexFunc(l.flying, started.Equal); i >= 0 {
		l.flying = slices.Delete(l.flying, i, i+1)
	}
}

// Snapshot returns what Restore needs.
func (l *Limiter) Snapshot() Quota {
	return Quota{Day: l.day, Calls: l.calls, Exhausted: l.exhausted, Starts: slices.Clone(l.starts)}
}

// Restore takes over what an earlier life did, as of now. The latest of its
// starts counts as made now, and the others as far before it as they were: how
// much time has passed since only a wall clock could say, and that may have
// been set. Of the calls that were in flight, Inherit and Lose tell.
func (l *Limiter) Restore(q Quota, now time.Time) {
	l.starts = nil
	if n := l.limits.CallsPer20s; n > 0 {
		for _, t := range q.Starts[max(0, len(q.Starts)-n):] {
			l.starts = append(l.starts, now.Add(t.Sub(q.Starts[len(q.Starts)-1])))
		}
	}
	l.day, l.reset, l.calls, l.exhausted = "", time.Time{}, 0, false
	l.turn(now)
	if l.turned = q.Day != "" && q.Day < l.day; l.turned || q.Day == "" {
		return
	}
	// A day later than today's is a clock set back: its calls still count.
	l.calls = q.Calls
	// Whoever starts us may have had the quota raised: one call may ask.
	l.exhausted, l.asks = q.Exhausted, time.Time{}
}

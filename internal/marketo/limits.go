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

	// recovery is how long concurrency stays lowered by one step.
	recovery = time.Minute
	// sharedConcurrency is Marketo's own limit, the ceiling of a concurrency
	// that was lowered where none was configured.
	sharedConcurrency = 10
	// askEvery is how often one call asks whether Marketo still calls the quota
	// used up: it may have been raised, and the two clocks may differ.
	askEvery = 15 * time.Minute
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

// SetClock says how far the wall clock is ahead of the times that the other
// methods are given; zero until it is called. A day that the clock went back
// from goes on as the day it is now, with its calls: nothing waits for a future
// that the clock has taken back.
func (l *Limiter) SetClock(now time.Time, ahead time.Duration) {
	l.ahead = ahead
	wall := l.wall(now)
	if next := NextReset(wall); l.day != "" && l.reset.After(next) {
		l.day, l.began, l.reset = QuotaDay(wall), lastReset(wall), next
	}
	if latest := wall.Add(askEvery); l.asks.After(latest) {
		l.asks = latest
	}
}

func (l *Limiter) wall(now time.Time) time.Time { return now.Add(l.ahead) }

// quotaFrom is when the quota allows a call; zero for any time.
func (l *Limiter) quotaFrom(now time.Time) time.Time {
	var at time.Time
	if l.exhausted {
		at = l.asks
	}
	spent := l.limits.CallsPerDay > 0 && l.calls+l.early() >= l.limits.CallsPerDay
	if spent && l.wall(now).Before(l.reset) && at.Before(l.reset) {
		at = l.reset
	}
	if at.IsZero() {
		return at
	}
	return at.Add(-l.ahead)
}

// early counts the calls under way that were started before the day began:
// they may have left in it.
func (l *Limiter) early() int {
	n := 0
	for _, start := range l.flying {
		if l.wall(start).Before(l.began) {
			n++
		}
	}
	return n
}

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

// Used is the number of calls counted against the quota day of now.
func (l *Limiter) Used(now time.Time) int {
	if l.day == "" || !l.wall(now).Before(l.reset) {
		return 0
	}
	return l.calls
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
// which may be in the past: the window counts both times, so that neither can
// exceed it.
func (l *Limiter) Again(started, at time.Time) {
	l.cross(started, at)
	if i := slices.IndexFunc(l.flying, started.Equal); i >= 0 {
		l.flying[i] = at
	}
	l.note(at)
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

// cross counts a call that left on a later day than it was started on.
func (l *Limiter) cross(started, at time.Time) {
	l.turn(at)
	if l.wall(started).Before(l.began) && !l.wall(at).Before(l.began) {
		l.calls++
	}
}

// turn opens a new quota day when the old one is over.
func (l *Limiter) turn(now time.Time) {
	wall := l.wall(now)
	if l.day != "" && wall.Before(l.reset) {
		return
	}
	l.day, l.began, l.reset, l.calls = QuotaDay(wall), lastReset(wall), NextReset(wall), 0
}

// Exhausted notes that Marketo says the calls of the day are used up: until
// Passed, one call every 15 minutes may ask, and one when the day is over.
func (l *Limiter) Exhausted(now time.Time) {
	l.turn(now)
	wall := l.wall(now)
	l.exhausted, l.exhaustedAt, l.asks = true, now, wall.Add(askEvery)
	if next := NextReset(wall); l.asks.After(next) {
		l.asks = next
	}
}

// IsExhausted reports whether Marketo's last word is that the calls of the day
// are used up.
func (l *Limiter) IsExhausted() bool { return l.exhausted }

// Passed notes that Marketo has looked at a call that started then. It reports
// whether that ends its word that the quota is used up.
func (l *Limiter) Passed(started time.Time) bool {
	if !l.exhausted || started.Before(l.exhaustedAt) {
		return false
	}
	l.exhausted = false
	return true
}

// Ask lets the next call ask at once whether the quota is still used up.
func (l *Limiter) Ask() { l.asks = time.Time{} }

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

package marketo

import (
	"sync"
	"time"
	_ "time/tzdata" // the quota day needs America/Chicago where no zone files are installed
)

// central is the zone of Marketo's quota day. Without zone data it is
// standard time all year, which is late by an hour in summer, never early.
var central = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		return time.FixedZone("CST", -6*60*60)
	}
	return zone
})

// QuotaDay names the day, as YYYY-MM-DD, whose calls a call at now counts
// among: Marketo counts calendar days of US Central time.
func QuotaDay(now time.Time) string { return now.In(central()).Format(time.DateOnly) }

// NextReset is when the quota day of now ends: the next midnight in US Central
// time, 23, 24 or 25 hours after the last.
func NextReset(now time.Time) time.Time {
	y, m, d := now.In(central()).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, central())
}

// lastReset is when the quota day of now began.
func lastReset(now time.Time) time.Time {
	y, m, d := now.In(central()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, central())
}

// askEvery is how often one call asks whether Marketo still calls the quota
// used up: it may have been raised, and the two clocks may differ.
const askEvery = 15 * time.Minute

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

// Used is the number of calls counted against the quota day of now.
func (l *Limiter) Used(now time.Time) int {
	if l.day == "" || !l.wall(now).Before(l.reset) {
		return 0
	}
	return l.calls
}

// turn opens a new quota day when the old one is over.
func (l *Limiter) turn(now time.Time) {
	wall := l.wall(now)
	if l.day != "" && wall.Before(l.reset) {
		return
	}
	l.day, l.began, l.reset, l.calls = QuotaDay(wall), lastReset(wall), NextReset(wall), 0
}

// cross counts a call that left on a later day than it was started on.
func (l *Limiter) cross(started, at time.Time) {
	l.turn(at)
	if l.wall(started).Before(l.began) && !l.wall(at).Before(l.began) {
		l.calls++
	}
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

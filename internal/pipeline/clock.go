package pipeline

import "time"

// clock is the Runner's source of time: it starts at what the wall clock shows
// and goes on by the monotonic clock, so that it never jumps.
type clock struct {
	start time.Time
	ahead time.Duration
}

// clockSet is the difference from which on a wall clock is taken to have been
// set, or to have drifted, rather than read a moment later.
const clockSet = 250 * time.Millisecond

func startClock() *clock { return &clock{start: time.Now()} }

// now returns a time without a monotonic reading, fit for comparison with
// times that were stored.
func (c *clock) now() time.Time { return c.steady(time.Now()) }

func (c *clock) steady(t time.Time) time.Time { return c.start.Round(0).Add(t.Sub(c.start)) }

// read returns now, and whether the wall clock was set since the last time; how
// far it is ahead now is in c.ahead.
func (c *clock) read() (now time.Time, set bool) {
	t := time.Now()
	now = c.steady(t)
	ahead := t.Round(0).Sub(now)
	if d := ahead - c.ahead; d > -clockSet && d < clockSet {
		return now, false
	}
	c.ahead = ahead
	return now, true
}

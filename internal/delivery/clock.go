package delivery

import "time"

// SetClock says, from now on, how far the wall clock is ahead of the times
// that Step gets; zero until it is called. Those times only ever grow, at the
// pace of time itself; a wall clock is set forwards and back. The Machine goes
// by the wall clock only where others do: the day of Marketo's quota, commit
// times, and times that people read.
func (m *Machine) SetClock(now time.Time, ahead time.Duration) {
	m.ahead = ahead
	m.limiter.SetClock(now, ahead)
}

// wall is what the wall clock shows at now.
func (m *Machine) wall(now time.Time) time.Time { return now.Add(m.ahead) }

// stamp is a time in microseconds since 1970, which is what PostgreSQL's commit
// times have: a third of the size of a time.Time, of which items would have
// several.
type stamp int64

func stampOf(t time.Time) stamp { return stamp(t.UnixMicro()) }

// since is the time from t to s.
func (s stamp) since(t stamp) time.Duration { return time.Duration(s-t) * time.Microsecond }

func (s stamp) time() time.Time { return time.UnixMicro(int64(s)).UTC() }

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

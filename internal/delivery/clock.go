package delivery

import "time"

// clock is what the Machine knows of time: when it wants to be woken, and what
// people's clocks show.
type clock struct {
	// ahead is how far the wall clock is ahead of the times of Step.
	ahead  time.Duration
	timers timers
	// wake is when the next Step is wanted, but for the timers.
	wake time.Time
}

// Deadline returns when the Machine wants its next Step at the latest; zero
// when it waits for events only.
func (m *Machine) Deadline() time.Time {
	if at, ok := m.clock.timers.next(); ok {
		m.wakeAt(at)
	}
	return m.clock.wake
}

func (m *Machine) wakeAt(at time.Time) {
	if m.clock.wake.IsZero() || at.Before(m.clock.wake) {
		m.clock.wake = at
	}
}

// SetClock says, from now on, how far the wall clock is ahead of the times
// that Step gets; zero until it is called. Those times only ever grow, at the
// pace of time itself; a wall clock is set forwards and back. The Machine goes
// by the wall clock only where others do: the day of Marketo's quota, commit
// times, and times that people read.
func (m *Machine) SetClock(now time.Time, ahead time.Duration) {
	m.clock.ahead = ahead
	m.calls.limiter.SetClock(now, ahead)
}

// wall is what the wall clock shows at now.
func (m *Machine) wall(now time.Time) time.Time { return now.Add(m.clock.ahead) }

// stamp is a time in microseconds since 1970, which is what PostgreSQL's commit
// times have: a third of the size of a time.Time, of which items would have
// several.
type stamp int64

func stampOf(t time.Time) stamp { return stamp(t.UnixMicro()) }

// earlier is the earlier of two times, of which a may be unknown, zero.
func earlier(a, b stamp) stamp {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// since is the time from t to s.
func (s stamp) since(t stamp) time.Duration { return time.Duration(s-t) * time.Microsecond }

func (s stamp) time() time.Time { return time.UnixMicro(int64(s)).UTC() }

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

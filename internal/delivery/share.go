package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// bulkShare is what backfills have taken of the calls. They may take a part of each
// window of Marketo's rate limit, of the calls at a time, and of what the day has
// left; and next to nothing where live changes are about to need the rest.
type bulkShare struct {
	// recent are the calls of the last window, oldest first; none where there is no
	// limit.
	recent []time.Time
	// sending counts those under way.
	sending int
	// today counts those since the quota was reset last; it is at reset again.
	today int
	reset time.Time
	// last is when the last one began.
	last time.Time
}

// slowest is the time between two calls of backfills that get next to nothing.
const slowest = time.Minute

// bulkPlace reports whether backfills may have one more call under way.
func (m *Machine) bulkPlace() bool {
	most := m.part(m.cfg.Limits.ConcurrentCalls)
	return most == 0 || m.feeds.share.sending < most
}

// bulkLeft reports whether backfills have a call left of the rate and of the day,
// beside those that were recorded ahead, and sets the alarm for when they may.
func (m *Machine) bulkLeft(now time.Time) bool {
	s := &m.feeds.share
	gone := 0
	for gone < len(s.recent) && now.Sub(s.recent[gone]) >= marketo.Window {
		gone++
	}
	s.recent = s.recent[gone:]
	if most := m.part(m.cfg.Limits.CallsPer20s); most > 0 && len(s.recent)+m.ahead.bulk >= most {
		if len(s.recent) > 0 {
			m.wakeAt(s.recent[0].Add(marketo.Window))
		}
		return false
	}
	if m.plenty(now) {
		return true
	}
	at := s.last.Add(slowest)
	if m.keptForLive(now) {
		at = now.Add(slowest)
	}
	if at.After(now) {
		m.wakeAt(at)
		return false
	}
	return true
}

// bulkWait is the longest that an object of a backfill waits for its batch to
// fill, as more rows come.
const bulkWait = 10 * time.Second

// bulkDue is due for a lane of a backfill. A call that is recorded ahead needs no place
// yet.
func (m *Machine) bulkDue(now time.Time, l *lane, ahead bool) bool {
	if s := &m.states[l.mapping]; s.paused[bulk] != "" || m.silent(l.mapping) || m.end.stopping ||
		l.operation == marketo.Delete && m.mayDelete(now, l.mapping, 1) == 0 {
		return false
	}
	if l.n < m.cfg.Capacity.Objects {
		wait := bulkWait
		if m.feeds.last {
			wait = m.cfg.MaxWait
		}
		if at := l.first().since.time().Add(wait); at.After(now) {
			m.wakeAt(at)
			return false
		}
	}
	return (ahead && m.bulkAhead() || !ahead && m.bulkPlace()) && m.bulkLeft(now)
}

// part is the part of a limit that backfills may use, at least one; zero means
// no limit.
func (m *Machine) part(limit int) int {
	if limit == 0 {
		return 0
	}
	return max(1, int(m.cfg.BackfillShare*float64(limit)))
}

// plenty reports whether the day has calls for backfills beside what live changes
// will need.
func (m *Machine) plenty(now time.Time) bool {
	limit := m.cfg.Limits.CallsPerDay
	if limit == 0 {
		return true
	}
	used, today := m.calls.limiter.Used(now), m.bulkToday(now)
	left := limit - used
	forecast, _ := m.expected(now, max(0, used-today))
	return !m.keptForLive(now) && m.pace.every == 0 &&
		float64(today+m.ahead.bulk) < m.cfg.BackfillShare*float64(left+today) && float64(left) > forecast
}

// keptForLive reports whether what is left of the day is kept for live changes.
func (m *Machine) keptForLive(now time.Time) bool {
	limit := m.cfg.Limits.CallsPerDay
	return limit > 0 && float64(limit-m.calls.limiter.Used(now)) <= m.cfg.LiveReserve*float64(limit)
}

// bulkToday is how many calls of this life backfills have taken of the day.
func (m *Machine) bulkToday(now time.Time) int {
	s := &m.feeds.share
	if s.today == 0 {
		return 0
	}
	if reset := marketo.NextReset(m.wall(now)); !reset.Equal(s.reset) {
		s.reset, s.today = reset, 0
	}
	return s.today
}

// countShare counts a call of a backfill.
func (m *Machine) countShare(now time.Time) {
	m.bulkToday(now)
	s := &m.feeds.share
	if s.today == 0 {
		s.reset = marketo.NextReset(m.wall(now))
	}
	if m.cfg.Limits.CallsPer20s > 0 {
		s.recent = append(s.recent, now)
	}
	s.sending++
	s.today++
	s.last = now
}

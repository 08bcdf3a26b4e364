package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	// paceAfter is the least part of a day that a forecast is made from: a
	// day that has just begun says nothing about its rate.
	paceAfter = time.Hour
	// longestPace bounds how far freshness is given up to save calls.
	longestPace = 15 * time.Minute
)

// pace spreads what is left of the day's calls over what is left of the day.
// While the calls made so far, at the rate so far, leave enough, batches wait
// MaxWait and no longer. When they run short, batches leave one at a time, so
// far apart that the day lasts, if waiting lets them carry more: when they are
// not full, or their keys come again. Others are never held.
type pace struct {
	// every is the time between two such batches; zero while there is plenty,
	// which after a shortage takes a tenth more than enough.
	every time.Duration
	// last is when the last such batch left.
	last time.Time
	// spent is set while our own limit of the day is used up.
	spent bool
}

// paced reports whether a batch that may carry more later may leave now, and
// sets the alarm for when it may.
func (m *Machine) paced(now time.Time) bool {
	every := m.spacing(now)
	if (every > 0) != (m.pace.every > 0) {
		if every > 0 {
			m.log(slog.LevelWarn, "calls of the day run short; batches that waiting can fill further wait longer", "every", every.Round(time.Second))
		} else {
			m.log(slog.LevelInfo, "calls of the day suffice again; batches wait no longer than max_wait")
		}
	}
	m.pace.every = every
	at := m.pace.last.Add(every)
	if at.After(now) {
		m.wakeAt(at)
		return false
	}
	return true
}

// tellQuota logs when our own limit of the day is used up, and when it is not
// any more.
func (m *Machine) tellQuota(ok bool, why string) {
	used := why == marketo.WhyQuota && !m.calls.limiter.IsExhausted()
	switch {
	case used && !m.pace.spent:
		m.log(slog.LevelWarn, "the calls of the day are used up by marketo.limits.calls_per_day; sending goes on after midnight US Central", "limit", m.cfg.Limits.CallsPerDay)
		m.pace.spent = true
	case ok && m.pace.spent:
		m.log(slog.LevelInfo, "there are calls of the day again")
		m.pace.spent = false
	}
}

// spacing forecasts the day from its rate so far and returns the time between
// two batches that makes the rest of its calls last; zero when they suffice.
func (m *Machine) spacing(now time.Time) time.Duration {
	used, limit := m.calls.limiter.Used(now), m.cfg.Limits.CallsPerDay
	left := limit - used
	if limit == 0 || left <= 0 {
		return 0
	}
	forecast, remaining := m.expected(now, max(0, used-m.bulkToday(now)))
	if m.pace.every > 0 {
		forecast *= 1.1
	}
	if forecast <= float64(left) {
		return 0
	}
	return min(remaining/time.Duration(left), longestPace)
}

// expected forecasts how many calls the rest of the day takes, and how long that
// is, from those that it has taken.
func (m *Machine) expected(now time.Time, used int) (calls float64, remaining time.Duration) {
	wall := m.wall(now)
	remaining = marketo.NextReset(wall).Sub(wall)
	elapsed := max(24*time.Hour-remaining, paceAfter)
	return float64(used) / elapsed.Hours() * remaining.Hours(), remaining
}

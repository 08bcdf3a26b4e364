package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// pauses are why no call is made, for what came of earlier ones.
type pauses struct {
	outage   outage
	throttle throttle
	// wish is until when the server wishes that nobody calls it.
	wish time.Time
}

// outage is a row of failed calls. While it lasts one call at a time goes
// out, after a pause that grows.
type outage struct {
	failures int
	expired  int
	until    time.Time
	fault    marketo.Fault
	since    time.Time
	// last is when a failure last counted.
	last time.Time
	// passed is when a call last succeeded.
	passed time.Time
}

// throttle is how much more often Marketo refused calls, as too many are made,
// than it let one pass. It counts calls of all integrations, so that others may
// leave us nothing. While it lasts one call at a time goes out, after a pause
// that grows.
type throttle struct {
	refusals int
	// since is when it began, last when a refusal last counted.
	since, last time.Time
	until       time.Time
	fault       marketo.Fault
	// told is set once the log has it.
	told bool
}

const (
	// mostRefusals is how many refusals are remembered.
	mostRefusals = 8
	// throttledLong is how long Marketo may throttle calls until that is no
	// longer called ready.
	throttledLong = time.Minute
)

// throttled lengthens the pause before the next call.
func (m *Machine) throttled(now, started time.Time, f *marketo.Fault) {
	m.calls.limiter.Throttled(now, f.Class)
	t := &m.pauses.throttle
	t.fault = *f
	switch {
	case t.refusals == 0:
		t.since = now
	case !started.After(t.last):
		return // it was under way together with the one that counted
	}
	t.last = now
	t.refusals = min(t.refusals+1, mostRefusals)
	first, most := time.Second, time.Minute
	if f.Class == marketo.FaultRate {
		first, most = marketo.Window, 2*time.Minute
	}
	t.until = now.Add(m.jitter(m.backoff(first, most, t.refusals)))
	if !t.told && m.isThrottled(now) {
		t.told = true
		m.log(slog.LevelWarn, "marketo refuses calls: too many are made, all integrations together", "code", f.Code, "for", now.Sub(t.since).Round(time.Second))
	}
}

// isThrottled reports whether Marketo has been throttling calls for long.
func (m *Machine) isThrottled(now time.Time) bool {
	return m.pauses.throttle.refusals > 0 && now.Sub(m.pauses.throttle.since) >= throttledLong
}

// unthrottled counts a call that passed, started after the last refusal.
func (m *Machine) unthrottled(now, started time.Time) {
	t := &m.pauses.throttle
	if t.refusals == 0 || !started.After(t.last) {
		return
	}
	if t.refusals--; t.refusals > 0 {
		return
	}
	if t.told {
		m.log(slog.LevelInfo, "marketo takes calls again", "after", now.Sub(t.since).Round(time.Second))
	}
	*t = throttle{}
}

// wait notes for how long the server wishes that nobody calls it. It is granted
// whatever the fault, and whatever passes meanwhile.
func (m *Machine) wait(now time.Time, f *marketo.Fault) {
	if until := now.Add(min(f.RetryAfter, time.Hour)); until.After(m.pauses.wish) {
		m.pauses.wish = until
	}
}

// pausedByFaults reports whether no call may start now, or none beside those
// under way, for what came of earlier ones.
func (m *Machine) pausedByFaults(now time.Time) bool {
	for _, until := range []time.Time{m.pauses.wish, m.pauses.outage.until, m.pauses.throttle.until} {
		if until.After(now) {
			m.wakeAt(until)
			return true
		}
	}
	return (m.pauses.outage.failures > 0 || m.pauses.throttle.refusals > 0) && len(m.calls.sent) > 0
}

// failed lengthens the pause before the next call. Calls that were under way
// together fail together: that is one failure, and one pause.
func (m *Machine) failed(now, started time.Time, f *marketo.Fault) {
	t := &m.pauses.outage
	if t.failures == 0 {
		t.since = now
	}
	if t.failures == 0 || t.fault.Class != f.Class || t.fault.Code != f.Code {
		m.log(slog.LevelWarn, "calls to marketo fail", "class", f.Class.String(), "code", f.Code, "err", f.Message)
	}
	if t.failures > 0 && !started.After(t.last) {
		t.fault = *f
		return
	}
	t.failures++
	t.fault, t.last = *f, now
	first, most := 500*time.Millisecond, time.Minute
	if f.Class == marketo.FaultCredentials || f.Class == marketo.FaultExpired {
		first = 5 * time.Second
	}
	t.until = now.Add(m.jitter(m.backoff(first, most, t.failures)))
}

// recovered ends the row of failures: Marketo has looked at a call.
func (m *Machine) recovered(now, started time.Time) {
	m.unthrottled(now, started)
	if m.calls.limiter.Passed(started) {
		m.ledger.counted = true
		m.log(slog.LevelInfo, "marketo has calls of the day again")
	}
	t := &m.pauses.outage
	if t.failures > 0 {
		m.log(slog.LevelInfo, "calls to marketo pass again", "failed", t.failures, "after", now.Sub(t.since))
	}
	*t = outage{passed: now}
}

// backoff returns first, doubled for every attempt after the first, at most
// the given most.
func (m *Machine) backoff(first, most time.Duration, attempt int) time.Duration {
	for i := 1; i < attempt && first < most; i++ {
		first *= 2
	}
	return min(first, most)
}

// together moves a time to the end of the MaxWait span it lies in, so that
// objects that are tried again share calls.
func (m *Machine) together(at time.Time) time.Time {
	return at.Truncate(m.cfg.MaxWait).Add(m.cfg.MaxWait)
}

// jitter returns a duration between half of d and d.
func (m *Machine) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(m.rng.Int64N(int64(d/2)+1))
}

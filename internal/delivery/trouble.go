package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// trouble is a row of failed calls. While it lasts one call at a time goes
// out, after a pause that grows.
type trouble struct {
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

// failed lengthens the pause before the next call. Calls that were under way
// together fail together: that is one failure, and one pause.
func (m *Machine) failed(now, started time.Time, f *marketo.Fault) {
	t := &m.trouble
	if t.failures == 0 {
		t.since = now
	}
	if t.failures == 0 || t.fault.Class != f.Class || t.fault.Code != f.Code {
		m.log(slog.LevelWarn, "calls to marketo fail", "class", f.Class.String(), "code", f.Code, "err", f.Message)
	}
	wish := now.Add(min(f.RetryAfter, time.Hour))
	if t.failures > 0 && !started.After(t.last) {
		t.fault = *f
		if wish.After(t.until) {
			t.until = wish
		}
		return
	}
	t.failures++
	t.fault, t.last = *f, now
	first, most := 500*time.Millisecond, time.Minute
	if f.Class == marketo.FaultCredentials || f.Class == marketo.FaultExpired {
		first = 5 * time.Second
	}
	pause := m.jitter(m.backoff(first, most, t.failures))
	t.until = now.Add(pause)
	if wish.After(t.until) {
		t.until = wish
	}
}

// recovered ends the row of failures.
func (m *Machine) recovered(now time.Time) {
	t := &m.trouble
	if t.failures > 0 {
		m.log(slog.LevelInfo, "calls to marketo pass again", "failed", t.failures, "after", now.Sub(t.since))
	}
	*t = trouble{passed: now}
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

package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// wallClock is the clock on the process's wall. The world's own time, which
// the source and Marketo go by, is the true one.
type wallClock struct {
	// ahead is how far the wall clock is ahead of the true time, base how far
	// it was when the process began: it reckons from there.
	ahead, base time.Duration
	// told is what the process was told last.
	told time.Duration
	// jumps counts how often the clock was set.
	jumps int
}

// time is the process's own: it never jumps.
func (s *Simulator) time() time.Time {
	if s.plant.wallTime {
		return epoch.Add(s.now + s.clock.ahead)
	}
	return epoch.Add(s.now + s.clock.base)
}

// trueTime is that of the world.
func (s *Simulator) trueTime() time.Time { return epoch.Add(s.now) }

// fromProcess turns a time of the process into one of the world.
func (s *Simulator) fromProcess(at time.Time) time.Duration {
	return at.Sub(s.time()) + s.now
}

// setClock sets the wall clock: by a little, as a correction does, or to
// another day.
func (s *Simulator) setClock() {
	c := &s.clock
	by := pick(s, s.between(-5*time.Second, 5*time.Second), s.between(-3*time.Hour, 3*time.Hour), s.between(-50*time.Hour, 50*time.Hour))
	if s.rng.IntN(3) == 0 {
		by = -c.ahead
	}
	c.ahead += by
	c.jumps++
	s.covered.ClockJumps++
	s.tracef("the wall clock is set by %s, to %s ahead", by, c.ahead)
}

// tellClock tells the process that its clock was set, as its shell would.
func (s *Simulator) tellClock() {
	c := &s.clock
	if ahead := c.ahead - c.base; ahead != c.told && !s.plant.wallTime {
		c.told = ahead
		s.process.machine.SetClock(s.time(), ahead)
	}
}

// dayLimit is how many calls Marketo may see in one of its days: a clock that
// is set may begin the day anew, and once more at its own midnight.
func (s *Simulator) dayLimit() int {
	return s.profile.config.Limits.CallsPerDay * (1 + 2*s.clock.jumps)
}

// dayEnd is when Marketo's day ends.
func (s *Simulator) dayEnd() time.Duration { return marketo.NextReset(s.trueTime()).Sub(epoch) }

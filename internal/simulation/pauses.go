package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// pausing is somebody's word that a mapping is to wait. It outlives the process,
// which is told of it again at every start.
type pausing struct {
	on bool
	// recorded is the newest call of the mapping that was given to the store in this
	// life, last the newest that may be sent while it is paused: it had been counted
	// when the word came. counting is set until the first save since, which may
	// carry some of those.
	recorded, last uint64
	counting       bool
}

const pauseReason = "the type is being changed"

// anyMapping has word take whichever.
const anyMapping = -1

// planWord has somebody act some time on.
func (s *Simulator) planWord() {
	if s.profile.pausing {
		s.plan(s.exponential(10*s.profile.commitEvery), evWord, anyMapping)
	}
}

// word pauses a mapping, or now and then all of them, or has them go on.
func (s *Simulator) word(m int) {
	if s.healed {
		return
	}
	if m == anyMapping {
		s.planWord()
		m = s.rng.IntN(len(mappings))
	}
	if !s.process.alive() {
		return
	}
	all := s.rng.IntN(8) == 0
	on := !s.paused[m].on
	for i := range mappings {
		if i == m || all {
			s.setPaused(i, on)
		}
	}
}

// setPaused has a mapping wait, or go on. The word is in the store before the
// process hears of it.
func (s *Simulator) setPaused(m int, on bool) {
	p := &s.paused[m]
	if p.on == on {
		return
	}
	p.on, p.last, p.counting = on, p.recorded, on
	s.tracef("mapping %d: paused %v", m, on)
	if !s.process.alive() {
		return
	}
	if on {
		s.covered.MappingsPaused++
		s.step(delivery.Pause{Mapping: m, Reason: pauseReason})
		return
	}
	if s.process.machine.Balance(m).Pending > 0 {
		s.covered.ResumedWithWork++
	}
	s.step(delivery.Pause{Mapping: m})
}

// pauseAgain tells a process that begins what is paused.
func (s *Simulator) pauseAgain() {
	for m := range mappings {
		p := &s.paused[m]
		p.recorded, p.last, p.counting = 0, 0, false
		if !p.on || s.plant.forgetPauses || !s.process.alive() {
			continue
		}
		s.covered.StartedPaused++
		s.step(delivery.Pause{Mapping: m, Reason: pauseReason})
	}
}

// resumeAll has everything go on.
func (s *Simulator) resumeAll() {
	for m := range mappings {
		s.setPaused(m, false)
	}
}

// noteStarted notes the calls that a save carries.
func (s *Simulator) noteStarted(sv *save) {
	for _, c := range sv.Started {
		if len(c.Keys) == 0 {
			continue
		}
		m := s.keys[parseKey(c.Keys[0])].mapping
		p := &s.paused[m]
		p.recorded = max(p.recorded, c.ID)
		if p.counting {
			p.last = max(p.last, c.ID)
		}
		if s.profile.pausing && !p.on && s.rng.IntN(8) == 0 {
			s.plan(s.between(0, 5*time.Millisecond), evWord, m) // while it is on its way
		}
	}
	for m := range mappings {
		s.paused[m].counting = false
	}
}

// checkPaused: nothing of a paused mapping is sent, but in calls that were on their
// way into the store.
func (s *Simulator) checkPaused(r *request) {
	m := s.keys[r.keys[0]].mapping
	p := &s.paused[m]
	if !p.on {
		return
	}
	if r.id > p.last {
		s.fail("paused", "call %d of mapping %d is sent, although it is paused", r.id, m)
	}
	s.covered.SentPaused++
}

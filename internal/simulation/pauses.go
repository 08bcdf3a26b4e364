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
	if p.on = on; on {
		p.last, p.counting = p.recorded, true
	}
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
	if s.process.alive() && s.reader.left[m] && !s.process.stopping && !s.plant.sameLife {
		s.covered.BegunAnew++
		s.stop()
	}
}

// leaveOut: the machine takes nothing more of a mapping in this life.
func (s *Simulator) leaveOut(m int) {
	if !s.paused[m].on || s.reader.left[m] {
		s.fail("paused", "what comes of mapping %d is left in postgresql, which is not paused, or is left already", m)
	}
	s.reader.left[m] = true
	s.covered.LeftOut++
	s.tracef("mapping %d is left in postgresql from %s, change %d", m, s.reader.final, s.reader.seq)
}

// checkShare: while others go on, paused mappings have no more than a part of memory
// together, or what they had when that began, and what is not of the stream.
func (s *Simulator) checkShare() {
	p, pending, paused, others := &s.process, 0, 0, false
	for m := range mappings {
		if s.paused[m].on {
			pending, paused = pending+p.machine.Balance(m).Pending, paused+1
		} else {
			others = others || !s.reader.stops[m] && !s.reader.left[m]
		}
	}
	behind := s.reader.received <= p.sentBefore
	if paused != p.share.paused || !others || behind || p.share.behind {
		p.share = share{paused, pending, behind}
		return
	}
	quarter := s.profile.config.MaxPending / 4
	most := max(p.share.most, quarter, 1) + 2*len(mappings) + len(s.disk.now.parked)
	if s.profile.backfill {
		most += quarter + s.backfill.largest
	}
	if pending > most {
		s.fail("share", "%d objects of paused mappings are in memory, at most %d may be while others go on", pending, most)
	}
}

// share is how many mappings are paused, and what they had in memory then; behind is
// set while what was sent before has not come again.
type share struct {
	paused, most int
	behind       bool
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
	if !p.on && !s.reader.left[m] {
		return
	}
	if r.id > p.last {
		s.fail("paused", "call %d of mapping %d is sent, although it is paused", r.id, m)
	}
	s.covered.SentPaused++
}

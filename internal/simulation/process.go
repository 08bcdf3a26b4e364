package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// process is one life of the daemon: the machine, and what the world has to
// remember of it.
type process struct {
	life     int32
	machine  *delivery.Machine
	wake     time.Duration // the machine's deadline; -1 is none
	idle     int           // steps in a row at one instant
	idleAt   time.Duration
	paused   time.Duration // stopped by the system until then
	stopping bool
	flying   int
	// dying counts the effects until the process dies; -1 is never.
	dying     int
	powerLoss bool
	// acknowledged is the last position the machine acknowledged in this life.
	acknowledged LSN
	delivered    [len(mappings)]uint64
	pieces       int // the largest piece delivered
	earlier      int // the largest one of earlier lives
	fresh        []confirmation
	stand        stand
	share        share
	// sentBefore is the newest transaction of which any life before has sent anything.
	sentBefore LSN
	// steps counts what came and went of the oldest unsettled transaction.
	steps   int
	effects []delivery.Effect
}

func (p *process) alive() bool { return p.machine != nil }

func (s *Simulator) resetProcess() {
	s.process = process{wake: -1, dying: -1, effects: s.process.effects[:0]}
	s.reader = reader{entries: s.reader.entries[:0]}
	s.reads = s.reads[:0]
}

// start begins a life from what the store holds.
func (s *Simulator) start() {
	if s.process.alive() {
		return
	}
	p := &s.process
	*p = process{
		life: p.life + 1, wake: -1, dying: -1, effects: p.effects[:0],
		earlier: max(p.earlier, p.pieces), sentBefore: s.disk.now.sent.Commit,
	}
	st := s.load()
	if s.slot.memory > s.disk.now.lsn {
		s.fail("I1", "the slot was told %s, the checkpoint found at start is %s", s.slot.memory, s.disk.now.lsn)
	}
	powerLost := !st.SameBoot
	s.plant.start(s, &st)
	s.tracef("life %d from %s: clean %v, same boot %v, in flight %d, settled %d, parked %d",
		p.life, s.disk.now.lsn, st.Clean, st.SameBoot, len(st.InFlight), len(st.Settled), len(st.Parked))
	if !st.Clean && !st.SameBoot {
		s.covered.PowerStarts++
	}
	s.beginRecord(powerLost)
	s.beginLife(powerLost)
	s.waste = waste{}
	s.clock.base, s.clock.told = s.clock.ahead, 0
	s.reader = reader{received: s.disk.now.lsn, entries: s.reader.entries[:0]}
	config := s.profile.config
	s.plant.configure(&config)
	p.machine = delivery.New(config, st, s.time())
	s.covered.Lives++
	s.beginBackfill()
	s.planFor(s.between(time.Millisecond, 200*time.Millisecond), evConnect, 0)
	if s.profile.kills && !s.healed && s.rng.IntN(4) == 0 {
		// A short life, which must pass on what the one before it left.
		s.planFor(s.between(0, 30*time.Second), evKill, 0)
	}
	s.pauseAgain()
	s.step(delivery.Tick{})
}

// step takes the machine one step and carries the effects out.
func (s *Simulator) step(ev delivery.Event) {
	p := &s.process
	for _, ev := range s.plant.events(s, ev) {
		if !p.alive() {
			return
		}
		s.steps++
		s.tellClock()
		s.calledReady()
		p.effects = append(p.effects[:0], p.machine.Step(s.time(), ev)...)
		for _, e := range p.effects {
			if p.dying == 0 {
				s.die(p.powerLoss)
				return
			}
			if p.dying > 0 {
				p.dying--
			}
			if _, saved := ev.(delivery.Saved); !saved && isSend(e) {
				s.covered.Ahead++
			}
			for _, e := range s.plant.effects(s, e) {
				s.carryOut(e)
			}
			if !p.alive() {
				return
			}
		}
		if p.dying == 0 {
			s.die(p.powerLoss)
			return
		}
		s.checkStep()
		s.checkStand()
		s.checkWait()
		p.wake = -1
		if at := p.machine.Deadline(); !at.IsZero() {
			p.wake = s.fromProcess(at)
		}
	}
	s.notice()
}

func isSend(e delivery.Effect) bool {
	_, ok := e.(delivery.Send)
	return ok
}

// carryOut does what the shell would do.
func (s *Simulator) carryOut(e delivery.Effect) {
	switch e := e.(type) {
	case delivery.Send:
		s.call(e)
	case delivery.Save:
		s.begin(e.Save)
	case delivery.Acknowledge:
		s.acknowledge(e.LSN)
	case delivery.Read:
		s.read(e)
	case delivery.Log:
		s.covered.Logs++
		if s.trace != nil {
			s.tracef("log: %s %v", e.Message, e.Args)
		}
	case delivery.Tell:
		s.told(e.Answer)
	case delivery.Look:
		s.look(e)
	case delivery.Unchanged:
		s.unchanged(e)
	case delivery.LeaveOut:
		s.leaveOut(e.Mapping)
	case delivery.TicketSettled:
		s.ticketSettled(e.Ticket)
	case delivery.BackfillPaused:
		s.planFor(s.between(time.Second, time.Hour), evResume, 0)
	case delivery.Answer:
		s.reserved(e.Answer)
	case delivery.Finished:
		s.finished(e)
	}
}

// acknowledge passes a position on to the server, if there is a connection.
func (s *Simulator) acknowledge(lsn LSN) {
	s.covered.Confirms++
	s.tracef("acknowledge %s", lsn)
	s.checkAcknowledged(lsn)
	s.process.acknowledged = lsn
	if s.reader.connected {
		s.slot.memory = max(s.slot.memory, lsn)
		if s.rng.IntN(4) == 0 {
			s.slot.disk = s.slot.memory
		}
	}
}

// dieSoon ends the life now, or between two of its next effects.
func (s *Simulator) dieSoon(power bool) {
	if s.rng.IntN(2) == 0 {
		s.die(power)
		return
	}
	s.process.dying, s.process.powerLoss = 1+s.rng.IntN(4), power
}

// die ends the life at once.
func (s *Simulator) die(power bool) {
	p := &s.process
	s.tracef("dies, power loss %v", power)
	s.endLife()
	p.machine = nil
	p.wake = -1
	s.reader.connected = false
	if d := &s.disk; d.under != nil {
		switch {
		case d.full <= s.now && s.rng.IntN(2) == 0:
			s.finishSave()
			s.covered.SavesFinishedByDeath++
		case s.profile.record && s.rng.IntN(2) == 0:
			s.remember(d.under) // it has that first
		}
		d.under = nil
	}
	if power {
		s.covered.PowerLosses++
		s.loseDisk()
	} else {
		s.covered.Kills++
	}
	s.plan(s.between(50*time.Millisecond, 40*time.Second), evStart, 0)
}

// stop asks for an orderly end.
func (s *Simulator) stop() {
	p := &s.process
	p.stopping = true
	s.tracef("stop")
	s.covered.Stops++
	s.planFor(30*time.Second, evOvertime, 0)
	s.step(delivery.Stop{SendUntil: s.time().Add(15 * time.Second)})
}

// finished ends the life in order.
func (s *Simulator) finished(e delivery.Finished) {
	s.covered.Finished++
	s.tracef("finished, %d left", e.Left)
	s.checkFinished(e)
	s.endLife()
	s.process.machine = nil
	s.process.wake = -1
	s.reader.connected = false
	s.plan(s.between(50*time.Millisecond, 40*time.Second), evStart, 0)
}

// pause has the system stop the process for a while.
func (s *Simulator) pause() {
	s.covered.Pauses++
	s.process.paused = s.now + s.between(time.Second, 5*time.Minute)
	s.tracef("stopped by the system until %s", s.process.paused)
}

// chaos lets something go wrong, and plans the next time.
func (s *Simulator) chaos() {
	if s.healed {
		return
	}
	s.plan(s.exponential(s.profile.chaosEvery), evChaos, 0)
	p, live := &s.profile, s.process.alive()
	switch s.rng.IntN(13) {
	case 0, 1:
		if p.kills && live {
			s.dieSoon(false)
		}
	case 2:
		if p.powerLoss && live {
			s.dieSoon(true)
		}
	case 3:
		if p.stops && live && !s.process.stopping {
			s.stop()
		}
	case 4, 5:
		if p.disconnects {
			s.disconnect()
		}
	case 6:
		if p.serverCrashes {
			s.covered.ServerCrashes++
			s.slot.memory = s.slot.disk
			s.disconnect()
		}
	case 7:
		if p.pauses && live {
			s.pause()
		}
	case 8:
		if p.diskFull {
			s.disk.full = s.now + s.between(10*time.Millisecond, time.Minute)
		}
	case 9:
		if p.outages {
			s.breakSink()
		}
	case 10:
		if p.clock {
			s.setClock()
		}
	case 11, 12:
		if p.operator && live {
			s.act()
		}
	}
}

// heal ends all faults. An operator raises the limits that stand in the way.
func (s *Simulator) heal() {
	s.tracef("healed")
	s.healed = true
	s.profile.calm()
	s.disk.full, s.outage, s.process.dying = 0, outage{}, -1
	s.resumeAll()
	if s.profile.raised {
		s.profile.config.MaxParked, s.profile.config.HaltOnReject = 100_000, false
		if s.process.alive() {
			s.die(false)
		}
	}
	if s.reader.anyStopped() && s.process.alive() {
		s.die(false) // somebody has fixed what was broken
	}
	s.notice()
}

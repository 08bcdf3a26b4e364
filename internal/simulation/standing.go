package simulation

import "time"

// stand is how long, as the world sees it, the slot has stood with work to do
// while the daemon called itself ready.
type stand struct {
	confirmed LSN
	low       int32
	work      bool
	steps     int
	since     time.Duration
}

const (
	// looksFrom is how long the slot has stood when the world begins to ask what
	// the daemon calls itself.
	looksFrom = time.Minute
	// longestStand is how long it may be ready then: more than the machine's
	// minute, as the world does not see all that is a step of the oldest
	// transaction, such as what merges, and sees others only once they are saved.
	longestStand = 3 * time.Minute
)

// checkStand: a slot that stands with work to do, for whatever reason, is not
// called ready for more than a minute.
func (s *Simulator) checkStand() {
	p := &s.process
	at := stand{confirmed: p.acknowledged, low: s.low, work: s.work(), steps: p.steps, since: p.stand.since}
	// Where a removal became the object of another spelling, the world does not
	// see when that is settled.
	if at != p.stand || !at.work || s.profile.spellings {
		at.since = s.now
		p.stand = at
		return
	}
	if s.calledReady() {
		s.fail("I11", "the slot has stood for %s with change %d unsettled, and the daemon is ready", s.now-at.since, s.low)
	}
}

// calledReady reports whether the daemon is called ready although the slot has
// stood for long.
func (s *Simulator) calledReady() bool {
	st := &s.process.stand
	// A process that the system has stopped says nothing.
	stood := s.now - max(st.since, s.process.paused)
	if !st.work || stood < looksFrom {
		return false
	}
	if len(s.process.machine.Report(s.time()).Stalled) == 0 {
		return stood >= longestStand
	}
	s.covered.Stood++
	st.since = s.now
	return false
}

// work reports whether the machine has a change that is not settled.
func (s *Simulator) work() bool {
	if int(s.low) >= len(s.changes) {
		return false
	}
	r := &s.reader
	return s.end(s.low) <= r.received || r.inside && r.tx == int(s.changes[s.low].tx) && s.low < r.change
}

// went notes that a change is done with, and all before it of the same key: a
// step of the oldest transaction, if one of them is of it. A large transaction
// is not standing while it goes on, nor is one that comes for a second time.
func (s *Simulator) went(stamp int32) {
	if int(s.low) >= len(s.changes) {
		return
	}
	tx := s.changes[s.low].tx
	// What the world has as settled, the machine may still have to send.
	old := s.changes[stamp].tx < tx
	for i := stamp; !old && i != 0 && s.changes[i].tx >= tx; i = s.changes[i].previous {
		old = s.changes[i].tx == tx
	}
	if old {
		s.process.steps++
	}
}

package simulation

import (
	"maps"
	"slices"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// operator is somebody who looks at the parked objects in the store and has
// one of them tried again, or gives it up.
type operator struct {
	key     int32
	discard bool
	asked   bool
	// releases counts the releases that are not answered.
	releases int
}

// release lets everything go on that waits.
func (s *Simulator) release() {
	s.tracef("operator: release")
	s.covered.Releases++
	s.waste.asked++
	s.acted.releases++
	s.step(delivery.Release{})
}

// reserve asks for leave for a call of somebody else.
func (s *Simulator) reserve() { s.step(delivery.Reserve{}) }

// reserved counts that call, if it may be made.
func (s *Simulator) reserved(answer delivery.Reserved) {
	if !answer.OK {
		return
	}
	s.covered.Reserved++
	s.tracef("a call of somebody else")
	s.checkLimits(false)
	s.process.flying--
}

// act picks what the store shows, or something that is not there.
func (s *Simulator) act() {
	switch s.rng.IntN(4) {
	case 0:
		s.release()
		return
	case 1:
		s.reserve()
		return
	}
	a := &s.acted
	*a = operator{key: int32(s.rng.IntN(len(s.keys))), discard: s.rng.IntN(2) == 0, asked: true}
	if keys := slices.Sorted(maps.Keys(s.disk.now.parked)); len(keys) > 0 && s.rng.IntN(8) > 0 {
		a.key = keys[s.rng.IntN(len(keys))]
	}
	s.tracef("operator: key %d, discard %v", a.key, a.discard)
	s.step(delivery.Act{Keys: []string{s.text(a.key)}, Discard: a.discard})
	if a.asked && s.process.alive() {
		s.fail("operator", "no answer")
	}
}

// told is the answer.
func (s *Simulator) told(answer delivery.Acted) {
	a := &s.acted
	if a.releases > 0 {
		a.releases--
		return
	}
	if !a.asked || answer.Done+answer.Missing+len(answer.Problems) != 1 {
		s.fail("operator", "asked for one object and was told %+v", answer)
	}
	a.asked = false
	switch {
	case answer.Done == 0:
		s.covered.ActedInVain++
	case a.discard:
		s.covered.Discarded++
		s.keys[a.key].discarded = s.keys[a.key].last
		s.keys[a.key].inexact = true
	default:
		s.covered.RetriedByHand++
	}
}

package simulation

import (
	"maps"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// record is what is remembered of confirmed objects, in a file of its own: it has
// what a save confirms before the store has the save, and is emptied after a loss
// of power.
type record struct {
	objects map[string]checkpoint.Confirmed
	// older is how it was some time ago: nobody syncs it.
	older map[string]checkpoint.Confirmed
	// late is a save that it has still to take over, by a planted mistake.
	late  *save
	asked []delivery.Look
}

// digest makes the same of all stamps: each change has one of its own, which
// stands for a column that is not mapped.
func digest(i int, v marketo.Value) uint64 {
	if i == 1 {
		return 1
	}
	return xxhash.Sum64String(v.Text)<<8 | uint64(v.Kind)<<1 | 1
}

func (s *Simulator) beginRecord(powerLost bool) {
	s.record.late = nil
	s.record.asked = s.record.asked[:0]
	if !powerLost {
		return
	}
	if len(s.record.objects) > 0 {
		s.covered.RecordsLost++
	}
	s.record.objects = nil
	if s.plant.keepRecord {
		s.record.objects = maps.Clone(s.record.older)
	}
}

// remember takes over what a save says of objects.
func (s *Simulator) remember(sv *save) {
	if s.plant.lateRecord {
		if sv, s.record.late = s.record.late, sv; sv == nil {
			return
		}
	}
	if len(sv.Confirmed) > 0 && s.record.objects == nil {
		s.record.objects = make(map[string]checkpoint.Confirmed)
	}
	if s.profile.record && s.rng.IntN(8) == 0 {
		s.record.older = maps.Clone(s.record.objects)
	}
	for _, key := range sv.Forgotten {
		delete(s.record.objects, key)
	}
	for _, c := range sv.Confirmed {
		s.record.objects[c.Key] = c
	}
}

func (s *Simulator) look(e delivery.Look) {
	s.covered.Looks++
	s.record.asked = append(s.record.asked, e)
	s.planFor(s.between(0, 20*time.Millisecond), evLooked, len(s.record.asked)-1)
}

func (s *Simulator) looked(n int) {
	e := s.record.asked[n]
	ev := delivery.Looked{Look: e.Look}
	if c, ok := s.record.objects[e.Key]; ok {
		s.covered.Found++
		ev.Found = &c
	}
	s.step(ev)
}

// unchanged: what is not sent is what Marketo has, and will have when all calls
// that may still be executed have been.
func (s *Simulator) unchanged(e delivery.Unchanged) {
	s.covered.Unchanged++
	k, stamp := keyOf(e.Object), stampOf(e.Object)
	s.tracef("unchanged: key %d, change %d", k, stamp)
	key, have := &s.keys[k], s.sink[s.stored(k)]
	a, b := number(e.Object.Value(2)), number(e.Object.Value(3))
	if !have.present || a != omitted && a != have.a || b != omitted && b != have.b {
		s.fail("I10", "key %d: change %d with %d, %d is not sent, marketo has %+v", k, stamp, a, b, have)
	}
	for _, u := range key.unknown {
		if u.start+serverLimit > s.now && u.stamp != stamp {
			s.fail("I10", "key %d: change %d is not sent, and a call with change %d may still be executed", k, stamp, u.stamp)
		}
	}
	if _, parked := s.disk.now.parked[k]; parked {
		s.fail("I10", "key %d is parked, and change %d is not sent", k, stamp)
	}
	newest := max(stamp, key.standsFor(stamp))
	for i := newest; i != 0 && i != s.effective(have.stamp); i = s.changes[i].previous {
		s.changes[i].suppressed = true
	}
	if stamp == key.fromRow {
		s.settle(key.asked, 0)
	}
	key.read, key.fromRow, key.asked, key.alsoFor, key.refused, key.tries, key.discarded = 0, 0, 0, 0, 0, 0, 0
	key.lacking, key.excused, key.whole = false, false, false
	s.settle(newest, 0)
	s.went(newest)
}

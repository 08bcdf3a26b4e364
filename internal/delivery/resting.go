package delivery

import "time"

// A lane whose batch waits to fill is looked at again and again meanwhile, and
// with it its first item and the state of its mapping, which are nowhere near.
// With hundreds of lanes that takes more time than all the rest. So the lane
// itself says until when it rests. Nothing but time depends on it.

// resting is until when nothing but being full makes a lane due, as long as its
// first item stays the first; zero if that is not known.
type resting struct{ until stamp }

// stir has a lane looked at again.
func (r *resting) stir() { r.until = 0 }

// rest notes that a lane, which is not full, is due at the time given.
func (r *resting) rest(at time.Time) { r.until = stampOf(at) }

// rests reports whether l rests, and if so until when.
func (m *Machine) rests(l *lane, now stamp) bool {
	return l.until > now && l.n < m.cfg.Capacity.Objects && !m.end.stopping
}

// stirMapping has the lanes of a mapping looked at again.
func (m *Machine) stirMapping(mapping int) {
	for i := range m.queue.lanes {
		if l := &m.queue.lanes[i]; l.mapping == mapping {
			l.stir()
		}
	}
}

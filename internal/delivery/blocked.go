package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// A mapping that Marketo refuses as such must not be emptied into the parked
// objects, and one with bad luck must not stand still. So a mapping is blocked
// by evidence: many different objects, in several calls, and not one of them
// confirmed. While it is blocked it sends probes, and one confirmed object ends
// that.

const (
	// enoughRefused different objects, in enoughCalls different calls, with none
	// of the mapping's confirmed in between, block it.
	enoughRefused = 50
	enoughCalls   = 3
	// firstProbe and lastProbe bound the pause before a blocked mapping tries
	// again; it doubles with every probe.
	firstProbe = 5 * time.Second
	lastProbe  = 5 * time.Minute
)

// evidence is what speaks against a mapping: refusals since it last had an
// object confirmed. Objects that are parked already do not count.
type evidence struct {
	objects map[uint64]struct{} // hashes of keys
	calls   int
	last    uint64 // the call that was counted last
}

// add counts an object that was refused in a call.
func (e *evidence) add(hash, call uint64) {
	if e.last != call {
		e.last = call
		e.calls++
	}
	if len(e.objects) >= enoughRefused {
		return
	}
	if e.objects == nil {
		e.objects = make(map[uint64]struct{})
	}
	e.objects[hash] = struct{}{}
}

func (e *evidence) enough() bool { return len(e.objects) >= enoughRefused && e.calls >= enoughCalls }

func (e *evidence) clear() {
	clear(e.objects)
	e.calls, e.last = 0, 0
}

// block is the state of a mapping that sends probes only.
type block struct {
	// reason is empty while the mapping is not blocked.
	reason string
	// full is set when the reason is that nothing more may be parked: then it
	// ends when there is room.
	full bool
	// next is when the next probe may go, probes how many went without a
	// confirmation, flying the one that is under way; 0 for none.
	next   time.Time
	probes int
	flying uint64
	// wanted is set when somebody wants a probe while one is under way.
	wanted bool
	// size is how many objects a probe carries at most: fewer each time that a
	// probe was refused as a whole, as one object may be to blame for that.
	size int
	// turn is the operation of the last probe.
	turn marketo.Operation
}

// block has the mapping send probes only.
func (m *Machine) block(now time.Time, mapping int, full bool, reason string) {
	s := &m.states[mapping]
	if s.block.reason != "" {
		return
	}
	m.log(slog.LevelError, "mapping blocked", "mapping", m.cfg.Mappings[mapping].Name, "reason", reason)
	s.block = block{reason: reason, full: full, next: now.Add(m.jitter(firstProbe)), size: m.cfg.Capacity.Objects}
	m.stirMapping(mapping)
	m.dissolve(mapping)
	m.dropPreparedOf(now, mapping)
}

// unblock ends that.
func (m *Machine) unblock(mapping int) {
	s := &m.states[mapping]
	m.log(slog.LevelInfo, "mapping unblocked", "mapping", m.cfg.Mappings[mapping].Name)
	s.block = block{}
	s.evidence.clear()
}

// accepted notes that Marketo has confirmed an object of the mapping.
func (m *Machine) accepted(mapping int) {
	s := &m.states[mapping]
	s.evidence.clear()
	s.refusals.clear()
	switch {
	case s.block.reason == "":
	case s.block.full:
		s.block.probes, s.block.size = 0, m.cfg.Capacity.Objects
	default:
		m.unblock(mapping)
	}
}

// makeRoom unblocks the mappings that waited for fewer parked objects.
func (m *Machine) makeRoom() {
	for i := range m.states {
		if m.states[i].block.full && len(m.parked.objects) < m.cfg.MaxParked {
			m.unblock(i)
		}
	}
}

// refuse counts an object that Marketo refuses for good, and reports whether
// the mapping is blocked: then the object goes back where it was.
func (m *Machine) refuse(now time.Time, it *item, call uint64, r marketo.Result) bool {
	s := &m.states[it.mapping]
	if s.block.reason != "" {
		return true
	}
	if call != 0 {
		s.evidence.add(it.hash, call)
	}
	if !s.evidence.enough() {
		return false
	}
	m.block(now, int(it.mapping), false, "marketo refuses every object of the mapping, at last with "+r.Loggable(it.object)+
		"; fix the mapping or the custom object type. It is tried again by itself, and at once with: cdcsync parked retry --mapping "+m.cfg.Mappings[it.mapping].Name)
	return true
}

// probe has a blocked mapping try at once, and soon again.
func (m *Machine) probe(now time.Time, mapping int) {
	b := &m.states[mapping].block
	if b.reason == "" {
		return
	}
	b.probes, b.size, b.wanted = 0, m.cfg.Capacity.Objects, b.flying != 0
	b.next = now
}

// probeDue reports whether l is the lane of the next probe of a blocked
// mapping, and it may go.
func (m *Machine) probeDue(now time.Time, l *lane) bool {
	b := &m.states[l.mapping].block
	if b.flying != 0 || m.probeLane(l.mapping) != l {
		return false
	}
	if b.next.After(now) {
		m.wakeAt(b.next)
		return false
	}
	return true
}

// probeLane is the lane that a blocked mapping probes next: all that have
// objects take turns.
func (m *Machine) probeLane(mapping int) *lane {
	turn := int(m.states[mapping].block.turn)
	for i := 1; i <= operations; i++ {
		if l := m.lane(live, mapping, marketo.Operation((turn+i)%operations)); l.n > 0 {
			return l
		}
	}
	return nil
}

// fillProbe takes objects from all over the lane, not always the same.
func (m *Machine) fillProbe(now time.Time, l *lane) *call {
	b := &m.states[l.mapping].block
	b.turn = l.operation
	m.spread(l, b.size)
	c, size := m.blankCall(), m.cfg.Capacity.Envelope
	m.load(now, l, c, b.size, &size)
	if c = m.filled(now, l, c); c != nil {
		b.flying = c.id
	}
	return c
}

// probed notes the end of a call that may have been a probe. whole says that it
// was refused as a whole.
func (m *Machine) probed(now time.Time, c *call, whole bool) {
	b := &m.states[c.items[0].mapping].block
	if b.flying != c.id {
		return
	}
	b.flying = 0
	if whole {
		b.size = max(1, min(b.size, len(c.items))/2)
	}
	b.probes++
	b.next = now.Add(m.jitter(m.backoff(firstProbe, lastProbe, b.probes+1)))
	if b.wanted {
		b.next, b.wanted, b.probes = now, false, 0
	}
}

// unprobed notes that a call told nothing: if it was a probe, it goes again.
func (m *Machine) unprobed(c *call) {
	if b := &m.states[c.items[0].mapping].block; b.flying == c.id {
		b.flying = 0
	}
}

// spread moves objects from all over the lane to its front, as many as go into
// a call of n, so that it does not carry the same ones each time.
func (m *Machine) spread(l *lane, n int) {
	if l.n <= n {
		return
	}
	waiting := make([]*item, 0, l.n)
	for spot := l.head; spot != l.tail; spot++ {
		if it := *l.at(spot); it != nil {
			waiting = append(waiting, it)
		}
	}
	for i := range n {
		// One of each of n parts, as even as they can be.
		from, to := i*len(waiting)/n, (i+1)*len(waiting)/n
		it := waiting[from+m.rng.IntN(to-from)]
		l.remove(it)
		l.put(it, true)
	}
}

package delivery

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Marketo does not promise that two calls which create one key at the same time
// make one object. So after an unknown outcome an object goes again at once only
// if it is known to be there; any other waits until the first call can no longer
// be executing.

// mostExisting is how many objects can be remembered to be there: half a mebibyte.
const mostExisting = 1 << 16

// existing holds what Marketo has confirmed in this life: of the keys that share
// a place, as all spellings of a key do, a hash of the one that was confirmed
// last. The object of another spelling may not be there; and one that
// is deleted may have been that of all. What another key has taken the place of
// is not known any more, which costs a wait and nothing else.
type existing struct{ places []uint64 }

func (e *existing) at(it *item) *uint64 { return &e.places[it.hash%mostExisting] }

// asSpelled is what stands at the place of a key that is remembered. The text of
// most keys need not be looked at for it, which is nowhere near by now.
func (it *item) asSpelled() uint64 {
	if it.folded {
		return it.hash | 1
	}
	return xxhash.Sum64String(it.key) | 1
}

// has reports whether the object of a key is known to be there.
func (e *existing) has(it *item) bool {
	return e.places != nil && *e.at(it) == it.asSpelled()
}

// note notes what a confirmation says of an object.
func (e *existing) note(it *item, op marketo.Operation, status marketo.Status) {
	if op == marketo.Delete || op == marketo.Update && status == marketo.Skipped {
		e.forget(it)
		return
	}
	if e.places == nil {
		e.places = make([]uint64, mostExisting)
	}
	*e.at(it) = it.asSpelled()
}

// forget may forget another key of the same place, too.
func (e *existing) forget(it *item) {
	if e.places != nil {
		*e.at(it) = 0
	}
}

// mayCreate reports whether sending it may make an object that is not there.
func (m *Machine) mayCreate(it *item) bool {
	return (it.operation == marketo.Upsert || it.operation == marketo.Insert) && !m.known.existing.has(it)
}

// againAfterUnknown puts the items of a call with an unknown outcome where they
// go again from: at once those that make nothing new, the others when the call
// can no longer be executing. They stay together, and wait together, while it is
// looked for one among them that is to blame.
func (m *Machine) againAfterUnknown(now time.Time, c *call, f *marketo.Fault, over time.Time) {
	creates := false
	for _, it := range c.items {
		creates = creates || m.mayCreate(it)
	}
	if !creates {
		over = time.Time{}
	}
	switch {
	case m.isolate(c, f):
		m.halveCall(c, false, over)
	case c.group != nil:
		c.group.after = over
		m.gather(c.group)
	default:
		for _, it := range c.items {
			// What waits may as well take in what is newer.
			it.repeat = it.repeat && !m.mayCreate(it)
			m.back(now, it)
		}
	}
}

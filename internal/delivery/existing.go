package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Marketo does not promise that two calls which create one key at the same time
// make one object. So after an unknown outcome an object goes again at once only
// if it is known to be there; any other waits until the first call can no longer
// be executing.

// mostExisting bounds each half of what is known to be there.
const mostExisting = 1 << 16

// existing holds hashes of the keys of objects that Marketo has confirmed in
// this life: the newest ones, and as many before them.
type existing struct{ newest, before map[uint64]struct{} }

// has reports whether the object of a key is known to be there.
func (e *existing) has(hash uint64) bool {
	_, ok := e.newest[hash]
	if !ok {
		_, ok = e.before[hash]
	}
	return ok
}

// note notes what a confirmation says of an object.
func (e *existing) note(hash uint64, op marketo.Operation, status marketo.Status) {
	if op == marketo.Delete || op == marketo.Update && status == marketo.Skipped {
		e.forget(hash)
		return
	}
	if e.newest == nil {
		e.newest = make(map[uint64]struct{})
	}
	e.newest[hash] = struct{}{}
	if len(e.newest) >= mostExisting {
		e.before, e.newest = e.newest, e.before
		clear(e.newest)
	}
}

func (e *existing) forget(hash uint64) {
	delete(e.newest, hash)
	delete(e.before, hash)
}

// mayCreate reports whether sending it may make an object that is not there.
func (m *Machine) mayCreate(it *item) bool {
	return (it.operation == marketo.Upsert || it.operation == marketo.Insert) && !m.existing.has(it.hash)
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

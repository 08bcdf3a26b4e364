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

// mostExisting bounds each half of what is known to be there.
const mostExisting = 1 << 16

// existing holds what Marketo has confirmed in this life, the newest objects and
// as many before them: by the hash that all spellings of a key share, the hash
// of the spelling that was confirmed last. The object of another one may not be
// there; and one that is deleted may have been that of all.
type existing struct{ newest, before map[uint64]uint64 }

// has reports whether the object of a key is known to be there.
func (e *existing) has(it *item) bool {
	spelling, ok := e.newest[it.hash]
	if !ok {
		spelling, ok = e.before[it.hash]
	}
	return ok && spelling == xxhash.Sum64String(it.key)
}

// note notes what a confirmation says of an object.
func (e *existing) note(it *item, op marketo.Operation, status marketo.Status) {
	if op == marketo.Delete || op == marketo.Update && status == marketo.Skipped {
		e.forget(it)
		return
	}
	if e.newest == nil {
		e.newest = make(map[uint64]uint64)
	}
	e.newest[it.hash] = xxhash.Sum64String(it.key)
	if len(e.newest) >= mostExisting {
		e.before, e.newest = e.newest, e.before
		clear(e.newest)
	}
}

func (e *existing) forget(it *item) {
	delete(e.newest, it.hash)
	delete(e.before, it.hash)
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

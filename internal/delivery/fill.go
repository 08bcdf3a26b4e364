package delivery

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// fill takes the oldest objects of l, as many as one call carries; where a live
// one has room, objects of a backfill ride along, which costs no call. It returns
// nil when there was nothing but objects that are too large for any call, or
// have become ones of another lane.
func (m *Machine) fill(now time.Time, l *lane) *call {
	if m.states[l.mapping].block.reason != "" {
		return m.fillProbe(now, l)
	}
	c, size := m.blankCall(), m.cfg.Capacity.Envelope
	m.load(now, l, c, m.cfg.Capacity.Objects, &size)
	if l.class == live && l.operation != marketo.Delete && len(c.items) > 0 && m.states[l.mapping].paused[bulk] == "" && m.states[l.mapping].stopped.reason == "" && !m.end.stopping {
		m.load(now, m.lane(bulk, l.mapping, l.operation), c, m.cfg.Capacity.Objects, &size)
	}
	return m.filled(now, l, c)
}

// load puts the oldest objects of l into c until it carries the most given.
// size is that of the call.
func (m *Machine) load(now time.Time, l *lane, c *call, most int, size *int) {
	most = min(most, len(c.items)+l.n)
	if l.operation == marketo.Delete {
		most = m.mayDelete(now, l.mapping, most)
	}
	c.items = slices.Grow(c.items, max(0, most-len(c.items)))
	m.prefetchNext(l, most)
	for len(c.items) < most && l.n > 0 {
		it := l.first()
		if m.absorb(it); it.operation != l.operation || it.needs != 0 || it.feed.class() != l.class || m.precedesUndecided(it) || m.cfg.Digest != nil && m.isUnchanged(it) {
			m.promote(now, it)
			continue
		}
		if m.cfg.Capacity.Bytes > 0 {
			need := m.cfg.Capacity.Size(it.object, it.operation)
			if m.cfg.Capacity.Envelope+need > m.cfg.Capacity.Bytes {
				it.problem = tooLarge
				m.unmappable(now, it)
				continue
			}
			if *size+need > m.cfg.Capacity.Bytes {
				break
			}
			*size += need
		}
		m.move(it, sending)
		c.items = append(c.items, it)
	}
}

// tooLarge parks an object that no call can carry.
var tooLarge = &mapping.Problem{
	Code:    "too_large",
	Message: "the object alone is larger than one call may be; map fewer or shorter attributes",
}

// filled makes a call of what was loaded; nil when that is nothing.
func (m *Machine) filled(now time.Time, l *lane, c *call) *call {
	if len(c.items) == 0 {
		m.recycle(c)
		return nil
	}
	if l.class == live && (len(c.items) < m.cfg.Capacity.Objects || m.waitingPays(l.mapping)) {
		m.pace.last = now
	}
	return m.newCall(c, l)
}

// newCall makes a call of c, which has its items.
func (m *Machine) newCall(c *call, l *lane) *call {
	m.calls.last++
	c.id = m.calls.last
	c.lane = l
	c.batch.Type, c.batch.Operation = m.cfg.Mappings[l.mapping].Object, l.operation
	c.batch.Objects = slices.Grow(c.batch.Objects, len(c.items))
	c.keys = slices.Grow(c.keys, len(c.items))
	for _, it := range c.items {
		if it.stage != sending {
			m.move(it, sending)
		}
		c.batch.Objects = append(c.batch.Objects, it.object)
		c.keys = append(c.keys, it.key)
	}
	m.braked(c, 1)
	return c
}

// blankCall returns a call without items, with the memory of one that is over.
func (m *Machine) blankCall() *call {
	n := len(m.calls.spare)
	if n == 0 {
		return new(call)
	}
	c := m.calls.spare[n-1]
	m.calls.spare = m.calls.spare[:n-1]
	return c
}

// recycle keeps the memory of a call that is over. Neither the client nor the
// store may look at it any more, nor a group hold its items.
func (m *Machine) recycle(c *call) {
	clear(c.items)
	clear(c.batch.Objects)
	clear(c.keys)
	*c = call{
		batch: marketo.Batch{Objects: c.batch.Objects[:0]},
		items: c.items[:0], keys: c.keys[:0],
	}
	m.calls.spare = append(m.calls.spare, c)
}

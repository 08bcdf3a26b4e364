package delivery

import (
	"log/slog"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// group is a part of a batch that was refused as a whole. It is sent as it is,
// so that halving finds the object to blame, in at most 2·log2(n)+1 calls more
// than the batch would have taken without it.
type group struct {
	lane  *lane
	items []*item
	// rest is the other part, not smaller, while it waits for what comes of
	// this one: if this one passes, the rest is to blame, and need not be sent
	// to know that.
	rest *group
	// after is when it may go; zero for at once.
	after time.Time
}

// gather puts a group among those to be sent. Of a blocked mapping only probes
// are sent, and those come from its lanes; of a backfill that waits nothing is.
func (m *Machine) gather(g *group) {
	if m.mute(g) {
		m.scatter(g)
		return
	}
	for _, it := range g.items {
		m.move(it, grouped)
	}
	m.queue.groups = append(m.queue.groups, g)
}

// scatter puts the objects of a group back into their lane, those that may only
// go at a time to come when it has come.
func (m *Machine) scatter(g *group) {
	for ; g != nil; g = g.rest {
		for _, it := range g.items {
			if g.after.IsZero() || !m.mayCreate(it) {
				m.move(it, ready)
				continue
			}
			it.repeat = false
			m.later(it, g.after)
		}
	}
}

// mute reports whether a group may not be sent as it is.
func (m *Machine) mute(g *group) bool {
	s := &m.states[g.lane.mapping]
	if m.silent(g.lane.mapping) {
		return true
	}
	if s.paused[bulk] == "" && s.stopped.reason == "" {
		return false
	}
	for ; g != nil; g = g.rest {
		if slices.ContainsFunc(g.items, func(it *item) bool { return it.feed.class() == bulk }) {
			return true
		}
	}
	return false
}

// dissolve scatters the groups of a mapping that may not be sent any more.
func (m *Machine) dissolve(mapping int) {
	kept := m.queue.groups[:0]
	for _, g := range m.queue.groups {
		if g.lane.mapping != mapping || !m.mute(g) {
			kept = append(kept, g)
			continue
		}
		m.scatter(g)
	}
	clear(m.queue.groups[len(kept):])
	m.queue.groups = kept
}

func (m *Machine) nextGroup(now time.Time) *call {
	for i, g := range m.queue.groups {
		if g.after.After(now) {
			m.wakeAt(g.after)
			continue
		}
		m.queue.groups = slices.Delete(m.queue.groups, i, i+1)
		return m.newCall(&call{group: g, items: g.items}, g.lane)
	}
	return nil
}

// refused finds the object to blame for a refused call.
func (m *Machine) refused(now time.Time, c *call, f *marketo.Fault) {
	m.recovered(now, c.started)
	m.probed(now, c, len(c.items) > 1)
	if len(c.items) > 1 {
		m.halveCall(c, f.Class == marketo.FaultRefused, time.Time{})
		return
	}
	m.releaseOther(c)
	m.rejected(now, c.items[0], marketo.Result{Status: marketo.NoStatus, Code: f.Code, Message: f.Message}, c.id)
}

// halveCall halves what a call carried. In order, one half goes first, which
// saves calls; but only where the call was refused for an object in it. They go
// after the time given.
func (m *Machine) halveCall(c *call, inOrder bool, after time.Time) {
	m.releaseOther(c)
	m.halve(&group{lane: c.lane, items: c.items, after: after}, inOrder)
}

func (m *Machine) halve(g *group, inOrder bool) {
	half := len(g.items) / 2
	first, rest := &group{lane: g.lane, items: g.items[:half:half], after: g.after}, &group{lane: g.lane, items: g.items[half:], after: g.after}
	for _, it := range g.items {
		it.faults = 0
		m.move(it, grouped)
	}
	m.count.Splits++
	m.log(slog.LevelDebug, "batch split", "object", m.cfg.Mappings[g.lane.mapping].Object, "objects", len(g.items))
	if inOrder {
		first.rest = rest
		m.gather(first)
		return
	}
	m.gather(first)
	m.gather(rest)
}

// releaseOther lets the rest of a group that did not pass go by itself: whether
// it has an object to blame, too, is not known.
func (m *Machine) releaseOther(c *call) {
	if c.group != nil && c.group.rest != nil {
		m.gather(c.group.rest)
		c.group.rest = nil
	}
}

// passedGroup goes on with the rest of a group that passed.
func (m *Machine) passedGroup(c *call) {
	if c.group == nil || c.group.rest == nil {
		return
	}
	rest := c.group.rest
	c.group.rest = nil
	if len(rest.items) == 1 {
		m.gather(rest)
		return
	}
	m.halve(rest, true)
}

// isolate reports whether a batch fails again and again while others pass, so
// that one of its objects must be the cause.
func (m *Machine) isolate(c *call, f *marketo.Fault) bool {
	it := c.items[0]
	return (f.Class == marketo.FaultRetry || f.Class == marketo.FaultUnknown) && len(c.items) > 1 && it.faults >= 3 && m.pauses.outage.passed.After(it.failed.time())
}

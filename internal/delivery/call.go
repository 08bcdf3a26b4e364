package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// prompt is how long after it was counted a call may be sent and still pass
// for sent when it was counted; the limiter's margin is wider.
const prompt = 50 * time.Millisecond

// calls are those to Marketo.
type calls struct {
	limiter *marketo.Limiter
	// sent holds the calls that are counted and not answered; unsent of them
	// wait for their records.
	sent   map[uint64]*call
	unsent int
	last   uint64
	// inStore counts the calls that the store has, or will have, as in flight:
	// those under way and those that may still be executing.
	inStore int
	spare   []*call
}

// call is one batch on its way: recorded in the store, sent, answered.
type call struct {
	id    uint64
	batch marketo.Batch
	items []*item
	// keys are those of items, for the store.
	keys []string
	// lane is the one that it was filled from first.
	lane *lane
	// group is set when the call carries a part of a batch that was refused.
	group *group
	// counted is when the limiter counted it, started when it was sent.
	counted, started time.Time
	// recorded is set once the store has a call that was prepared.
	recorded bool
}

// dispatch starts as many calls as there is work and leave for.
func (m *Machine) dispatch(now time.Time) {
	for m.maySend(now) {
		c := m.nextPrepared(live)
		if c == nil {
			c = m.nextGroup(now)
		}
		if c == nil {
			c = m.nextBatch(now)
		}
		if c == nil {
			break
		}
		m.start(now, c)
	}
	if len(m.ahead.calls) > 0 && !m.mayPrepare(now) && !m.ledger.down() {
		m.dropPrepared(now)
	}
	m.prepare(now)
	m.brake(now)
}

// maySend reports whether a call may start now, and sees to it that the
// Machine wakes when time alone will change that.
func (m *Machine) maySend(now time.Time) bool {
	if m.memory.items == 0 || m.allBehind() || !m.maySendLater(now) || m.ledger.down() || m.ledger.late(now) {
		return false
	}
	if m.holds.all.After(now) {
		m.wakeAt(m.holds.all)
		return false
	}
	if m.pausedByFaults(now) {
		return false
	}
	ok, at, why := m.calls.limiter.Ready(now)
	m.tellQuota(ok, why)
	if !ok {
		m.count.Limited = why
		if !at.IsZero() {
			m.wakeAt(at)
		}
	} else {
		m.count.Limited = ""
	}
	return ok
}

// maySendLater reports whether a call may start now or at some later time of
// this life.
func (m *Machine) maySendLater(now time.Time) bool {
	if m.end.halted != "" {
		return false
	}
	if m.end.stopping {
		if m.behind() || !now.Before(m.end.until) {
			return false
		}
		m.wakeAt(m.end.until)
	}
	return true
}

// nextBatch takes a batch from the lane that has waited longest among those
// that are full or have waited long enough.
func (m *Machine) nextBatch(now time.Time) *call {
	for {
		l := m.nextLane(now, false)
		if l == nil || l.class == bulk {
			if c := m.nextPrepared(bulk); c != nil {
				return c
			}
		}
		if l == nil {
			return nil
		}
		// Of what a lane has, nothing may be left for a call.
		if c := m.fill(now, l); c != nil {
			return c
		}
	}
}

// nextLane returns the lane to send from, or to record a call ahead of.
func (m *Machine) nextLane(now time.Time, ahead bool) *lane {
	var best *lane
	kept, at, wake := m.queue.listed[:0], stampOf(now), stamp(0)
	for _, l := range m.queue.listed {
		if l.n == 0 {
			l.listed = false
			continue
		}
		kept = append(kept, l)
		if m.rests(l, at) {
			wake = earlier(wake, l.until)
			continue
		}
		if m.due(now, l, ahead) && (best == nil || l.precedes(best)) {
			best = l
		}
	}
	clear(m.queue.listed[len(kept):])
	m.queue.listed = kept
	if wake != 0 {
		m.wakeAt(wake.time())
	}
	if best == nil && m.crowded() {
		best = m.fullest(now)
	}
	return best
}

// crowded reports whether memory is full, mostly of objects that wait for
// their batches to fill: as nothing is read meanwhile, none of them would.
func (m *Machine) crowded() bool {
	if !m.full() {
		return false
	}
	waiting := 0
	for _, l := range m.queue.listed {
		waiting += l.n
	}
	return 2*waiting > m.memory.items
}

// fullest returns the lane that comes nearest to a full batch.
func (m *Machine) fullest(now time.Time) *lane {
	var best *lane
	for _, l := range m.queue.listed {
		if l.class == live && !m.behindOf(l.mapping) && !m.silent(l.mapping) && (l.operation != marketo.Delete || m.mayDelete(now, l.mapping, 1) > 0) && (best == nil || l.n > best.n) {
			best = l
		}
	}
	if best == nil || !m.paced(now) {
		return nil
	}
	return best
}

// due reports whether l has a batch to send, and sets the alarm for when it
// will have.
func (m *Machine) due(now time.Time, l *lane, ahead bool) bool {
	if m.behindOf(l.mapping) || l.class == bulk && m.states[l.mapping].stopped.reason != "" {
		return false // rows are newer than what comes again
	}
	if l.class == bulk {
		return m.bulkDue(now, l, ahead)
	}
	if m.states[l.mapping].waits() {
		return false
	}
	if m.states[l.mapping].brake.held || l.operation == marketo.Delete && m.mayDelete(now, l.mapping, 1) == 0 {
		return false
	}
	if m.states[l.mapping].block.reason != "" {
		return m.probeDue(now, l)
	}
	if l.n >= m.cfg.Capacity.Objects && !m.waitingPays(l.mapping) || m.end.stopping {
		return true
	}
	at := l.first().since.time().Add(m.cfg.MaxWait)
	if at.After(now) {
		if l.operation != marketo.Delete { // what those wait for besides is looked at each time
			l.rest(at)
		}
		m.wakeAt(at)
		return false
	}
	return m.paced(now)
}

// start counts the call and records it in the store. It is sent once the
// record is there: a life that finds it knows which keys to hold back.
func (m *Machine) start(now time.Time, c *call) {
	m.admit(now, c)
	if c.recorded {
		m.send(now, c)
		return
	}
	m.calls.unsent++
	m.record(now, c)
}

// admit counts a call that takes one of the places.
func (m *Machine) admit(now time.Time, c *call) {
	m.calls.limiter.Start(now)
	m.ledger.counted = true
	c.counted = now
	m.calls.sent[c.id] = c
	if c.lane.class == bulk {
		m.countShare(now)
	}
}

// record has the store keep the call as in flight.
func (m *Machine) record(now time.Time, c *call) {
	m.calls.inStore++
	news := false
	for _, it := range c.items {
		if m.ledger.draft.Sent.Compare(it.at) < 0 {
			m.ledger.draft.Sent = it.at
		}
		news = m.sentNow(it) || news
	}
	if news {
		m.recordLags()
	}
	if len(m.ledger.draft.Started) == 0 {
		m.ledger.draftSince = now
	}
	m.ledger.draft.Started = append(m.ledger.draft.Started, checkpoint.Call{ID: c.id, Keys: c.keys})
}

// send sends a recorded call.
func (m *Machine) send(now time.Time, c *call) {
	c.started = now
	if now.Sub(c.counted) > prompt {
		// The store was slow: the window has to know the later time too.
		m.calls.limiter.Again(c.counted, now)
		c.counted, m.ledger.counted = now, true
	}
	m.count.Calls++
	m.count.Objects += uint64(len(c.items))
	m.emit(Send{Call: c.id, Batch: &c.batch})
}

// comeBack puts the items of a call that settled nothing where they came from.
func (m *Machine) comeBack(now time.Time, c *call) {
	if c.group != nil {
		m.gather(c.group)
		return
	}
	for _, it := range c.items {
		m.back(now, it)
	}
}

// back returns an item to its lane, with what has come for its key meanwhile.
func (m *Machine) back(now time.Time, it *item) {
	m.move(it, waiting)
	m.absorb(it)
	m.promote(now, it)
}

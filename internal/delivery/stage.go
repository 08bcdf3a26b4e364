package delivery

import "time"

// stage says how far an item is. Every item is in exactly one.
type stage uint8

const (
	// waiting: an older item of the same key, in whatever spelling, is before it
	// in the chain.
	waiting stage = iota
	// unended: a removal, or what precedes it, whose transaction has not ended.
	unended
	// ready: in a lane, to be sent.
	ready
	// timed: until a hold or a pause is over.
	timed
	// grouped: part of a batch that was split.
	grouped
	// reading: its row is being read from the table.
	reading
	// looking: what is remembered of its object is looked up.
	looking
	// sending: part of a call.
	sending
	// saving: settled or parked, until that is in the store.
	saving
)

// move puts an item into a stage, and it into, or out of, what is kept of the
// items there. No other function sets a stage.
func (m *Machine) move(it *item, to stage) {
	if it.stage == ready {
		m.laneOf(it).remove(it)
	}
	if it.feed == fromBackfill && (it.stage < sending) != (to < sending) {
		if to < sending {
			m.feeds.waiting++
		} else {
			m.feeds.waiting--
		}
	}
	it.stage = to
	switch to {
	case unended:
		m.await(it)
	case ready:
		it.queued = it.wants()
		m.queue.insert(m.laneOf(it), it)
	case reading:
		m.reads.wanted = append(m.reads.wanted, it)
	case looking:
		m.look(it)
	case saving:
		m.states[it.mapping].pending--
		m.ledger.ends = append(m.ledger.ends, it)
	}
}

// later has an item go on at a time to come.
func (m *Machine) later(it *item, at time.Time) {
	m.move(it, timed)
	m.clock.timers.add(timer{at: at, item: it})
}

// idle reports whether it is in no call, and its row is not being read.
func (it *item) idle() bool { return it.stage <= timed }

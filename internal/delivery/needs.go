package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// needs is what an item lacks before it may be sent that has to be fetched: a
// set.
type needs uint8

const (
	// itsRow: values that only the table has.
	itsRow needs = 1 << iota
	// itsHolder: whether some row holds the key of a removal, and which.
	itsHolder
)

func (n needs) has(one needs) bool { return n&one != 0 }

func (n *needs) set(one needs, on bool) {
	*n &^= one
	if on {
		*n |= one
	}
}

// lack is the first thing that keeps an item, which is the oldest of its key,
// from being sent.
type lack uint8

const (
	lacksNothing lack = iota
	// isCovered: a row that was sent has what it stands for.
	isCovered
	// isUnmappable: no object can be made of its row.
	isUnmappable
	// lacksEnd: the rest of its transaction decides what becomes of it.
	lacksEnd
	// lacksRow: its table has to be read.
	lacksRow
	// lacksLook: it is not known whether Marketo has it already.
	lacksLook
	// isThere: Marketo has it already.
	isThere
	// isHeld: a call that carried an older value of its key may be executing.
	isHeld
)

// lack returns what an item lacks. What is new to be waited for gets its place in
// this order.
func (m *Machine) lack(now time.Time, it *item) lack {
	switch {
	case it.covered:
		return isCovered
	case it.problem != nil:
		return isUnmappable
	case m.undecided(it), m.precedesUndecided(it):
		return lacksEnd
	case it.needs != 0:
		return lacksRow
	case !it.repeat && m.heldUntil(it.key).After(now):
		return isHeld
	case m.wantsLook(it):
		return lacksLook
	case m.isUnchanged(it):
		return isThere
	}
	return lacksNothing
}

// promote has an item, which is the oldest of its key, go on from where it can.
func (m *Machine) promote(now time.Time, it *item) {
	switch m.lack(now, it) {
	case isCovered:
		m.settleCovered(it)
	case isUnmappable:
		m.unmappable(now, it)
	case lacksEnd:
		m.awaitEnd(it)
	case lacksRow:
		m.move(it, reading)
	case lacksLook:
		m.move(it, looking)
	case isThere:
		m.suppress(it)
	case isHeld:
		m.later(it, m.heldUntil(it.key))
	default:
		m.move(it, ready)
	}
}

// ask has the table tell whether some row holds the key of a removal.
func (c *content) ask() {
	c.removal = undecided
	c.needs.set(itsHolder, true)
}

// setRemoval sets what is known of a removal without the table.
func (c *content) setRemoval(r removal) {
	c.removal = r
	c.needs.set(itsHolder, false)
}

// deletes reports whether it is a deletion that on_delete asks for, and that no
// call may have made yet.
func (it *item) deletes() bool {
	return it.removal != notRemoval && it.operation == marketo.Delete && !it.repeat
}

package delivery

import "github.com/cdcsync/cdcsync/internal/marketo"

// lane is the queue of ready items of one mapping and one operation, oldest
// first, but for items that had to wait for their key: those go to one of the
// ends, so that inserting costs the same however long the lane is.
//
// It is a ring of pointers and not a list, because a list has to be read item
// by item: see prefetchNext.
type lane struct {
	n int
	resting
	// ring holds the items at the spots from head to tail, nil where one was
	// removed. Its length is a power of two; spots count on without end, in
	// both directions. The first and the last spot hold an item.
	ring       []*item
	head, tail uint64
	mapping    int
	class      class
	operation  marketo.Operation
	listed     bool
}

const shortestRing = 16

func (l *lane) at(spot uint64) **item { return &l.ring[spot&uint64(len(l.ring)-1)] }

// precedes reports whether its turn comes before that of another lane.
func (l *lane) precedes(other *lane) bool {
	if l.class != other.class {
		return l.class == live
	}
	return l.first().sequence < other.first().sequence
}

// first returns the first item, nil when there is none.
func (l *lane) first() *item {
	if l.n == 0 {
		return nil
	}
	return *l.at(l.head)
}

// insert puts an item that is older than the first at the front, any other at
// the end.
func (l *lane) insert(it *item) {
	first := l.first()
	l.put(it, first != nil && it.sequence < first.sequence)
}

// put puts an item at the front or at the end.
func (l *lane) put(it *item, front bool) {
	if int(l.tail-l.head) == len(l.ring) {
		l.makeRoom()
	}
	if front || l.n == 0 {
		l.stir()
	}
	if front {
		l.head--
		it.spot = l.head
	} else {
		it.spot = l.tail
		l.tail++
	}
	*l.at(it.spot) = it
	l.n++
}

// makeRoom moves the items together, into a longer ring unless most spots are
// empty.
func (l *lane) makeRoom() {
	old, length := *l, len(l.ring)
	if 2*l.n >= length {
		length = max(shortestRing, 2*length)
	}
	l.ring, l.head, l.tail = make([]*item, length), 0, 0
	for spot := old.head; spot != old.tail; spot++ {
		if it := *old.at(spot); it != nil {
			it.spot = l.tail
			*l.at(l.tail) = it
			l.tail++
		}
	}
}

func (l *lane) remove(it *item) {
	if it.spot == l.head {
		l.stir()
	}
	*l.at(it.spot) = nil
	l.n--
	if l.n == 0 {
		l.head, l.tail = 0, 0
		return
	}
	for *l.at(l.head) == nil {
		l.head++
	}
	for *l.at(l.tail - 1) == nil {
		l.tail--
	}
}

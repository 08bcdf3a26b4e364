package delivery

import (
	"container/heap"
	"time"
)

// timer is something that becomes due: exactly one of item, key, parked and
// call is set.
type timer struct {
	at    time.Time
	order uint64
	item  *item
	// key is one whose hold ends, parked one whose parked object is to be
	// tried again.
	key    string
	parked string
	call   uint64
}

// timers is a heap of timers. Those due at the same instant come in the order
// they were set, so that a run can be repeated exactly.
type timers struct {
	heap timerHeap
	set  uint64
}

func (t *timers) add(tm timer) {
	t.set++
	tm.order = t.set
	heap.Push(&t.heap, tm)
}

// due returns the next timer that is due at now.
func (t *timers) due(now time.Time) (timer, bool) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return timer{}, false
	}
	return heap.Pop(&t.heap).(timer), true
}

func (t *timers) next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].order < h[j].order
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return last
}

// expire acts on every timer that is due.
func (m *Machine) expire(now time.Time) {
	if !m.holds.all.After(now) {
		m.holds.all = time.Time{}
	}
	for {
		t, ok := m.clock.timers.due(now)
		if !ok {
			return
		}
		switch {
		case t.item != nil:
			m.promote(now, t.item)
		case t.call != 0:
			m.ledger.draft.Ended = append(m.ledger.draft.Ended, t.call)
		case t.parked != "":
			m.waited(now, t.parked)
		default:
			if !m.holds.keys[t.key].After(now) {
				delete(m.holds.keys, t.key)
			}
		}
	}
}

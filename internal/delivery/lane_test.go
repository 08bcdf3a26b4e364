package delivery

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLane holds a lane against a slice that is kept in order, while items come
// at both ends and leave from anywhere.
func TestLane(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l := &lane{}
	var want []*item
	oldest, newest := uint64(1<<40), uint64(1<<40)
	for step := range 200_000 {
		// Long and short in turns.
		grow := step/5_000%2 == 0
		switch {
		case len(want) == 0 || grow == (random.IntN(3) > 0):
			it := &item{}
			if random.IntN(4) == 0 {
				oldest--
				it.sequence = oldest
				want = append([]*item{it}, want...)
			} else {
				newest++
				it.sequence = newest
				want = append(want, it)
			}
			l.insert(it)
		default:
			i := 0
			if random.IntN(2) == 0 {
				i = random.IntN(len(want))
			}
			l.remove(want[i])
			want = slices.Delete(want, i, i+1)
		}
		if l.n != len(want) {
			t.Fatalf("step %d: %d items, want %d", step, l.n, len(want))
		}
		if step%500 == 0 {
			if got := l.items(); !slices.Equal(got, want) {
				t.Fatalf("step %d: wrong items or order", step)
			}
		}
		if first := l.first(); len(want) > 0 && first != want[0] || len(want) == 0 && first != nil {
			t.Fatalf("step %d: wrong first item", step)
		}
	}
}

// items returns all items in order.
func (l *lane) items() []*item {
	var all []*item
	for spot := l.head; spot != l.tail; spot++ {
		if it := *l.at(spot); it != nil {
			all = append(all, it)
		}
	}
	return all
}

// TestLaneStaysShort: items that leave from the middle take no memory for good,
// however long the first one stays.
func TestLaneStaysShort(t *testing.T) {
	l := &lane{}
	first, last := &item{origin: origin{sequence: 1}}, &item{origin: origin{sequence: 2}}
	l.insert(first)
	l.insert(last)
	for n := range uint64(100_000) {
		it := &item{origin: origin{sequence: n + 3}}
		l.insert(it)
		l.remove(last)
		last = it
	}
	if len(l.ring) > shortestRing {
		t.Errorf("%d spots for two items, want at most %d", len(l.ring), shortestRing)
	}
	if got := l.items(); !slices.Equal(got, []*item{first, last}) {
		t.Errorf("%d items, want the two that stayed", len(got))
	}
}

package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func at(sec int) time.Time { return time.Unix(1_760_000_000+int64(sec), 0).UTC() }

// transact runs one transaction of n objects that ends at end, and returns
// its ref; the objects are not settled.
func transact(w *checkpoint.Window, n int, end checkpoint.LSN) checkpoint.Ref {
	ref := w.Open()
	for range n {
		w.Add(ref)
	}
	w.Close(ref, end, at(int(end)))
	return ref
}

func wantFrontier(t *testing.T, w *checkpoint.Window, want checkpoint.LSN) {
	t.Helper()
	if got := w.Frontier(); got != want {
		t.Fatalf("frontier: got %s, want %s", got, want)
	}
}

func TestWindowWaitsForTheOldest(t *testing.T) {
	w := checkpoint.NewWindow(10)
	first := transact(w, 2, 20)
	second := transact(w, 1, 30)
	w.Settle(second)
	wantFrontier(t, w, 10)
	w.Settle(first)
	wantFrontier(t, w, 10)
	w.Settle(first)
	wantFrontier(t, w, 30)
	if got := w.Len(); got != 0 {
		t.Errorf("length: got %d, want 0", got)
	}
}

func TestWindowOpenTransactionBlocks(t *testing.T) {
	w := checkpoint.NewWindow(10)
	ref := w.Open()
	w.Add(ref)
	w.Settle(ref)
	w.Mark(15)
	wantFrontier(t, w, 10)
	w.Add(ref)
	w.Close(ref, 20, at(20))
	wantFrontier(t, w, 10)
	w.Settle(ref)
	wantFrontier(t, w, 20)
}

func TestWindowEmptyTransactions(t *testing.T) {
	w := checkpoint.NewWindow(10)
	transact(w, 0, 20)
	wantFrontier(t, w, 20)
	held := transact(w, 1, 30)
	for i := range 10_000 {
		transact(w, 0, checkpoint.LSN(40+i))
	}
	if got := w.Len(); got != 1 {
		t.Errorf("length with empty transactions behind an unsettled one: got %d, want 1", got)
	}
	if got, _ := w.OldestUnsettled(); !got.Equal(at(30)) {
		t.Errorf("oldest unsettled: got %v, want %v", got, at(30))
	}
	w.Settle(held)
	wantFrontier(t, w, 40+9_999)
}

func TestWindowMark(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		w := checkpoint.NewWindow(10)
		w.Mark(25)
		wantFrontier(t, w, 25)
		w.Mark(24)
		wantFrontier(t, w, 25)
	})
	t.Run("merges into the tail", func(t *testing.T) {
		w := checkpoint.NewWindow(10)
		ref := transact(w, 1, 20)
		w.Mark(25)
		wantFrontier(t, w, 10)
		w.Settle(ref)
		wantFrontier(t, w, 25)
	})
	t.Run("behind the tail", func(t *testing.T) {
		w := checkpoint.NewWindow(10)
		ref := transact(w, 1, 20)
		w.Mark(15)
		w.Settle(ref)
		wantFrontier(t, w, 20)
	})
	t.Run("inside a transaction", func(t *testing.T) {
		w := checkpoint.NewWindow(10)
		before := transact(w, 1, 20)
		open := w.Open()
		w.Mark(25)
		w.Settle(before)
		wantFrontier(t, w, 20)
		w.Close(open, 30, at(30))
		wantFrontier(t, w, 30)
	})
}

func TestWindowOldestUnsettled(t *testing.T) {
	w := checkpoint.NewWindow(0)
	if _, ok := w.OldestUnsettled(); ok {
		t.Error("empty window: got true, want false")
	}
	ref := w.Open()
	if _, ok := w.OldestUnsettled(); ok {
		t.Error("open and not announced: got true, want false")
	}
	w.Announce(ref, 5, 3, at(5))
	if got, ok := w.OldestUnsettled(); !ok || !got.Equal(at(5)) {
		t.Errorf("open and announced: got %v, %v, want %v, true", got, ok, at(5))
	}
}

// One transaction that never settles must not make the window grow with every
// transaction that passes behind it.
func TestWindowStaysSmallBehindAStuckTransaction(t *testing.T) {
	w := checkpoint.NewWindow(0)
	stuck := transact(w, 1, 1)
	longest := 0
	var waiting []checkpoint.Ref
	for i := range 200_000 {
		waiting = append(waiting, transact(w, 1, checkpoint.LSN(2+i)))
		if len(waiting) == 100 {
			w.Settle(waiting[50])
			waiting = append(waiting[:50], waiting[51:]...)
		}
		longest = max(longest, w.Len())
	}
	if longest > 1024 {
		t.Errorf("longest window for 101 unsettled transactions: got %d, want at most 1024", longest)
	}
	for _, ref := range waiting {
		w.Settle(ref)
	}
	wantFrontier(t, w, 0)
	w.Settle(stuck)
	wantFrontier(t, w, 200_001)
}

func TestWindowMisusePanics(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *checkpoint.Window, open checkpoint.Ref)
	}{
		{"settle below zero", func(w *checkpoint.Window, open checkpoint.Ref) { w.Settle(open) }},
		{"settle twice", func(w *checkpoint.Window, open checkpoint.Ref) {
			w.Add(open)
			w.Close(open, 30, at(0))
			w.Settle(open)
			w.Settle(open)
		}},
		{"settle what was never opened", func(w *checkpoint.Window, open checkpoint.Ref) { w.Settle(open + 1) }},
		{"settle what is long gone", func(w *checkpoint.Window, _ checkpoint.Ref) { w.Settle(1) }},
		{"settle the zero ref", func(w *checkpoint.Window, _ checkpoint.Ref) { w.Settle(0) }},
		{"settle what was folded", func(w *checkpoint.Window, open checkpoint.Ref) {
			w.Add(open)
			w.Close(open, 30, at(0))
			empty := transact(w, 0, 40)
			w.Add(transact(w, 1, 50))
			w.Settle(empty)
		}},
		{"open within a transaction", func(w *checkpoint.Window, _ checkpoint.Ref) { w.Open() }},
		{"close twice", func(w *checkpoint.Window, open checkpoint.Ref) {
			w.Add(open)
			w.Close(open, 30, at(0))
			w.Close(open, 40, at(0))
		}},
		{"close backwards", func(w *checkpoint.Window, open checkpoint.Ref) { w.Close(open, 19, at(0)) }},
		{"add to a settled transaction", func(w *checkpoint.Window, open checkpoint.Ref) {
			w.Add(open)
			w.Close(open, 30, at(0))
			second := transact(w, 1, 40)
			w.Settle(second)
			w.Add(second)
		}},
		{"announce a closed one", func(w *checkpoint.Window, open checkpoint.Ref) {
			w.Add(open)
			w.Close(open, 30, at(0))
			w.Announce(open, 0, 0, at(0))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := checkpoint.NewWindow(10)
			transact(w, 0, 20)
			open := w.Open()
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "checkpoint: ") {
					t.Errorf("panic: got %v, want one of ours", got)
				}
			}()
			tt.do(w, open)
		})
	}
}

// naive is the window by its definition: everything is kept, and the frontier
// is looked for from the start each time.
type naive struct {
	start checkpoint.LSN
	txs   []*naiveTx
}

type naiveTx struct {
	ref     checkpoint.Ref
	end     checkpoint.LSN
	pending int
	open    bool
	time    time.Time
}

func (n *naive) settled(tx *naiveTx) bool { return !tx.open && tx.pending == 0 }

func (n *naive) frontier() checkpoint.LSN {
	end := n.start
	for _, tx := range n.txs {
		if !n.settled(tx) {
			break
		}
		end = max(end, tx.end)
	}
	return end
}

func (n *naive) oldest() (time.Time, bool) {
	for _, tx := range n.txs {
		if !n.settled(tx) {
			return tx.time, !tx.open
		}
	}
	return time.Time{}, false
}

// unsettled returns the transactions that objects may still be settled of.
func (n *naive) unsettled() []*naiveTx {
	var txs []*naiveTx
	for _, tx := range n.txs {
		if tx.pending > 0 {
			txs = append(txs, tx)
		}
	}
	return txs
}

func TestWindowAgainstNaiveModel(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			compareWithNaive(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func compareWithNaive(t *testing.T, rng *rand.Rand) {
	w, model := checkpoint.NewWindow(5), &naive{start: 5}
	end, slack := checkpoint.LSN(5), 1+rng.IntN(4)
	var last checkpoint.LSN
	for step := range 1500 {
		var open *naiveTx
		if n := len(model.txs); n > 0 && model.txs[n-1].open {
			open = model.txs[n-1]
		}
		switch k := rng.IntN(8); {
		case k < slack && open == nil:
			model.txs = append(model.txs, &naiveTx{ref: w.Open(), open: true})
		case k < slack+1 && open != nil:
			w.Add(open.ref)
			open.pending++
		case k == 5 && open != nil:
			end += checkpoint.LSN(1 + rng.IntN(9))
			w.Close(open.ref, end, at(step))
			open.open, open.end, open.time = false, end, at(step)
		case k == 6:
			x := end + checkpoint.LSN(rng.IntN(4))
			w.Mark(x)
			if open == nil {
				end = x
				model.txs = append(model.txs, &naiveTx{end: x})
			}
		default:
			if txs := model.unsettled(); len(txs) > 0 {
				tx := txs[rng.IntN(len(txs))]
				w.Settle(tx.ref)
				tx.pending--
			}
		}
		if got, want := w.Frontier(), model.frontier(); got != want {
			t.Fatalf("step %d: frontier: got %s, want %s", step, got, want)
		}
		if w.Frontier() < last {
			t.Fatalf("step %d: the frontier went back from %s to %s", step, last, w.Frontier())
		}
		last = w.Frontier()
		gotOldest, gotOK := w.OldestUnsettled()
		wantOldest, wantOK := model.oldest()
		if gotOK != wantOK || !gotOldest.Equal(wantOldest) {
			t.Fatalf("step %d: oldest: got %v, %v, want %v, %v", step, gotOldest, gotOK, wantOldest, wantOK)
		}
	}
}

func TestWindowDoesNotAllocate(t *testing.T) {
	w := checkpoint.NewWindow(0)
	end := checkpoint.LSN(0)
	held := transact(w, 1, 1)
	got := testing.AllocsPerRun(1000, func() {
		end += 1000
		next := transact(w, 3, end)
		w.Settle(held)
		w.Settle(next)
		w.Settle(next)
		held = next
	})
	if got != 0 {
		t.Errorf("allocations per transaction: got %v, want 0", got)
	}
}

func BenchmarkWindow(b *testing.B) {
	const inFlight = 1000
	w := checkpoint.NewWindow(0)
	refs := make([]checkpoint.Ref, 0, inFlight)
	end := checkpoint.LSN(0)
	b.ReportAllocs()
	for b.Loop() {
		end++
		ref := w.Open()
		w.Add(ref)
		w.Close(ref, end, time.Time{})
		if refs = append(refs, ref); len(refs) == inFlight {
			for _, ref := range refs {
				w.Settle(ref)
			}
			refs = refs[:0]
		}
	}
}

package delivery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// sendRefusing sends a batch of n objects to a Marketo that refuses every call
// with a bad object in it, and returns the number of calls it took.
func sendRefusing(t *testing.T, n int, bad map[int]bool) int {
	t.Helper()
	r := newRig(t, func(c *Config) { c.Capacity.Objects = n })
	writes := make([]mapping.Write, n)
	for i := range writes {
		writes[i] = upsert(fmt.Sprint(i), "a")
	}
	end := r.commit(writes...)
	total := 0
	for ; len(r.calls) > 0; total++ {
		call := r.calls[0]
		r.calls = r.calls[1:]
		refuse := false
		for _, o := range call.Batch.Objects {
			var i int
			if _, err := fmt.Sscan(o.Value(0).Text, &i); err != nil {
				t.Fatal(err)
			}
			refuse = refuse || bad[i]
		}
		if refuse {
			r.fail(call, marketo.FaultRefused)
		} else {
			r.answer(call)
		}
		r.pass(time.Second)
	}
	if r.confirmed != end || r.m.Report(r.now).Parked != len(bad) {
		t.Fatalf("%d objects, bad %v: confirmed %s, parked %d; want %s and %d", n, bad, r.confirmed, r.m.Report(r.now).Parked, end, len(bad))
	}
	return total
}

func TestRefusedBatchIsSplitUntilTheBadObjectStandsAlone(t *testing.T) {
	for _, n := range []int{2, 3, 5, 7, 64, 100, 129, 300} {
		most, worst, sum := 2*math.Log2(float64(n))+1, 0, 0
		for i := range n {
			extra := sendRefusing(t, n, map[int]bool{i: true}) - 1
			worst, sum = max(worst, extra), sum+extra
		}
		if float64(worst) > most {
			t.Errorf("%d objects: up to %d calls more, want at most %.1f", n, worst, most)
		}
		t.Logf("%d objects: %.1f calls more on average, at most %d", n, float64(sum)/float64(n), worst)
	}
}

func TestEveryBadObjectOfABatchIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + rng.IntN(99)
		bad := map[int]bool{}
		for range 1 + rng.IntN(min(n, enoughRefused-1)) {
			bad[rng.IntN(n)] = true
		}
		extra := sendRefusing(t, n, bad) - 1
		if most := float64(len(bad)) * (2*math.Log2(float64(n)) + 1); float64(extra) > most {
			t.Errorf("%d objects, %d bad: %d calls more, want at most %.1f", n, len(bad), extra, most)
		}
	}
}

// What a call is too large for says nothing of the other half, so both go.
func TestTooLargeBatchIsHalved(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 4 })
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"), upsert("4", "a"))
	r.fail(r.take(1)[0], marketo.FaultTooLarge)
	r.pass(time.Second)
	for _, call := range r.take(2) {
		r.answer(call)
	}
	r.pass(time.Second)
	r.take(0)
}

// A half that waits for the other goes on whatever comes of that.
func TestHalfIsNotForgotten(t *testing.T) {
	for _, class := range []marketo.FaultClass{marketo.FaultRetry, marketo.FaultUnknown, marketo.FaultRate, marketo.FaultTooLarge, marketo.FaultQuota} {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = 4 })
		end := r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"), upsert("4", "a"))
		r.fail(r.take(1)[0], marketo.FaultRefused)
		r.pass(time.Second)
		r.fail(r.take(1)[0], class)
		for range 10 {
			r.pass(24 * time.Hour)
			for len(r.calls) > 0 {
				r.answer(r.calls[0])
				r.calls = r.calls[1:]
			}
		}
		if r.confirmed != end {
			t.Errorf("after %s: confirmed %s of %s", class, r.confirmed, end)
		}
	}
}

// What is left of a batch of a backfill that was refused as a whole is not sent while
// the backfill is paused, and is once it is resumed.
func TestPartsOfABackfillWait(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects, c.Limits.ConcurrentCalls = 4, 1 })
	r.offer(1, "4", rows(1, 4)...)
	r.fail(r.take(1)[0], marketo.FaultTooLarge)
	first := r.take(1)[0]
	r.step(Pause{Backfill: true, Reason: "somebody wants it"})
	r.fail(first, marketo.FaultRetry)
	r.pass(time.Hour)
	r.take(0)
	r.step(Pause{Backfill: true})
	for range 4 {
		r.pass(time.Minute)
		for _, call := range r.calls {
			r.answer(call)
		}
		r.calls = nil
	}
	if !slices.Equal(r.settled, []uint64{1}) {
		t.Errorf("tickets %v are settled, want 1", r.settled)
	}
}

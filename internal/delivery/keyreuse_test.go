package delivery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// recurs has the machine learn that keys of mapping visits come again.
func (r *rig) recurs() {
	r.t.Helper()
	for i := range memoryOfShares {
		r.commit(upsert(fmt.Sprint("hot", i%2), fmt.Sprint(i)))
	}
	r.pass(r.m.cfg.MaxWait)
	for len(r.calls) > 0 {
		r.answer(r.take(len(r.calls))[0])
	}
}

func TestFullBatchWaitsWhereKeysComeAgain(t *testing.T) {
	r := newRig(t, nil)
	r.recurs()
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"), upsert("4", "a"))
	r.pass(r.m.cfg.MaxWait / 2)
	r.take(0)
	r.commit(upsert("3", "b"), upsert("1", "b"))
	r.pass(r.m.cfg.MaxWait/2 - 1)
	r.take(0)
	r.pass(1)
	r.want(r.take(2), "UPSERT[1,b,- 2,a,- 3,b,-]UPSERT[4,a,-]")
}

func TestFullBatchOfNewKeysLeavesAtOnce(t *testing.T) {
	r := newRig(t, nil)
	for i := range 100 {
		r.commit(upsert(fmt.Sprint(3*i), "a"), upsert(fmt.Sprint(3*i+1), "a"), upsert(fmt.Sprint(3*i+2), "a"))
		r.answer(r.take(1)[0])
	}
}

func TestKeysThatComeAgainConcernTheirMappingOnly(t *testing.T) {
	r := newRig(t, nil)
	r.recurs()
	var writes []mapping.Write
	for i := range 3 {
		w := upsert(fmt.Sprint("plain", i), "a")
		w.Mapping = 1
		writes = append(writes, w)
	}
	r.commit(writes...)
	r.take(1)
}

// A key that comes once in more than MaxWait would wait for nothing.
func TestFullBatchLeavesWhereKeysComeAgainLater(t *testing.T) {
	r := newRig(t, nil)
	for range 200 {
		r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
		r.answer(r.take(1)[0])
		r.pass(r.m.cfg.MaxWait + 10*time.Millisecond)
	}
}

func TestNothingMergesWithoutCoalescing(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Mappings[0].Separate = true })
	for range 200 {
		r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"))
		r.answer(r.take(1)[0])
	}
}

func TestFullBatchThatWaitsGoesWhenMemoryIsFull(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending = 5 })
	r.recurs()
	r.commit(upsert("1", "a"), upsert("2", "a"), upsert("3", "a"), upsert("4", "a"))
	r.take(0)
	r.commit(upsert("5", "a"))
	r.take(1)
}

// While the day's calls run short, full batches of keys that come again wait
// like those that are not full.
func TestPaceHoldsFullBatchesWhereKeysComeAgain(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPerDay: 2000, ConcurrentCalls: 5} })
	r.now = marketo.NextReset(epoch).Add(12 * time.Hour)
	r.recurs()
	for range 1500 {
		r.m.calls.limiter.Start(r.now)
		r.m.calls.limiter.Done(r.now, r.now)
	}
	full := func(value string) {
		r.commit(upsert("1", value), upsert("2", value), upsert("3", value))
	}
	full("a")
	r.pass(10 * time.Minute)
	calls := 0
	for i := range 60 {
		full(fmt.Sprint(i))
		r.pass(10 * time.Second)
		for _, c := range r.calls {
			calls++
			r.answer(c)
		}
		r.calls = nil
	}
	if every := r.m.Report(r.now).Pace; every == 0 || calls > int(10*time.Minute/every)+2 {
		t.Errorf("%d calls in 10 minutes at a pace of %v", calls, every)
	}
}

// Reading goes no further ahead than calls can use, unless what is read may
// merge with what waits.
func TestReadingStopsWhenCallsAreSupplied(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending = 10_000 })
	enough := suppliedRounds * r.m.cfg.Limits.ConcurrentCalls * r.m.cfg.Capacity.Objects
	n := 0
	next := func() {
		r.commit(upsert(fmt.Sprint(n), "a"))
		n++
	}
	for r.m.Accepting() {
		if next(); n > 2*enough {
			t.Fatalf("%d objects were read ahead of calls that carry 3", n)
		}
	}
	if n < enough {
		t.Errorf("reading stopped after %d objects, want at least %d", n, enough)
	}
	r.pass(joinTime)
	r.answer(r.take(2)[0])
	r.pass(joinTime)
	if !r.m.Accepting() {
		t.Error("reading did not go on after a call")
	}
}

// Where calls are not limited all is sent at once, and reading goes on.
func TestUnlimitedCallsAreNeverSupplied(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending, c.Limits = 10_000, marketo.Limits{} })
	for i := range 1000 {
		r.commit(upsert(fmt.Sprint(i), "a"))
		r.pass(joinTime)
		if !r.m.Accepting() {
			t.Fatalf("reading stopped after %d objects", i+1)
		}
	}
}

func TestReadingGoesOnWhereKeysComeAgain(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending = 10_000 })
	r.recurs()
	for i := range 100 {
		r.commit(upsert(fmt.Sprint(i), "a"))
	}
	if !r.m.Accepting() {
		t.Error("reading stopped with memory left")
	}
}

// The objects of a blocked mapping do not keep the others from being read.
func TestBlockedMappingDoesNotSupply(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPending = 10_000 })
	r.m.block(r.now, 0, false, "test")
	for i := range 200 {
		r.commit(upsert(fmt.Sprint(i), "a"))
	}
	if !r.m.Accepting() {
		t.Error("reading stopped for a mapping that sends nothing")
	}
}

// Updates whose keys follow Zipf's law take hardly more calls than the
// smallest number with which every change leaves within MaxWait.
func TestHotKeysTakeFewCalls(t *testing.T) {
	const keys, changes, perSecond = 10_000, 400_000, 100_000
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 100; c.Limits.ConcurrentCalls = 5 })
	rng := rand.New(rand.NewPCG(1, 2))
	until := make(map[string]time.Time)
	fewest, calls := 0, 0
	for i := 0; i < changes; {
		var writes []mapping.Write
		for range 100 {
			id := fmt.Sprint(int(math.Exp(rng.Float64() * math.Log(keys+1))))
			writes = append(writes, upsert(id, fmt.Sprint(i)))
			if end, ok := until[id]; !ok || r.now.After(end) {
				until[id] = r.now.Add(r.m.cfg.MaxWait)
				fewest++
			}
			i++
		}
		r.commit(writes...)
		r.pass(time.Second * 100 / perSecond)
		calls += r.answerAll()
	}
	r.pass(r.m.cfg.MaxWait)
	for n := 1; n > 0; {
		n = r.answerAll()
		calls += n
	}
	if r.m.memory.items > 0 {
		t.Fatalf("%d objects are left", r.m.memory.items)
	}
	if most := fewest / 100 * 11 / 10; calls > most {
		t.Errorf("%d calls, want at most %d: 1.1 times the fewest", calls, most)
	}
}

// answerAll confirms all calls under way, and returns how many there were.
func (r *rig) answerAll() int {
	calls := r.calls
	r.calls = nil
	for _, c := range calls {
		r.answer(c)
	}
	r.saves = nil
	return len(calls)
}

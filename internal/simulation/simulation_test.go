package simulation_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/simulation"
)

var (
	seedsFlag = flag.Int("sim.seeds", 0, "number of seeds to run; 0 is as many as fit a test run")
	firstFlag = flag.Uint64("sim.first", 0, "the first of them")
	seedFlag  = flag.String("sim.seed", "", "one seed to replay with a trace")
	stepsFlag = flag.Int("sim.steps", 0, "events before the faults heal; 0 leaves it to the seed")
	plantFlag = flag.String("sim.plant", "", "planted mistake to run with -sim.seed")
)

// keptSeeds holds seeds that once failed. They run first, for ever.
const keptSeeds = "testdata/seeds"

// total is what came of many runs.
type total struct {
	seeds, events, steps atomic.Int64
	mu                   sync.Mutex
	covered              simulation.Coverage
	failed               map[uint64]string
}

// run runs seeds on all cores until stop says so.
func run(next func() (uint64, bool), plant string, stop func(violation string) bool) *total {
	t := &total{failed: map[uint64]string{}}
	var stopped atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			s := simulation.New()
			var covered simulation.Coverage
			for !stopped.Load() {
				seed, ok := next()
				if !ok {
					break
				}
				r := s.Run(simulation.Options{Seed: seed, Steps: *stepsFlag, Plant: plant})
				t.seeds.Add(1)
				t.events.Add(int64(r.Events))
				t.steps.Add(int64(r.Steps))
				covered.Add(&r.Covered)
				if r.Violation != "" {
					t.mu.Lock()
					t.failed[seed] = r.Violation
					t.mu.Unlock()
					if stop(r.Violation) {
						stopped.Store(true)
					}
				}
			}
			t.mu.Lock()
			t.covered.Add(&covered)
			t.mu.Unlock()
		})
	}
	workers.Wait()
	return t
}

// upTo hands out n seeds, beginning with first, after the given ones.
func upTo(first uint64, n int, before ...uint64) func() (uint64, bool) {
	var i atomic.Int64
	return func() (uint64, bool) {
		k := int(i.Add(1)) - 1
		if k < len(before) {
			return before[k], true
		}
		k -= len(before)
		return first + uint64(k), k < n
	}
}

// count is how many seeds fit the kind of run.
func count() int {
	switch {
	case *seedsFlag > 0:
		return *seedsFlag
	case raceEnabled:
		return 200
	case testing.Short():
		return 1_000
	}
	return 20_000
}

// noRace skips what the race detector finds nothing in, and makes ten times as
// long: a world runs on one goroutine. make test runs it without.
func noRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("runs without the race detector")
	}
}

func readSeeds(t *testing.T) []uint64 {
	t.Helper()
	f, err := os.Open(keptSeeds)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var seeds []uint64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", keptSeeds, err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

func TestSimulation(t *testing.T) {
	if *seedFlag != "" {
		replay(t)
		return
	}
	began := time.Now()
	total := run(upTo(*firstFlag, count(), readSeeds(t)...), "", func(string) bool { return false })
	took := time.Since(began)
	t.Logf("%d seeds, %d events, %d steps of the machine in %s: %.0f seeds/s",
		total.seeds.Load(), total.events.Load(), total.steps.Load(), took.Round(time.Millisecond),
		float64(total.seeds.Load())/took.Seconds())
	shown := 0
	for seed, violation := range total.failed {
		if shown++; shown > 10 {
			t.Errorf("and %d more", len(total.failed)-10)
			break
		}
		t.Errorf("%s\nreplay: go test ./internal/simulation -run TestSimulation -v -sim.seed=%d\nthen add the seed to %s", violation, seed, keptSeeds)
	}
}

func replay(t *testing.T) {
	seed, err := strconv.ParseUint(*seedFlag, 10, 64)
	if err != nil {
		t.Fatalf("-sim.seed: %v", err)
	}
	r := simulation.New().Run(simulation.Options{Seed: seed, Steps: *stepsFlag, Plant: *plantFlag, Trace: os.Stdout})
	if r.Violation != "" {
		t.Error(r.Violation)
	}
}

func TestReplayIsExact(t *testing.T) {
	trace := func(s *simulation.Simulator, seed uint64) string {
		var b strings.Builder
		r := s.Run(simulation.Options{Seed: seed, Trace: &b})
		return fmt.Sprint(b.String(), r.Events, r.Steps, r.Violation)
	}
	used := simulation.New()
	for seed := range uint64(50) {
		if got, want := trace(used, seed), trace(simulation.New(), seed); got != want {
			t.Fatalf("seed %d: two runs differ", seed)
		}
	}
}

// TestPlantedMistakesAreFound proves that the checks can fail: each of them is
// held against at least one mistake that it must find.
func TestPlantedMistakesAreFound(t *testing.T) {
	noRace(t)
	const most = 5_000
	if *seedFlag != "" {
		t.Skip("replaying one seed")
	}
	for _, plant := range simulation.Plants() {
		t.Run(plant, func(t *testing.T) {
			total := run(upTo(0, most), plant, func(string) bool { return true })
			if len(total.failed) == 0 {
				t.Fatalf("not found in %d seeds", total.seeds.Load())
			}
			for seed, violation := range total.failed {
				first, _, _ := strings.Cut(violation, "\n")
				t.Logf("after %d seeds, -sim.seed=%d -sim.plant=%q: %s", total.seeds.Load(), seed, plant, first)
			}
		})
	}
}

func TestEverythingIsExercised(t *testing.T) {
	noRace(t)
	if *seedFlag != "" {
		t.Skip("replaying one seed")
	}
	const seeds, least = 1_000, 20
	total := run(upTo(0, seeds), "", func(string) bool { return false })
	total.covered.Each(func(name string, index, n int) {
		if n < least {
			t.Errorf("%s[%d] happened %d times in %d seeds, want at least %d", name, index, n, seeds, least)
		}
	})
}

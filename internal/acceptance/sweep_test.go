package acceptance_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

const (
	// sweepKeys is the number of rows under load: few, so that changes meet.
	sweepKeys = 400
	// sweepConcurrent is how many calls the program may have in flight.
	sweepConcurrent = 4
	// usualHit is the hit that a run without CDCSYNC_SWEEP dies at: by then
	// calls and saves overlap.
	usualHit = 4
)

// TestCrashSweep kills the program at its failure points, each time in a world
// of its own under load, and starts it again. By default it takes one hit of
// each point, over one API in turn; CDCSYNC_SWEEP=5 takes the hits 1 to 5 of
// each over both.
func TestCrashSweep(t *testing.T) {
	needServer(t)
	t.Parallel()
	most := 0
	if text := os.Getenv("CDCSYNC_SWEEP"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil || most < 1 {
			t.Fatalf("CDCSYNC_SWEEP is %q; write the number of hits", text)
		}
	}
	points := failurePoints(t)
	failing := filepath.Join(t.TempDir(), "cdcsync-failing")
	if err := build(failing, "CGO_ENABLED=0", "-tags", "failpoints"); err != nil {
		t.Fatal(err)
	}
	recorded := map[string]map[string]int{}
	if !t.Run("record", func(t *testing.T) {
		var mu sync.Mutex
		for _, api := range apis {
			t.Run(api, func(t *testing.T) {
				t.Parallel()
				busyPlace(t)
				hits := recordHits(t, api, failing)
				mu.Lock()
				defer mu.Unlock()
				recorded[api] = hits
			})
		}
	}) {
		return
	}
	for i, point := range points {
		for j, api := range apis {
			known := recorded[api][point]
			if known == 0 {
				t.Errorf("%s: no run has come to failure point %s", api, point)
				continue
			}
			first, last := 1, min(most, known)
			if most == 0 {
				if i%len(apis) != j {
					continue
				}
				first = min(usualHit, known)
				last = first
			}
			for hit := first; hit <= last; hit++ {
				t.Run(fmt.Sprintf("%s/%d/%s", point, hit, api), func(t *testing.T) {
					t.Parallel()
					crash(t, api, failing, point, hit)
				})
			}
		}
	}
}

var hitCall = regexp.MustCompile(`failpoint\.Hit\("([a-z_.]+)"\)`)

// failurePoints reads the names of all failure points from the source: none
// may be left out.
func failurePoints(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return cmp.Or(err, fs.SkipDir)
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range hitCall.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 {
		t.Fatalf("%d failure points in the source; they are not found any more", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

// newSweep is a world with the table items, whose objects are accepted, and
// the table strays, of whose objects every other one is rejected. Some calls
// are executed late: after the program has died.
func newSweep(t *testing.T, api string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{
		Dedupe:        map[string][]string{"Item": {"id"}, "Stray": {"id"}},
		RecordHistory: true, RecordKeys: true,
		Latency: simulator.Latency{Fixed: 20 * time.Millisecond, Jitter: 0.5},
		// The calls of a program that has died may still be executing beside
		// those of the next one.
		Limits: simulator.Limits{Calls: 100, Concurrent: 2 * sweepConcurrent},
	})
	w.config.limits = fmt.Sprintf("{calls_per_20s: 100, concurrent_calls: %d, calls_per_day: 0}", sweepConcurrent)
	w.config.maxWait = 100 * time.Millisecond
	w.config.timeout, w.config.hold = 2*time.Second, 2*time.Second
	w.config.mappings = items + `
  - {table: public.strays, object: Stray, key: {id: id}, attributes: {version: version}, on_delete: delete}
`
	w.exec(`CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, pad text)`)
	w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, $1::bigint) i`, sweepKeys)
	w.exec(`CREATE TABLE strays (id bigint PRIMARY KEY, version bigint NOT NULL)`)
	w.exec(`INSERT INTO strays SELECT i, 0 FROM generate_series(1, 20) i`)
	if err := w.sim.Fail(
		simulator.Rule{Name: "late", Operation: "sync", Type: "Item", Probability: 0.15, Hang: 300 * time.Millisecond},
		simulator.Rule{Operation: "sync", Type: "Stray", Objects: &simulator.ObjectFault{Modulus: 2}},
	); err != nil {
		t.Fatal(err)
	}
	return w
}

// burden is the load of a sweep, with a witness to it. It begins once the slot
// is there: what was committed before is not the program's business.
type burden struct {
	*load
	seen *witness
}

func (w *world) startBurden() *burden {
	w.t.Helper()
	seen := w.callWitness()
	b := &burden{w.startLoad(sweepKeys, 8, 10*time.Millisecond), seen}
	w.moveStrays()
	return b
}

func (w *world) moveStrays() {
	w.t.Helper()
	w.exec(`UPDATE strays SET version = version + 1`)
}

// recordHits runs the program under the load of a sweep, from its first start
// to an orderly end, and returns how often it came to each failure point.
func recordHits(t *testing.T, api, failing string) map[string]int {
	t.Helper()
	w := newSweep(t, api)
	file := filepath.Join(t.TempDir(), "hits")
	p := w.launchWith(failing, failpoint.RecordVariable+"="+file)
	w.awaitReady(p)
	b := w.startBurden()
	b.await(t, 200)
	b.stop()
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hits := map[string]int{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		hits[name]++
	}
	return hits
}

// crash lets the program die at a hit of a failure point, starts it again and
// checks everything that must hold.
func crash(t *testing.T, api, failing, point string, hit int) {
	w := newSweep(t, api)
	p := w.launchWith(failing, fmt.Sprintf("%s=%s:%d", failpoint.Variable, point, hit))
	var b *burden
	stopping := strings.HasPrefix(point, "stop.")
	await(t, time.Minute, func() (bool, string) {
		ended := p.ended()
		if b == nil && w.slotReady() {
			b = w.startBurden()
			if stopping {
				w.awaitReady(p)
				b.await(t, 50)
				p.signal(t, syscall.SIGTERM)
			}
		}
		return ended, "the program has not died"
	})
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the program ended with %s, not at its failure point", p.cmd.ProcessState)
	}
	killed := []time.Time{time.Now()}
	w.slotBehindState()
	if b != nil {
		// What is sent again shows only where nothing newer overtakes it.
		b.stop()
		w.moveStrays()
	}

	last := w.start()
	if b == nil {
		b = w.startBurden()
	} else {
		b.load = w.startLoad(sweepKeys, 8, 10*time.Millisecond)
	}
	w.moveStrays()
	w.slotMoves(10)
	b.stop()
	w.settle(last)
	w.straysAgree()
	w.balance()
	last.stop(t)
	w.slotBehindState()

	w.itemsAgree()
	versions := w.neverBack()
	repeats := w.repeats(killed, 2*sweepConcurrent)
	b.seen.swear()
	t.Logf("%d versions in %d calls, %d sent again", versions, len(w.writes()), repeats)
}

// slotMoves waits until the slot has come to that many positions, so that the
// witness has something to say.
func (w *world) slotMoves(times int) {
	w.t.Helper()
	moved, last := 0, w.confirmed()
	await(w.t, time.Minute, func() (bool, string) {
		if now := w.confirmed(); now != last {
			moved, last = moved+1, now
		}
		return moved >= times, "the slot does not move"
	})
}

// straysAgree checks that every second stray is parked, none is forgotten, and
// the others have arrived.
func (w *world) straysAgree() {
	w.t.Helper()
	version := w.value(`SELECT max(version) FROM strays`)
	objects := w.sim.Objects("Stray")
	// Over REST the keys are written as the type wants them, which learnt them as
	// texts.
	parked := strings.NewReplacer(`:"`, `:`, `"}`, `}`).Replace(strings.Join(w.parkedFields("strays"), "\n"))
	for n := 1; n <= 20; n++ {
		switch has := strings.Contains(parked+"\n", id(n)+"}"); {
		case n%2 == 0 && !has:
			w.t.Errorf("stray %d was rejected and is not parked; parked are %s", n, parked)
		case n%2 == 1 && (has || objects[strconv.Itoa(n)]["version"] != version):
			w.t.Errorf("stray %d, version %s: parked %v, object %v", n, version, has, objects[strconv.Itoa(n)])
		}
	}
}

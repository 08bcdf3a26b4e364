package acceptance_test

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// places are what tests that run at the same time take. Most of them wait for
// most of their time (for a server, a pause, a look at the catalog), so there
// are more such tests than processors; those that keep processors busy have
// places of their own, one for each processor.
var (
	waiting = make(chan struct{}, 3*runtime.GOMAXPROCS(0))
	working = make(chan struct{}, runtime.GOMAXPROCS(0))

	placed   = map[string]bool{}
	placedMu sync.Mutex
)

// openPlaces has all parallel tests begin, to wait for their places. Whoever
// says -parallel gets that many at a time, whatever they do.
func openPlaces() error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", "1000")
}

// place waits for the place of a test that mostly waits. newWorld and the
// servers do so; a test within one that has a place shares it.
func place(t *testing.T) {
	t.Helper()
	take(t, waiting)
}

// busyPlace waits for the place of a test that keeps a processor busy: under
// load, or with very many rows. It comes before everything else in such a test.
func busyPlace(t *testing.T) {
	t.Helper()
	take(t, working)
}

func take(t *testing.T, places chan struct{}) {
	t.Helper()
	if !claim(t.Name()) {
		return
	}
	asked := time.Now()
	places <- struct{}{}
	began := time.Now()
	t.Cleanup(func() {
		placedMu.Lock()
		delete(placed, t.Name())
		placedMu.Unlock()
		<-places
		t.Logf("took %s, after %s of waiting for its place", time.Since(began).Round(10*time.Millisecond), began.Sub(asked).Round(time.Second))
	})
}

// claim reports whether a test has to take a place: neither it nor a test that
// it is a part of has one.
func claim(name string) bool {
	placedMu.Lock()
	defer placedMu.Unlock()
	for outer := name; ; {
		if placed[outer] {
			return false
		}
		cut := strings.LastIndexByte(outer, '/')
		if cut < 0 {
			break
		}
		outer = outer[:cut]
	}
	placed[name] = true
	return true
}

package confirmed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

var keys = flag.Int("confirmed.keys", 0, "have TestManyKeys remember so many objects, such as 10000000")

// TestManyKeys fills a record, and then looks up and writes objects all over it,
// in calls of 300. It says how fast that was, and how much memory it took.
func TestManyKeys(t *testing.T) {
	n := *keys
	if n == 0 {
		n = 20_000
	}
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "b")
	batch := make([]checkpoint.Confirmed, 300)
	names := make([]string, len(batch))
	round := func(what string, rows int, key func(i int) int) {
		began, used := time.Now(), processor()
		for i := 0; i < rows; i += len(batch) {
			for j := range batch {
				names[j] = fmt.Sprintf("visit\x00%d\x00", key(i+j))
				batch[j] = object(names[j], i, 12)
			}
			look(t, r, names...)
			write(t, r, batch)
		}
		took := time.Since(began)
		t.Logf("%s: %d rows/s, %.1f µs of the processor a row, %s", what, int(float64(rows)/took.Seconds()), float64((processor()-used).Microseconds())/float64(rows), memory(t))
	}
	round("new objects", n, func(i int) int { return i })
	round("objects all over", min(n, 1_000_000), func(int) int { return rand.IntN(n) })
	for range 2 {
		began := time.Now()
		r = open(t, path, "i", "b")
		t.Logf("opened in %s with %d objects on %d pages, %s", time.Since(began).Round(time.Millisecond), r.Len(), r.file.pages, memory(t))
		if r.Len() < int64(n) {
			t.Errorf("%d objects of %d", r.Len(), n)
		}
		write(t, r, batch[:1])
		must(t, r.Close())
	}
}

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func memory(t *testing.T) string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "memory not known"
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "VmHWM") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return ""
}

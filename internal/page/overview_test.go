package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cdcsync/cdcsync/internal/snapshot"
)

func TestOverviewSaysWhatStatusSays(t *testing.T) {
	t.Parallel()
	s := newStage(t, well())
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "Ready", "delivering", "Everything committed by", "is in Marketo, except 9 parked objects.", "412 objects", "3,120 of 10,000",
		"The day ends in 5 h", "196.3 objects a call", "retry http_503 8", "21.4 MiB of 10 GiB", "13.2 KiB behind", "roadshow → roadshow_c", "210,040", "4.2 s")
	b.sees("#link", "live")
	b.sees("h1 time", "GMT+1")
	b.sees("#version", "cdcsync 1.2.3")
	s.say(func(status *snapshot.Status) {
		r := *status.Report
		r.Pending = 7
		status.Report = &r
	})
	b.sees(".figure", "7 objects")
	b.quiet()
}

func TestOverviewSaysWhyItIsNotReady(t *testing.T) {
	t.Parallel()
	s := newStage(t, ill())
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "Not ready", "Why it is not ready, the worst first", "It grows.", "in 7 h 20 min at this rate", "That is 12 min 34 s ago", "The next one waits for the limit: quota.")
	b.sees(".reasons li:first-child", "marketo failing", "HTTP 503", "What to do:", "cdcsync check")
	b.sees("tbody", "blocked", "paused", "campaign freeze")
	b.sees(".notices", "accepted 2 days ago")
	if title := js[string](b, "document.title"); title != "! marketo failing, cdcsync" {
		t.Errorf("title: got %q", title)
	}
	b.quiet()
}

func TestOverviewOfADaemonThatStarts(t *testing.T) {
	t.Parallel()
	s := newStage(t, snapshot.Status{}.Without(snapshot.Starting, "waiting for postgresql: connection refused"))
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "The daemon is starting.", "Waiting for postgresql: connection refused.", "cdcsync check says what is missing")
	s.say(func(status *snapshot.Status) { *status = well() })
	b.sees("main", "Everything committed by")
	b.quiet()
}

func TestOverviewOfADaemonThatIsGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, well())
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "Everything committed by")
	gone(t, s)
	b.sees("#lost", "No answer from the daemon since", "What stands here is from then.")
	b.sees("#link", "no answer")
	b.sees("main", "412 objects")
	b.quiet("/api/v1/events")
}

// A browser has six connections to an address for all its tabs: a seventh that showed
// the page would wait for ever, if those that nobody sees kept theirs.
func TestAHiddenPageKeepsNoConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, well())
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "Everything committed by")
	turn := func(hidden bool, streams int32) {
		t.Helper()
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`Object.defineProperty(document, "hidden", {configurable: true, get: () => %t}); document.dispatchEvent(new Event("visibilitychange"))`, hidden)))
		for end := time.Now().Add(10 * time.Second); s.streams.Load() != streams; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections are kept for events, want %d", s.streams.Load(), streams)
			}
		}
	}
	turn(true, 0)
	s.say(func(status *snapshot.Status) { *status = status.Without(snapshot.Unresponsive, "it hangs") })
	for end := time.Now().Add(30 * time.Second); !strings.HasPrefix(js[string](b, `document.title`), "! "); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the title is still %q", js[string](b, `document.title`))
		}
	}
	turn(false, 1)
	b.sees("main", "It hangs")
	b.quiet()
}

func TestCharts(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.history = hours() })
	b := open(t, s.URL, 1280, 900)
	b.sees(".chart", "Behind", "Rows", "created", "refused", "Calls today", "limit 10,000", "parked 8")
	ink := `[...document.querySelectorAll(".plot canvas")].map((c) => new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size)`
	for i, colours := range js[[]int](b, ink) {
		if colours < 5 {
			t.Errorf("chart %d has %d colours, want a line on it", i, colours)
		}
	}
	b.click("[data-act=span][data-seconds='1800']")
	b.sees("[data-act=span][aria-pressed=true]", "30 minutes")
	if n := js[int](b, `document.querySelectorAll(".plot canvas").length`); n != 6 {
		t.Errorf("got %d charts, want 6", n)
	}
	b.do(chromedp.Navigate(s.URL + "/#/trace"))
	b.sees("main", "Where is this row?")
	b.do(chromedp.Navigate(s.URL + "/#/"))
	b.sees(".keys", "parked 8")
	b.quiet()
}

func TestOverviewOfAThousandMappings(t *testing.T) {
	t.Parallel()
	status := well()
	for i := range 1000 {
		status.Report.Mappings = append(status.Report.Mappings, snapshot.Mapping{Name: fmt.Sprintf("table_%04d", i), Object: "thing_c", Rows: uint64(i)})
	}
	s := newStage(t, status)
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "table_0999")
	s.say(func(status *snapshot.Status) { status.Report.Mappings[1002].Name = "table_last" })
	began := time.Now()
	b.sees("tbody tr:last-child", "table_last")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a change among 1,000 rows was shown after %s", took)
	}
	b.quiet()
}

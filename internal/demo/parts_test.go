package demo

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0.0 s", 1540 * time.Millisecond: "1.5 s", 71 * time.Second: "71 s", 3 * time.Minute: "3m0s"} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%s) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{12: "12 B", 1536: "1.5 KiB", 3 << 20: "3.0 MiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var p pool[int]
	if _, ok := p.pick(rng); ok {
		t.Error("an empty pool gives a key")
	}
	for i := range 10 {
		p.add(i)
		p.add(i)
	}
	for i := range 9 {
		p.remove(i)
		p.remove(i)
	}
	if key, ok := p.pick(rng); !ok || key != 9 || len(p.keys) != 1 {
		t.Errorf("pick gives %d, %v of %v, want 9", key, ok, p.keys)
	}
}

func TestQuantile(t *testing.T) {
	var l delivery.Latency
	if _, ok := quantile(l, 0.5); ok {
		t.Error("there is a quantile of nothing")
	}
	// 0.1 to 0.25 s and 1 to 2.5 s, half each.
	l.Buckets[4], l.Buckets[7], l.Count = 50, 50, 100
	for q, want := range map[float64]time.Duration{0.25: 175 * time.Millisecond, 0.5: 250 * time.Millisecond, 0.75: 1750 * time.Millisecond} {
		if got, ok := quantile(l, q); !ok || (got-want).Abs() > time.Millisecond {
			t.Errorf("quantile %v is %s, want %s", q, got, want)
		}
	}
	l.Buckets[7] = 0
	if got, _ := quantile(l, 0.99); got != time.Hour {
		t.Errorf("what is beyond the last bucket counts as %s, want an hour", got)
	}
}

// busy is a sample with large numbers and every status.
func busy(at time.Time, n uint64) sample {
	m := delivery.MappingReport{}
	for i := range m.Statuses {
		m.Statuses[i] = n / 7
	}
	m.Coalesced, m.Latency.Count = n, n
	m.Latency.Buckets[6] = n
	r := delivery.Report{Pending: 99_999, Parked: 1234, Mappings: []delivery.MappingReport{m}, Through: at.Add(-99 * time.Second)}
	r.Calls, r.Objects, r.Limited = n/100, n, "concurrency"
	r.Stalled = []delivery.Obstacle{{Condition: delivery.MarketoFailing, Reason: strings.Repeat("a very long reason ", 10)}}
	r.Quota = marketo.Quota{Calls: 49_999}
	r.Source.Rows = []delivery.RowReport{{Inserts: n / 3, Updates: n / 3, Deletes: n / 3}}
	r.Source.Connected = true
	return sample{at: at, report: r, server: 1 << 30}
}

func TestBoardFits(t *testing.T) {
	began := time.Now()
	b := &board{began: began, duration: time.Minute}
	for i := range 100 {
		b.add(busy(began.Add(time.Duration(i)*time.Second), uint64(10_000*i)))
	}
	for _, line := range b.lines() {
		if width := utf8.RuneCountInString(line); width > columns {
			t.Errorf("%d columns wide, want at most %d: %q", width, columns, line)
		}
	}
	if got := b.perSecond(func(s sample) uint64 { return s.report.Objects }); got != 10_000 {
		t.Errorf("objects a second: %d, want 10000", got)
	}
	if first := b.samples[0].at; b.now().at.Sub(first) > span+time.Second {
		t.Errorf("samples go back %s, want no more than %s", b.now().at.Sub(first), span)
	}
	if text := strings.Join(b.lines(), "\n"); !strings.Contains(text, "waiting, because\n  a very long reason") {
		t.Errorf("the reason is not shown:\n%s", text)
	}
}

// A block is drawn over, and lines that stay go above it.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, live: true}
	s.say("hello")
	s.draw([]string{"one", "two"})
	s.say("news")
	s.draw([]string{"three"})
	s.finish()
	s.say("bye")
	want := "hello\n" +
		startOfLive + "one\ntwo\n" +
		"\x1b[2A\r" + clearBelow + "news\none\ntwo\n" +
		"\x1b[2A\r" + clearBelow + "three\n" +
		endOfLive + "bye\n"
	if err := s.close(); err != nil || out.String() != want {
		t.Errorf("close: %v, written:\n%q\nwant:\n%q", err, out.String(), want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestScreenThatIsGone(t *testing.T) {
	s := &screen{out: broken{}}
	s.say("hello")
	if err := s.close(); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("close: %v, want the error of writing", err)
	}
}

// Warnings are shown, and everything is in the log.
func TestNotices(t *testing.T) {
	var file bytes.Buffer
	to := &notices{}
	log := slog.New(&noticing{Handler: slog.NewTextHandler(&file, nil), to: to})
	log.Info("all is well")
	log.With("mapping", "orders").Warn("calls to marketo fail", "code", "http_503")
	want := []string{"  daemon: warn: calls to marketo fail mapping=orders code=http_503"}
	if got := to.take(); !slices.Equal(got, want) {
		t.Errorf("notices %q, want %q", got, want)
	}
	if got := to.take(); got != nil {
		t.Errorf("taken twice: %q", got)
	}
	for _, text := range []string{"all is well", "mapping=orders code=http_503"} {
		if !strings.Contains(file.String(), text) {
			t.Errorf("the log lacks %q: %s", text, file.String())
		}
	}
}

// What the demo says about limits is so in both of its modes.
func TestLimitsLine(t *testing.T) {
	stats := simulator.Stats{MostConcurrent: 10, MostInWindow: 379}
	if got := limitsLine(false, "none broken", stats); !strings.Contains(got, "379 calls in 20 s, where Marketo allows 100: the demo lifts that limit") || strings.Contains(got, "limits of Marketo: none broken") {
		t.Errorf("lifted: %s", got)
	}
	if got := limitsLine(true, "none broken", stats); got != "  rules and limits of Marketo: none broken; at most 10 calls at once, 379 in 20 s" {
		t.Errorf("real: %s", got)
	}
}

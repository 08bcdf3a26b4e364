package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// span is the time that rates and latencies are taken over.
const span = 5 * time.Second

// columns is the width that every terminal has.
const columns = 78

// board keeps the samples of the last seconds and words them. Its lines fit
// into columns.
type board struct {
	began    time.Time
	duration time.Duration
	phase    string
	samples  []sample
}

// add takes a sample, and forgets those older than span but for the newest of
// them.
func (b *board) add(s sample) {
	b.samples = append(b.samples, s)
	for len(b.samples) > 2 && s.at.Sub(b.samples[1].at) >= span {
		b.samples = b.samples[1:]
	}
}

// now returns the newest sample, the zero one when there is none.
func (b *board) now() sample {
	if len(b.samples) == 0 {
		return sample{}
	}
	return b.samples[len(b.samples)-1]
}

// clock words the time since the start.
func (b *board) clock(at time.Time) string {
	return fmt.Sprintf("%4.0f s", at.Sub(b.began).Seconds())
}

// perSecond returns the rate at which a count grew.
func (b *board) perSecond(count func(sample) uint64) int {
	first, last := b.samples[0], b.now()
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return int(float64(count(last)-count(first))/seconds + 0.5)
}

func (b *board) recentLatency() delivery.Latency {
	return since(b.now().totals().latency, b.samples[0].totals().latency)
}

// lines is the live picture.
func (b *board) lines() []string {
	s := b.now()
	t := s.totals()
	r := s.report
	field := func(name, format string, args ...any) string {
		return fmt.Sprintf("  %-11s", name) + fmt.Sprintf(format, args...)
	}
	lines := []string{
		"",
		b.clock(s.at) + "  " + b.bar(s.at) + "  " + b.state(),
		"  " + cut(r.Reason(), columns-2),
		field("rows in", "%11s  %6s/s", grouped(t.rows()), grouped(b.perSecond(func(s sample) uint64 { return s.totals().rows() }))),
		field("", "%11s  inserts, %s updates, %s deletes", grouped(t.inserts), grouped(t.updates), grouped(t.deletes)),
		field("objects out", "%11s  %6s/s    %s merged while they waited", grouped(r.Objects),
			grouped(b.perSecond(func(s sample) uint64 { return s.report.Objects })), grouped(t.coalesced)),
		field("calls", "%11s  %6s/s    %s objects per call, %d under way", grouped(r.Calls),
			grouped(b.perSecond(func(s sample) uint64 { return s.report.Calls })), perCall(r), r.InFlight),
	}
	name := "statuses"
	for _, line := range wrapped(statusWords(t), columns-13) {
		lines = append(lines, field(name, "%s", line))
		name = ""
	}
	return append(lines,
		field("confirmed", "%s, behind by %s", b.latencyWords(), seconds(s.behind())),
		field("pending", "%11s  objects, %s parked", grouped(r.Pending), grouped(r.Parked)),
		field("checkpoint", "%11s  behind the end of the WAL", size(s.lag())),
		field("quota", "%11s  calls today%s", grouped(r.Quota.Calls), limited(r)))
}

// line is the same in one line, without the moving parts.
func (b *board) line() string {
	s := b.now()
	r := s.report
	return fmt.Sprintf("%s  %s rows, %s/s; %s calls, %s objects per call; %s pending, behind by %s",
		b.clock(s.at), grouped(s.totals().rows()), grouped(b.perSecond(func(s sample) uint64 { return s.totals().rows() })),
		grouped(r.Calls), perCall(r), grouped(r.Pending), seconds(s.behind()))
}

// bar shows how much of the workload is over.
func (b *board) bar(at time.Time) string {
	const width = 30
	if b.duration == 0 {
		return "until Ctrl-C"
	}
	done := min(int(at.Sub(b.began)*width/b.duration), width)
	return "[" + strings.Repeat("#", done) + strings.Repeat(".", width-done) + "]"
}

// state says in a few words how it goes.
func (b *board) state() string {
	switch {
	case b.now().report.Reason() != "":
		return "waiting, because"
	case b.phase != "":
		return b.phase
	}
	return "in step"
}

// cut shortens text to the given width.
func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-3]) + "..."
	}
	return text
}

func (b *board) latencyWords() string {
	recent := b.recentLatency()
	half, ok := quantile(recent, 0.5)
	if !ok {
		return "nothing in the last 5 s"
	}
	most, _ := quantile(recent, 0.99)
	return fmt.Sprintf("half within %s, 99 %% within %s of commit", seconds(half), seconds(most))
}

// wrapped breaks a list behind commas into lines of the given width.
func wrapped(list string, width int) []string {
	var lines []string
	for len(list) > width {
		at := strings.LastIndex(list[:width], ", ")
		if at < 0 {
			break
		}
		lines = append(lines, list[:at+1])
		list = list[at+2:]
	}
	return append(lines, list)
}

// statusWords lists the statuses that came, in the order of their values.
func statusWords(t totals) string {
	var words []string
	for i, n := range t.statuses {
		if n > 0 {
			words = append(words, grouped(n)+" "+strings.ToLower(marketo.Status(i).String()))
		}
	}
	if words == nil {
		return "none yet"
	}
	return strings.Join(words, ", ")
}

func limited(r delivery.Report) string {
	if r.Pending > 0 && r.Limited != "" {
		return "; the next one waits: " + r.Limited
	}
	return ""
}

// perCall is the average number of objects in a call.
func perCall(r delivery.Report) string {
	if r.Calls == 0 {
		return "no"
	}
	return fmt.Sprintf("%.1f", float64(r.Objects)/float64(r.Calls))
}

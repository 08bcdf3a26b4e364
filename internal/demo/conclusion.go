package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/agreement"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// ErrDisagree is returned by Run when something at the end is not as it should
// be; what it is has been shown.
var ErrDisagree = errors.New("demo: rows and objects do not agree")

// conclude compares and sums up.
func (a *act) conclude(ctx context.Context) error {
	source, err := daemon.Source(a.stage.config.Source)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	report, err := agreement.Compare(ctx, source, a.stage.config.Set, a.stage.marketo.Objects)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	stats := a.stage.marketo.Stats()
	a.screen.say(a.summary(stats)...)
	a.screen.say(comparison(report)...)
	wrong := a.wrong(report, stats)
	if len(wrong) == 0 {
		sum := report.Total()
		a.screen.say("", fmt.Sprintf("%s rows, %s objects: all agree.", grouped(sum.Rows), grouped(sum.Objects)))
		return nil
	}
	a.screen.say("")
	a.screen.say(wrong...)
	return ErrDisagree
}

// wrong lists what is not as it should be.
func (a *act) wrong(report agreement.Report, stats simulator.Stats) []string {
	var lines []string
	for _, f := range report.Findings {
		lines = append(lines, "  "+f.String())
	}
	sum := report.Total()
	if sum.Unmappable > 0 {
		lines = append(lines, fmt.Sprintf("  %s rows could not become objects", grouped(sum.Unmappable)))
	}
	if parked := a.board.now().report.Parked; parked > 0 {
		lines = append(lines, fmt.Sprintf("  %s objects are parked", grouped(parked)))
	}
	for _, kind := range sorted(stats.Violations) {
		lines = append(lines, fmt.Sprintf("  a rule of Marketo was broken: %s, %d times", kind, stats.Violations[kind]))
	}
	if s := a.board.now(); s.confirmed < a.end {
		lines = append(lines, fmt.Sprintf("  the slot stands at %s, before the last change at %s", s.confirmed, a.end))
	}
	if sum.Rows == 0 {
		lines = append(lines, "  there are no rows: nothing was shown")
	}
	if len(lines) > 0 {
		lines = append(lines, fmt.Sprintf("%s rows, %s objects: %s missing, %s extra, %s different.",
			grouped(sum.Rows), grouped(sum.Objects), grouped(sum.Missing), grouped(sum.Extra), grouped(sum.Different)))
	}
	return lines
}

// comparison is the table of rows and objects.
func comparison(report agreement.Report) []string {
	const format = "  %-10s %9s %9s %9s %9s %9s %9s"
	lines := []string{"", fmt.Sprintf(format, "", "rows", "objects", "kept", "missing", "extra", "different")}
	for _, m := range report.Mappings {
		lines = append(lines, fmt.Sprintf(format, m.Name, grouped(m.Rows), grouped(m.Objects), grouped(m.Retained),
			grouped(m.Missing), grouped(m.Extra), grouped(m.Different)))
	}
	return append(lines, "  (kept: objects of rows that are gone, which on_delete left as inactive)")
}

// summary says what it took.
func (a *act) summary(stats simulator.Stats) []string {
	s := a.board.now()
	r, t := s.report, s.totals()
	lines := []string{
		"",
		fmt.Sprintf("  %s row changes in %s transactions (%s of them big; %s more were rolled back)", grouped(a.workload.changed.Load()),
			grouped(a.workload.committed.Load()), grouped(a.workload.big.Load()), grouped(a.workload.rolledBack.Load())),
		fmt.Sprintf("  became %s objects in %s calls, %s objects per call:", grouped(r.Objects), grouped(r.Calls), perCall(r)),
		"  " + statusWords(t),
	}
	if r.Objects > 0 {
		saved := t.coalesced * r.Calls / r.Objects
		lines = append(lines, fmt.Sprintf("  %s changes were merged into ones that waited: about %s calls saved", grouped(t.coalesced), grouped(saved)))
	}
	if half, ok := quantile(t.latency, 0.5); ok {
		most, _ := quantile(t.latency, 0.99)
		lines = append(lines, fmt.Sprintf("  from commit to confirmed: half within %s, 99 %% within %s", seconds(half), seconds(most)))
	}
	if n := stats.Faults["http_503"]; n > 0 {
		lines = append(lines, fmt.Sprintf("  %d calls failed while Marketo was away, and their objects went again", n))
	}
	broken := "none broken"
	if len(stats.Violations) > 0 {
		broken = strings.Join(sorted(stats.Violations), ", ")
	}
	return append(lines,
		limitsLine(a.options.RealLimits, broken, stats),
		fmt.Sprintf("  the slot has confirmed %s; the last change ended at %s", s.confirmed, a.end))
}

// limitsLine says what became of Marketo's rules. The limit of calls in 20 s is
// lifted unless real ones are asked for, and the line says so.
func limitsLine(realLimits bool, broken string, stats simulator.Stats) string {
	if realLimits {
		return fmt.Sprintf("  rules and limits of Marketo: %s; at most %d calls at once, %d in 20 s", broken, stats.MostConcurrent, stats.MostInWindow)
	}
	return fmt.Sprintf("  rules of Marketo: %s, at most %d calls at once; %d calls in 20 s, where Marketo allows 100: the demo lifts that limit to show more in less time, --limits real keeps it",
		broken, stats.MostConcurrent, stats.MostInWindow)
}

func sorted(counts map[string]int) []string {
	var names []string
	for name, n := range counts {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

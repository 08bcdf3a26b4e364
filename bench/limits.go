package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"
)

// The limits of the limits workload are those of a Marketo instance, and the
// latency is that of a call of full size.
const (
	limitCalls       = 100
	limitConcurrency = 10
	limitWindow      = 20 * time.Second
	limitLatency     = 800 * time.Millisecond
	// limitWindows is how many windows' calls the backlog needs: they last for
	// more than a minute.
	limitWindows = 4
)

// limitsResult is one run with a sink as slow as Marketo.
type limitsResult struct {
	Contender string  `json:"contender"`
	Rows      int     `json:"rows"`
	Seconds   float64 `json:"seconds"`
	Calls     int     `json:"calls"`
	// MostInWindow is the largest number of calls that arrived within 20
	// seconds, MostAtOnce the largest number under way.
	MostInWindow int `json:"most_in_window"`
	MostAtOnce   int `json:"most_at_once"`
	// Used is how many of the calls that the limits allowed over the run were
	// made.
	Used float64 `json:"used"`
}

// limitsRun measures how much of the limits a backlog uses.
func (s *stage) limitsRun(ctx context.Context, book *book) error {
	var results []limitsResult
	for _, c := range s.field(workload{pair: true}) {
		perCall := pick(c.api == "soap", 100, 300)
		w := workload{name: limitsWorkload, rows: limitWindows * limitCalls * perCall, size: 100, tables: 1}
		progress("%s over %s", w, c.api)
		b, err := s.database.fill(ctx, w)
		if err != nil {
			return err
		}
		r, err := s.limitsOf(ctx, c, b)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
		if err := s.database.clean(ctx, w); err != nil {
			return err
		}
	}
	book.limited(results)
	return nil
}

func (s *stage) limitsOf(ctx context.Context, c contender, b backlog) (r limitsResult, err error) {
	slot, p, err := s.begin(ctx, c, b, sinkSettings{Latency: limitLatency, Track: true}, setting{
		limits: fmt.Sprintf("{calls_per_20s: %d, concurrent_calls: %d, calls_per_day: 0}", limitCalls, limitConcurrency),
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.database.dropSlot(ctx, slot)) }()
	var run result
	err = s.watch(ctx, c, b, slot, p, &run)
	if stopErr := p.stop(true); err != nil || stopErr != nil {
		return r, errors.Join(err, stopErr)
	}
	stats, err := s.sink.stats(ctx)
	if err != nil {
		return r, err
	}
	r = limitsResult{Contender: c.name, Rows: b.rows, Seconds: run.Seconds, Calls: stats.Calls, MostAtOnce: stats.MostInFlight}
	r.MostInWindow = mostWithin(stats.Starts, limitWindow)
	r.Used = float64(r.Calls) / float64(allowed(stats.Starts))
	if r.MostInWindow > limitCalls || r.MostAtOnce > limitConcurrency {
		return r, fmt.Errorf("a limit was exceeded: %d calls in %v, %d at once", r.MostInWindow, limitWindow, r.MostAtOnce)
	}
	return r, nil
}

// mostWithin is the largest number of starts in any span of that length.
func mostWithin(starts []int64, span time.Duration) int {
	starts = slices.Sorted(slices.Values(starts))
	most, from := 0, 0
	for i, at := range starts {
		for at-starts[from] >= int64(span) {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// allowed is how many calls the limits allow from the first to the last start:
// a burst as fast as concurrency lets it, at the beginning of every window.
func allowed(starts []int64) int {
	if len(starts) == 0 {
		return 1
	}
	took := time.Duration(slices.Max(starts) - slices.Min(starts))
	whole, rest := int(took/limitWindow), took%limitWindow
	burst := (int(rest/shortest(limitLatency)) + 1) * limitConcurrency
	return whole*limitCalls + min(burst, limitCalls)
}

func (b *book) limited(results []limitsResult) {
	b.limits = append(b.limits, results...)
	fmt.Fprintf(b.out, "\nlimits: %d calls in 20 s, %d at once, a call takes %v ± 20 %%\n", limitCalls, limitConcurrency, limitLatency)
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\trows\tseconds\tcalls\tcalls/1000\tmost in 20 s\tmost at once\tof the calls allowed\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%d\t%.2f\t%d\t%d\t%.1f %%\t\n", r.Contender, thousands(r.Rows), r.Seconds, r.Calls,
			float64(r.Calls)/float64(r.Rows)*1e3, r.MostInWindow, r.MostAtOnce, 100*r.Used)
	}
	t.Flush()
}

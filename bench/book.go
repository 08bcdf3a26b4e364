package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// book keeps what was measured, and prints it.
type book struct {
	out     io.Writer
	results []result
	latency []latencyResult
	limits  []limitsResult
	helds   []heldResult
}

// heading says when and on what machine.
func (b *book) heading(postgres string, o options) {
	fmt.Fprintf(b.out, "%s, %d cores, %.0f GiB of memory, %s/%s, %s, PostgreSQL %s, TCP congestion control %s\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), float64(memory())/(1<<30), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, orDash(congestionControl()))
	fmt.Fprintf(b.out, "load average before the first run %s; medians of %d runs, in brackets the lowest and the highest; %d calls at once\n",
		orDash(loadAverage()), o.repeats, o.concurrency)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// backlog prints the table of one workload.
func (b *book) backlog(w workload, results []result) {
	b.results = append(b.results, results...)
	fmt.Fprintf(b.out, "\n%s\n", w)
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\trows/s\t[lowest\thighest]\t× pg_recvlogical\t× bare post\tCPU s/1M\t× bare CPU\twalsender s/1M\tRSS MiB\tcalls/1000\tbytes/row\t")
	for _, s := range summarize(results) {
		fmt.Fprintf(t, "%s\t%s\t[%s\t%s]\t%s\t%s\t%.2f\t%s\t%.2f\t%.0f\t%s\t%s\t\n",
			s.contender, thousands(int(s.rate.median)), thousands(int(s.rate.low)), thousands(int(s.rate.high)),
			ratio(s.rate.median, rateOf(results, "pg_recvlogical")), ratio(s.rate.median, rateOf(results, bareOf(s.contender))),
			s.cpu.median, ratio(s.cpu.median, cpuOfContender(results, bareOf(s.contender))),
			s.walsender.median, s.peak.high/(1<<20), orNone(s.calls.median, "%.2f"), orNone(s.bytes.median, "%.0f"))
	}
	t.Flush()
	b.fewest(results)
}

// fewest prints the calls beside the smallest number possible, run by run:
// that depends on how fast the run was.
func (b *book) fewest(results []result) {
	if !slices.ContainsFunc(results, func(r result) bool { return r.Fewest > 0 }) {
		return
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\tcalls\tfewest possible\t× fewest\t[lowest\thighest]\t")
	for _, name := range namesOf(results) {
		runs := runsOf(results, name)
		calls := spreadOf(runs, func(r result) float64 { return float64(r.Calls) })
		fewest := spreadOf(runs, func(r result) float64 { return float64(r.Fewest) })
		times := spreadOf(runs, func(r result) float64 { return float64(r.Calls) / float64(r.Fewest) })
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.2f\t[%.2f\t%.2f]\t\n", name, calls.median, fewest.median, times.median, times.low, times.high)
	}
	t.Flush()
}

// bareOf names the bare loop that posts what a contender posts, copyOf the one that
// copies what it reads.
func bareOf(contender string) string { return strings.Replace(contender, "cdcsync-", "post-", 1) }
func copyOf(contender string) string { return strings.Replace(contender, "cdcsync-", "copy-", 1) }

// apiOf is what a contender posts over.
func apiOf(contender string) string {
	for _, c := range contenders {
		if c.name == contender {
			return c.api
		}
	}
	return ""
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func orNone(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// summary is what the runs of one contender come to. CPU is in seconds a
// million rows, calls in calls a thousand rows.
type summary struct {
	contender                                string
	rate, cpu, walsender, peak, calls, bytes spread
}

// namesOf keeps the order in which contenders first ran.
func namesOf(results []result) []string {
	var names []string
	for _, r := range results {
		if !slices.Contains(names, r.Contender) {
			names = append(names, r.Contender)
		}
	}
	return names
}

func runsOf(results []result, contender string) []result {
	return slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Contender != contender })
}

func summarize(results []result) []summary {
	var all []summary
	for _, name := range namesOf(results) {
		runs := runsOf(results, name)
		all = append(all, summary{
			contender: name,
			rate:      spreadOf(runs, func(r result) float64 { return float64(r.Rows) / r.Seconds }),
			cpu:       spreadOf(runs, func(r result) float64 { return r.CPU / float64(r.Rows) * 1e6 }),
			walsender: spreadOf(runs, func(r result) float64 { return r.Walsender / float64(r.Rows) * 1e6 }),
			peak:      spreadOf(runs, func(r result) float64 { return float64(r.Peak) }),
			calls:     spreadOf(runs, func(r result) float64 { return float64(r.Calls) / float64(r.Rows) * 1e3 }),
			bytes:     spreadOf(runs, func(r result) float64 { return float64(r.Bytes) / float64(r.Rows) }),
		})
	}
	return all
}

func rateOf(results []result, contender string) float64 {
	return of(results, contender).rate.median
}

func cpuOfContender(results []result, contender string) float64 {
	return of(results, contender).cpu.median
}

func of(results []result, contender string) summary {
	for _, s := range summarize(results) {
		if s.contender == contender {
			return s
		}
	}
	return summary{}
}

// spread is the middle and the ends of a few figures.
type spread struct{ low, median, high float64 }

func spreadOf[T any](all []T, figure func(T) float64) spread {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = figure(all[i])
	}
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return spread{}
	}
	return spread{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}

// thousands writes n with a comma before every three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// keep writes the files that were asked for.
func (b *book) keep(o options) error {
	if o.json != "" {
		text, err := json.MarshalIndent(map[string]any{"backlogs": b.results, "latency": b.latency, "limits": b.limits, "held": b.helds}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.plot == "" {
		return nil
	}
	var bars []bar
	for _, s := range summarize(only(b.results, "appends")) {
		bars = append(bars, bar{s.contender, s.rate})
	}
	return os.WriteFile(o.plot, []byte(plot("rows/s confirmed, backlog of appended rows", bars)), 0o644)
}

func only(results []result, workload string) []result {
	return slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Workload != workload })
}

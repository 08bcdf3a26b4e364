// Bench measures cdcsync against what any honest program of its kind must pay.
//
// It makes a throwaway PostgreSQL server, fills a backlog, and lets several
// contenders read the same WAL from copies of one slot, in turns: the cdcsync
// binary as it is released, pg_recvlogical, a bare loop that only receives and
// parses, and a bare loop that also posts bodies of the same form but never
// reads a status. Every contender, and the sink that answers them with a
// status for each object, is a process of its own, so that CPU and memory are
// counted apart. A run is over when the sink has the last row and the server
// shows its end as confirmed.
//
// Its figures compare contenders within one run on one machine. They say
// nothing about Marketo, whose limits are reached long before any of this;
// only the limits workload has a sink that is as slow as Marketo.
//
// Memory and CPU come from /proc: on other systems than Linux they are zero.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Modes in which the program starts itself.
const (
	modeSink = "sink"
	modeBare = "bare"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case modeSink:
			return runSink(ctx, args[1:], out)
		case modeBare:
			return runBare(ctx, args[1:])
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return measure(ctx, o, out)
}

// options are the flags.
type options struct {
	binary      string
	before      string
	beforeState int
	full        bool
	repeats     int
	rows        int
	concurrency int
	workloads   []string
	contenders  []string
	duration    time.Duration
	json, plot  string
	keep        string
	delivery    string
}

func parseOptions(args []string) (options, error) {
	var o options
	var workloads, contenders string
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.StringVar(&o.binary, "cdcsync", "bin/cdcsync", "the binary to measure")
	set.StringVar(&o.before, "before", "", "another release, to be measured in turns with it as before-soap and before-rest")
	set.IntVar(&o.beforeState, "before-state", 0, "version of the state file that -before reads; 0 means the same")
	set.BoolVar(&o.full, "full", false, "the sizes of docs/performance.md, five repeats: an hour and 20 GB of disk")
	set.IntVar(&o.repeats, "repeats", 0, "runs of each contender; 0 means 3, or 5 with -full")
	set.IntVar(&o.rows, "rows", 0, "changes in each backlog; 0 means each workload's own number")
	set.IntVar(&o.concurrency, "concurrency", 5, "calls at once, of cdcsync and of the bare loop")
	set.StringVar(&workloads, "workloads", "", "comma-separated names, all when empty: "+strings.Join(workloadNames(), ", "))
	set.StringVar(&contenders, "contenders", "", "comma-separated names, all when empty: "+strings.Join(contenderNames(), ", "))
	set.DurationVar(&o.duration, "duration", 0, "length of the latency workload; 0 means 10s, or 60s with -full")
	set.StringVar(&o.json, "json", "", "write every single run to this file")
	set.StringVar(&o.plot, "plot", "", "draw the rows a second of the appends workload into this SVG file")
	set.StringVar(&o.delivery, "delivery", "", "delivery section of the backlogs' configuration, such as {max_pending_bytes: 24MiB}; the defaults when empty")
	set.StringVar(&o.keep, "keep", "", "copy the daemon's configurations and logs into this directory")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	o.workloads, o.contenders = list(workloads), list(contenders)
	if o.repeats == 0 {
		o.repeats = pick(o.full, 5, 3)
	}
	if o.duration == 0 {
		o.duration = pick(o.full, time.Minute, 10*time.Second)
	}
	return o, o.check(set.Args())
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unknown argument %q; see -help", rest[0])
	case o.repeats < 1 || o.rows < 0 || o.concurrency < 1 || o.duration < 0:
		return errors.New("numbers must be positive; see -help")
	}
	for _, name := range o.workloads {
		if !slices.Contains(workloadNames(), name) {
			return fmt.Errorf("unknown workload %q; there are %s", name, strings.Join(workloadNames(), ", "))
		}
	}
	for _, name := range o.contenders {
		if !slices.Contains(contenderNames(), name) {
			return fmt.Errorf("unknown contender %q; there are %s", name, strings.Join(contenderNames(), ", "))
		}
	}
	if _, err := os.Stat(o.binary); err != nil {
		return fmt.Errorf("the binary to measure: %w; run make build, or name it with -cdcsync", err)
	}
	if _, err := os.Stat(o.before); o.before != "" && err != nil {
		return fmt.Errorf("the binary of -before: %w", err)
	}
	return nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

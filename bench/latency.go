package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
)

// latencyRate is how many rows are written a second, one a transaction.
const latencyRate = 1000

// latencyResult is one run of the latency workload. The times are from before
// the row's INSERT was sent to after its status was.
type latencyResult struct {
	Contender string        `json:"contender"`
	Rows      int           `json:"rows"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	Worst     time.Duration `json:"worst_ns"`
	// Lag is the furthest that the slot was behind the WAL, in bytes.
	Lag int64   `json:"lag_bytes"`
	CPU float64 `json:"cpu_seconds"`
	// Calls is the number of calls.
	Calls int `json:"calls"`
}

// latency measures a steady stream of small transactions.
func (s *stage) latency(ctx context.Context, book *book) error {
	w := workload{name: latencyWorkload, tables: 1}
	if err := s.database.prepare(ctx, w); err != nil {
		return err
	}
	var results []latencyResult
	for repeat := range s.repeats {
		for _, c := range s.field(workload{pair: true}) {
			r, err := s.latencyOf(ctx, c, w)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			progress("  %d/%d %-15s p50 %v p99 %v", repeat+1, s.repeats, c.name, r.P50.Round(100*time.Microsecond), r.P99.Round(100*time.Microsecond))
			results = append(results, r)
		}
	}
	book.latencies(results, s.duration)
	return s.database.clean(ctx, w)
}

func (s *stage) latencyOf(ctx context.Context, c contender, w workload) (r latencyResult, err error) {
	slot := "latency_run"
	if err := s.database.exec(ctx, "TRUNCATE "+w.table(0)); err != nil {
		return r, err
	}
	if err := s.database.exec(ctx, fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", slot)); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.database.dropSlot(ctx, slot)) }()
	if err := s.sink.reset(ctx, sinkSettings{Track: true}); err != nil {
		return r, err
	}
	cmd, err := s.command(ctx, c, setting{workload: w, slot: slot, delivery: "{max_wait: 10ms}"})
	if err != nil {
		return r, err
	}
	p, err := start(cmd)
	if err != nil {
		return r, err
	}
	r.Contender = c.name
	sent, err := s.write(ctx, w, slot, p, &r)
	if stopErr := p.stop(true); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	if err != nil {
		return r, err
	}
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return r, s.compare(ctx, sent, &r)
}

// write inserts rows at a steady rate, once the daemon reads, and returns when
// each was sent. Row 0 is the one that shows that it reads.
func (s *stage) write(ctx context.Context, w workload, slot string, p *process, r *latencyResult) ([]int64, error) {
	conn, err := pgx.Connect(ctx, s.database.url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	insert := fmt.Sprintf("INSERT INTO %s VALUES ($1, $1, 'Springfield', '12345', 'IL', now())", w.table(0))
	if _, err := conn.Exec(ctx, insert, 0); err != nil {
		return nil, err
	}
	if err := until(ctx, settleTime, "the first row arrives", func() (bool, error) {
		stats, err := s.sink.stats(ctx)
		return stats.Objects > 0, errors.Join(err, p.failed())
	}); err != nil {
		return nil, err
	}
	watched, watching := context.WithCancel(ctx)
	lag := make(chan error, 1)
	go func() { lag <- s.watchLag(watched, slot, r) }()
	sent := make([]int64, 1, int(s.duration.Seconds()*latencyRate)+1)
	began := time.Now()
	for n := 1; n < cap(sent) && err == nil; n++ {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / latencyRate)))
		sent = append(sent, time.Now().UnixNano())
		_, err = conn.Exec(ctx, insert, n)
	}
	watching()
	if err := errors.Join(err, <-lag); err != nil {
		return nil, err
	}
	return sent, until(ctx, settleTime, "all rows arrive", func() (bool, error) {
		stats, err := s.sink.stats(ctx)
		return len(stats.Answered) >= len(sent), err
	})
}

// watchLag notes the slot's lag until ctx ends.
func (s *stage) watchLag(ctx context.Context, slot string, r *latencyResult) error {
	for ctx.Err() == nil {
		state, err := s.database.slot(context.WithoutCancel(ctx), slot)
		if err != nil {
			return err
		}
		r.Lag = max(r.Lag, state.lag)
		select {
		case <-ctx.Done():
		case <-time.After(2 * pollEvery):
		}
	}
	return nil
}

// compare holds what was sent against what the sink answered.
func (s *stage) compare(ctx context.Context, sent []int64, r *latencyResult) error {
	stats, err := s.sink.stats(ctx)
	if err != nil {
		return err
	}
	var took []time.Duration
	for id := 1; id < len(sent); id++ {
		at, ok := stats.Answered[int64(id)]
		if !ok {
			return fmt.Errorf("row %d never came", id)
		}
		took = append(took, time.Duration(at-sent[id]))
	}
	slices.Sort(took)
	r.Rows, r.Calls = len(took), stats.Calls
	r.P50, r.P99, r.Worst = quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)
	return nil
}

// quantile returns the value that a share of the sorted ones does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func (b *book) latencies(results []latencyResult, duration time.Duration) {
	b.latency = append(b.latency, results...)
	fmt.Fprintf(b.out, "\nlatency: %s rows/s for %v, one a transaction, max_wait 10ms; commit to confirmed, milliseconds\n", thousands(latencyRate), duration)
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\tp50\t[lowest\thighest]\tp99\t[lowest\thighest]\tworst\tslot's lag KiB\tCPU s\tcalls/1000\t")
	for _, c := range contenders {
		runs := slices.DeleteFunc(slices.Clone(results), func(r latencyResult) bool { return r.Contender != c.name })
		if len(runs) == 0 {
			continue
		}
		p50 := spreadOf(runs, func(r latencyResult) float64 { return r.P50.Seconds() * 1e3 })
		p99 := spreadOf(runs, func(r latencyResult) float64 { return r.P99.Seconds() * 1e3 })
		fmt.Fprintf(t, "%s\t%.1f\t[%.1f\t%.1f]\t%.1f\t[%.1f\t%.1f]\t%.1f\t%.0f\t%.1f\t%.0f\t\n", c.name,
			p50.median, p50.low, p50.high, p99.median, p99.low, p99.high,
			spreadOf(runs, func(r latencyResult) float64 { return r.Worst.Seconds() * 1e3 }).high,
			spreadOf(runs, func(r latencyResult) float64 { return float64(r.Lag) / 1024 }).high,
			spreadOf(runs, func(r latencyResult) float64 { return r.CPU }).median,
			spreadOf(runs, func(r latencyResult) float64 { return float64(r.Calls) / float64(r.Rows) * 1e3 }).median)
	}
	t.Flush()
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"
)

// backfillRun measures reading and sending of the rows that a table has: over the
// backfill of cdcsync, beside a bare COPY whose rows are posted as they come.
func (s *stage) backfillRun(ctx context.Context, book *book) error {
	w := workload{name: backfillWorkload, rows: pick(s.full, 1_020_000, 240_000), size: 100, tables: 1, stored: true}
	if s.rows > 0 {
		w = w.sized(s.rows)
	}
	progress("%s", w)
	b, err := s.database.fill(ctx, w)
	if err != nil {
		return err
	}
	// The backlog is not to be read: a slot that stands behind it takes its place.
	for _, sql := range []string{
		fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", w.name),
		fmt.Sprintf("VACUUM ANALYZE %s", w.table(0)), "CHECKPOINT",
		fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", w.name),
	} {
		if err := s.database.exec(ctx, sql); err != nil {
			return err
		}
	}
	results, err := s.inTurns(w, func(c contender) (result, error) { return s.backfillOf(ctx, c, b) })
	if err != nil {
		return err
	}
	book.backfill(w, results)
	return s.database.clean(ctx, w)
}

func (s *stage) backfillOf(ctx context.Context, c contender, b backlog) (r result, err error) {
	r = result{Workload: b.name, Contender: c.name, Rows: b.rows, Load: loadAverage()}
	// Nothing else is to be sent, and the bare copy has all calls at once.
	slot, p, err := s.begin(ctx, c, b, sinkSettings{}, setting{delivery: cmp.Or(s.delivery, "{backfill_share: 1}")})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.database.dropSlot(ctx, slot)) }()
	err = until(ctx, longestRun, "every row is sent", func() (bool, error) {
		stats, err := s.sink.stats(ctx)
		if err != nil {
			return false, err
		}
		r.Peak = max(r.Peak, peakOf(p.cmd.Process.Pid))
		r.Seconds = time.Since(p.began).Seconds()
		return stats.Objects >= b.rows && (c.ours || p.over()), p.failed()
	})
	err = s.end(ctx, c, b, p, &r, err)
	return r, err
}

// backfill prints the table of the workload.
func (b *book) backfill(w workload, results []result) {
	b.results = append(b.results, results...)
	fmt.Fprintf(b.out, "\nbackfill: %s rows of one table, read and sent\n", thousands(w.rows))
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\trows/s\t[lowest\thighest]\t× bare copy\tCPU s/1M\t× bare CPU\tRSS MiB\tcalls\tfewest possible\tbytes/row\t")
	for _, s := range summarize(results) {
		bare := copyOf(s.contender)
		calls := spreadOf(runsOf(results, s.contender), func(r result) float64 { return float64(r.Calls) })
		fmt.Fprintf(t, "%s\t%s\t[%s\t%s]\t%s\t%.2f\t%s\t%.0f\t%.0f\t%d\t%.0f\t\n", s.contender,
			thousands(int(s.rate.median)), thousands(int(s.rate.low)), thousands(int(s.rate.high)), ratio(s.rate.median, rateOf(results, bare)),
			s.cpu.median, ratio(s.cpu.median, cpuOfContender(results, bare)), s.peak.high/(1<<20), calls.median, w.rows/capacityOf(apiOf(s.contender)), s.bytes.median)
	}
	t.Flush()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// heldResult is one run of the held workload: a backlog whose oldest row gets
// no status while all others do. The checkpoint cannot move then, and every
// object that is settled is written into the store. Beside it stands the same
// run in which every row gets its status.
type heldResult struct {
	Contender string `json:"contender"`
	Held      bool   `json:"held"`
	Rows      int    `json:"rows"`
	// Seconds is from the start of the process to the status of all rows but
	// one last batch: the row that is tried again takes another's place, so
	// that the last batch is not full and waits for max_wait.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Peak    int64   `json:"peak_bytes"`
	// Kept is how many keys the store had at the end, of objects that are settled
	// above its checkpoint, or that are not up to where all others are.
	Kept int `json:"kept"`
}

// heldRun lets each contender read the backlog both ways, in turns.
func (s *stage) heldRun(ctx context.Context, book *book) error {
	w := workload{name: heldWorkload, rows: pick(s.full, 1_020_000, 240_000), size: 100, tables: 1, pair: true}
	if s.rows > 0 {
		w = w.sized(s.rows)
	}
	progress("%s", w)
	b, err := s.database.fill(ctx, w)
	if err != nil {
		return err
	}
	var results []heldResult
	for repeat := range s.repeats {
		for _, c := range s.field(w) {
			for _, held := range []bool{false, true} {
				r, err := s.heldOf(ctx, c, b, held)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				progress("  %d/%d %-15s held %-5v %8.2f s  %s rows/s", repeat+1, s.repeats, c.name, held, r.Seconds, thousands(int(float64(r.Rows)/r.Seconds)))
				results = append(results, r)
			}
		}
	}
	book.held(results)
	return s.database.clean(ctx, w)
}

func (s *stage) heldOf(ctx context.Context, c contender, b backlog, held bool) (r heldResult, err error) {
	slot, p, err := s.begin(ctx, c, b, sinkSettings{Hold: held}, setting{delivery: s.delivery})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.database.dropSlot(ctx, slot)) }()
	r = heldResult{Contender: c.name, Held: held, Rows: b.rows}
	err = s.watchHeld(ctx, p, b, &r)
	// There is no orderly end to wait for while an object has no status.
	p.cmd.Process.Kill()
	<-p.ended
	if err != nil {
		return r, errors.Join(err, p.failed())
	}
	r.CPU = (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
	r.Kept, err = keptIn(ctx, filepath.Join(s.dir, fmt.Sprintf("life-%d", s.runs), "cdcsync.db"))
	if err == nil && held && r.Kept == 0 {
		err = errors.New("the store has nothing as settled")
	}
	return r, err
}

// watchHeld looks at a run until every row has been answered, the held one
// aside, and leaves the daemon the time to save that.
func (s *stage) watchHeld(ctx context.Context, p *process, b backlog, r *heldResult) error {
	err := until(ctx, longestRun, "every row has its status", func() (bool, error) {
		stats, err := s.sink.stats(ctx)
		if err != nil {
			return false, err
		}
		if p.over() {
			return false, errors.New("it ended early")
		}
		done := stats.Objects - stats.Withheld
		if r.Held {
			done++
		}
		if done < b.rows-fullBatches {
			r.Seconds = time.Since(p.began).Seconds()
		}
		return stats.Last && done >= b.rows, nil
	})
	time.Sleep(heldPause)
	r.Peak = peakOf(p.cmd.Process.Pid)
	return err
}

// heldPause is more than a save takes.
const heldPause = 500 * time.Millisecond

func keptIn(ctx context.Context, file string) (int, error) {
	store, err := sqlite.Open(ctx, file)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	state, err := store.Load(ctx)
	kept := len(state.Settled)
	if state.SettledTo != nil {
		kept += len(state.SettledTo.Except)
	}
	return kept, err
}

func (b *book) held(results []heldResult) {
	b.helds = append(b.helds, results...)
	fmt.Fprintf(b.out, "\nheld: %s inserts, the oldest without a status: every object settled is written\n", thousands(results[0].Rows))
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\theld\trows/s\t[lowest\thighest]\t× without\tCPU s/1M\tRSS MiB\tkept in the store\t")
	for _, c := range contenders {
		var without float64
		for _, held := range []bool{false, true} {
			var runs []heldResult
			for _, r := range results {
				if r.Contender == c.name && r.Held == held {
					runs = append(runs, r)
				}
			}
			if len(runs) == 0 {
				continue
			}
			rate := spreadOf(runs, func(r heldResult) float64 { return float64(r.Rows) / r.Seconds })
			if !held {
				without = rate.median
			}
			fmt.Fprintf(t, "%s\t%v\t%s\t[%s\t%s]\t%s\t%.2f\t%.0f\t%s\t\n", c.name, held,
				thousands(int(rate.median)), thousands(int(rate.low)), thousands(int(rate.high)), ratio(rate.median, without),
				spreadOf(runs, func(r heldResult) float64 { return r.CPU / float64(r.Rows) * 1e6 }).median,
				spreadOf(runs, func(r heldResult) float64 { return float64(r.Peak) }).high/(1<<20),
				thousands(int(spreadOf(runs, func(r heldResult) float64 { return float64(r.Kept) }).median)))
		}
	}
	t.Flush()
}

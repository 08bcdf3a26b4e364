package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// measure runs what the options ask for and prints it.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	s := &stage{options: o}
	if s.dir, err = os.MkdirTemp("", "cdcsync-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	// PostgreSQL, which may run as another user, has to pass through it.
	if err := os.Chmod(s.dir, 0o711); err != nil {
		return err
	}
	if s.database, err = openDatabase(ctx, s.dir); err != nil {
		return err
	}
	if s.sink, err = startSink(ctx); err != nil {
		return err
	}
	book := &book{out: out}
	book.heading(s.database.version, o)
	for _, w := range workloads(o.full) {
		if !s.wanted(w.name) {
			continue
		}
		if o.rows > 0 {
			w = w.sized(o.rows)
		}
		if err := s.backlog(ctx, w, book); err != nil {
			return err
		}
	}
	if err := s.others(ctx, book); err != nil {
		return err
	}
	return book.keep(o)
}

// others runs what is not a backlog.
func (s *stage) others(ctx context.Context, book *book) error {
	if s.wanted(latencyWorkload) {
		if err := s.latency(ctx, book); err != nil {
			return fmt.Errorf("%s: %w", latencyWorkload, err)
		}
	}
	if s.wanted(limitsWorkload) {
		if err := s.limitsRun(ctx, book); err != nil {
			return fmt.Errorf("%s: %w", limitsWorkload, err)
		}
	}
	if s.wanted(backfillWorkload) {
		if err := s.backfillRun(ctx, book); err != nil {
			return fmt.Errorf("%s: %w", backfillWorkload, err)
		}
	}
	if s.wanted(heldWorkload) {
		if err := s.heldRun(ctx, book); err != nil {
			return fmt.Errorf("%s: %w", heldWorkload, err)
		}
	}
	return nil
}

func (s *stage) wanted(workload string) bool {
	return len(s.workloads) == 0 || slices.Contains(s.workloads, workload)
}

// backlog has every contender read w as often as asked for, in turns.
func (s *stage) backlog(ctx context.Context, w workload, book *book) error {
	progress("%s", w)
	b, err := s.database.fill(ctx, w)
	if err != nil {
		return err
	}
	results, err := s.inTurns(w, func(c contender) (result, error) { return s.run(ctx, c, b) })
	if err != nil {
		return err
	}
	book.backlog(w, results)
	return s.database.clean(ctx, w)
}

// inTurns has every contender in w run as often as asked for, one after the other.
func (s *stage) inTurns(w workload, run func(contender) (result, error)) (results []result, err error) {
	for repeat := range s.repeats {
		for _, c := range s.field(w) {
			r, err := run(c)
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", c.name, w.name, err)
			}
			progress("  %d/%d %-15s %8.2f s  %s rows/s", repeat+1, s.repeats, c.name, r.Seconds, thousands(int(float64(r.Rows)/r.Seconds)))
			results = append(results, r)
		}
	}
	return results, nil
}

// field returns who takes part in w.
func (s *stage) field(w workload) []contender {
	var field []contender
	for _, c := range contenders {
		named := len(s.options.contenders) == 0 || slices.Contains(s.options.contenders, c.name)
		if c.before && s.before == "" {
			continue
		}
		if named && (c.ours || !w.pair && c.copies == w.stored) {
			field = append(field, c)
		}
	}
	return field
}

func (s *stage) close(ctx context.Context) error {
	var errs []error
	if s.sink != nil {
		errs = append(errs, s.sink.stop())
	}
	if s.database != nil {
		errs = append(errs, s.database.close(ctx))
	}
	if s.keep != "" {
		errs = append(errs, os.CopyFS(s.keep, os.DirFS(s.dir)))
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

var started = time.Now()

// progress tells on standard error what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  ", time.Since(started).Seconds())
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

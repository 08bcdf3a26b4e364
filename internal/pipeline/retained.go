package pipeline

import (
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// What is blocked, held or halted keeps its place, and so PostgreSQL keeps the
// WAL: until its disk is full, or until it drops the slot. Nothing of ours may
// do so for long without a word.

// retainedLess is the part of MaxRetainedWAL below which the slot has to come again
// before it no longer keeps too much: its place moves in steps.
const retainedLess = 0.9

// judgeRetained holds a sample of the server against what the slot may keep, and
// tells when that changes. It is too much, too, when PostgreSQL may drop the slot at
// any moment.
func (r *Runner) judgeRetained(l sample) {
	most, was := float64(r.MaxRetainedWAL), r.retainsTooMuch.Load()
	if was {
		most *= retainedLess
	}
	is := l.safe != nil && *l.safe <= 0 || most > 0 && float64(l.retained) > most
	if is == was || !r.retainsTooMuch.CompareAndSwap(was, is) {
		return
	}
	if is {
		r.Log.Error("the slot makes postgresql keep more WAL than it may", "slot", r.Source.Slot, "retained", l.retained, "max_retained_wal", r.MaxRetainedWAL, "safe", safeText(l.safe))
	} else {
		r.Log.Info("the slot makes postgresql keep no more WAL than it may", "slot", r.Source.Slot, "retained", l.retained)
	}
}

func safeText(safe *int64) string {
	if safe == nil {
		return "without limit"
	}
	return fmt.Sprint(*safe)
}

// retainedObstacles is the obstacle that the slot keeps too much WAL.
func (r *Runner) retainedObstacles(report delivery.Report) []delivery.Obstacle {
	if !r.retainsTooMuch.Load() {
		return nil
	}
	far := report.Source.Lag
	o := delivery.Obstacle{Condition: delivery.WALRetained, Reason: fmt.Sprintf("the slot makes postgresql keep %s of WAL", inUnits(far.Retained))}
	if most := r.MaxRetainedWAL; most > 0 {
		o.Reason += fmt.Sprintf("; delivery.max_retained_wal allows %s", inUnits(most))
	}
	switch {
	case far.Safe == nil:
		o.Reason += "; it goes on to keep it, until its disk is full"
	case *far.Safe <= 0:
		o.Reason += "; it may drop the slot, and with it changes, at its next checkpoint (max_slot_wal_keep_size)"
		o.Remedy = "at once, as a superuser, run: ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf(); then do what the other reasons say"
	default:
		o.Reason += fmt.Sprintf("; after %s more it may drop the slot, and with it changes", inUnits(*far.Safe))
		if far.Drop > 0 {
			o.Reason += fmt.Sprintf(", in %s at this rate", far.Drop.Round(time.Second))
		}
	}
	if o.Remedy == "" && report.Source.Server > report.Saved && int64(report.Source.Server-report.Saved) < far.Retained/2 {
		o.Remedy = "most of it is kept for a transaction that has been open for long: see xact_start in pg_stat_activity, and pg_prepared_xacts, and end it; else it goes with the server's next checkpoint"
	}
	return []delivery.Obstacle{o}
}

// inUnits shows bytes in a unit that people read.
func inUnits(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB"}
	for n >= 10<<10 && len(units) > 1 {
		n, units = n>>10, units[1:]
	}
	return fmt.Sprintf("%d %s", n, units[0])
}

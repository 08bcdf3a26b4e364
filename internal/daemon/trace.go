package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// trace looks for a row: in its table, in the queue, and in the store.
func (d *Daemon) trace(ctx context.Context, store *sqlite.Store, name, key string) (admin.Traced, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Traced{}, errStarting
	}
	for i := range d.Config.Set.Len() {
		if def := d.Config.Set.Definition(i); def.Name == name {
			found, err := runner.Trace(ctx, i, key)
			if err != nil {
				return admin.Traced{}, err
			}
			t := tracedOf(found)
			t.Mapping, t.Table, t.Object = def.Name, def.Schema+"."+def.Table, def.Object
			return t, d.traceStored(ctx, store, pipeline.MappingID(def), found.Key, &t)
		}
	}
	return admin.Traced{}, fmt.Errorf("there is no mapping %s; cdcsync status lists them", name)
}

// tracedOf puts what the pipeline found into the words of the API.
func tracedOf(found pipeline.Traced) admin.Traced {
	t := admin.Traced{Key: found.Fields, Rows: found.Rows, Matches: found.Matches, Unread: found.Unread, Queue: []admin.Queued{}}
	if p := found.Problem; p != nil {
		t.Problem = p.Message
	}
	for _, it := range found.Found.Waiting {
		q := admin.Queued{
			Mapping: it.Mapping, Operation: it.Operation.String(), From: it.Source,
			Since: it.Since, Waits: it.Lacks, Attempts: it.Attempts,
		}
		if it.Commit != 0 {
			committed := it.Committed
			q.LSN, q.Committed = it.Commit.String(), &committed
		}
		t.Queue = append(t.Queue, q)
	}
	return t
}

// traceStored adds what the store has of a key, and how far everything else is.
func (d *Daemon) traceStored(ctx context.Context, store *sqlite.Store, id checkpoint.MappingID, key string, t *admin.Traced) error {
	if report, err := d.Report(ctx); err == nil {
		if through := report.Freshness(time.Now()).UTC(); !through.IsZero() {
			t.Through = &through
		}
	}
	err := store.EachParked(ctx, checkpoint.Filter{Mapping: t.Mapping}, func(p checkpoint.Parked) {
		if p.Key == key {
			entry := admin.EntryOf(&p)
			t.Parked = &entry
		}
	})
	if err != nil {
		return fmt.Errorf("look among the parked objects: %w", err)
	}
	all, err := store.Backfills(ctx)
	if err != nil {
		return fmt.Errorf("look among the backfills: %w", err)
	}
	for _, b := range all {
		if b.MappingID != id {
			continue
		}
		refused, err := store.Refused(ctx, checkpoint.RefusedFilter{Feed: b.Feed()})
		if err != nil {
			return fmt.Errorf("look among refused rows: %w", err)
		}
		for _, r := range refused {
			if r.Key != key {
				continue
			}
			out := admin.Refused{Backfill: fmt.Sprint(b.ID), Code: r.Code, Message: r.Message, At: r.At.UTC()}
			if r.Waits {
				next := r.Next.UTC()
				out.Next = &next
			}
			t.Refused = append(t.Refused, out)
		}
	}
	return nil
}

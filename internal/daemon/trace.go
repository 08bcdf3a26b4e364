package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preview"
)

// trace looks for a row: in its table, in the queue, and in the store.
func (d *Daemon) trace(ctx context.Context, store *sqlite.Store, name, key string) (admin.Traced, error) {
	def, found, err := d.find(ctx, name, key)
	if err != nil {
		return admin.Traced{}, err
	}
	t := tracedOf(found)
	t.Mapping, t.Table, t.Object = def.Name, def.Schema+"."+def.Table, def.Object
	return t, d.traceStored(ctx, store, pipeline.MappingID(def), found.Key, &t)
}

// find looks for a row in its table, in the queue, and among what is remembered.
func (d *Daemon) find(ctx context.Context, name, key string) (mapping.Definition, pipeline.Traced, error) {
	runner := d.runner.Load()
	if runner == nil {
		return mapping.Definition{}, pipeline.Traced{}, errStarting
	}
	i, err := d.Config.Set.Find(name)
	if err != nil {
		return mapping.Definition{}, pipeline.Traced{}, err
	}
	found, err := runner.Trace(ctx, i, key)
	return d.Config.Set.Definition(i), found, err
}

// traceMarketo asks Marketo what it has of a key.
func (d *Daemon) traceMarketo(ctx context.Context, client marketo.Client, ask admin.TraceAsk) (admin.InMarketo, error) {
	asks, ok := client.(preview.Querier)
	if !ok {
		return admin.InMarketo{}, errors.New("the client cannot ask for objects")
	}
	_, found, err := d.find(ctx, ask.Mapping, ask.Key)
	if err != nil {
		return admin.InMarketo{}, err
	}
	if err := d.leave(ctx); err != nil {
		return admin.InMarketo{}, err
	}
	shape := found.Sought.Shape
	q := marketo.Query{Type: shape.Type, Key: shape.Key, Fields: shape.Attributes, Keys: [][]marketo.Value{found.Sought.Values()[:len(shape.Key)]}}
	stored, err := asks.Query(ctx, q)
	if err != nil {
		return admin.InMarketo{}, fmt.Errorf("ask marketo: %w", err)
	}
	description := d.readDescribed().Types[shape.Type].Description
	answer := admin.InMarketo{Objects: []admin.StoredObject{}, Compared: found.Row != nil}
	for _, s := range description.Of(&q, stored, q.Keys[0]) {
		object := admin.StoredObject{GUID: s.GUID, Created: s.Created, Updated: s.Updated}
		if found.Row != nil {
			for at, differs := range description.Differ(found.Row.Object, s) {
				if differs {
					object.Differs = append(object.Differs, shape.Name(at))
				}
			}
		}
		answer.Objects = append(answer.Objects, object)
	}
	return answer, nil
}

// tracedOf puts what the pipeline found into the words of the API.
func tracedOf(found pipeline.Traced) admin.Traced {
	t := admin.Traced{Key: found.Fields, Rows: found.Rows, Matches: found.Matches, Unread: found.Unread, Queue: []admin.Queued{}}
	if p := found.Problem; p != nil {
		t.Problem = p.Message
	}
	if c := found.Confirmed; c != nil {
		t.Confirmed = &admin.Confirmed{Status: c.Status, At: c.Time, Call: c.Call, Compared: found.Known, Differs: found.Differs}
		if c.At.Commit != 0 {
			t.Confirmed.LSN = c.At.Commit.String()
		}
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
			t.Refused = append(t.Refused, *refusedOf(b.ID, &r))
		}
	}
	return nil
}

// refusedOf is what is told of a refused row of a backfill.
func refusedOf(backfill int64, r *checkpoint.Refused) *admin.Refused {
	out := &admin.Refused{Backfill: fmt.Sprint(backfill), Code: r.Code, Message: r.Message, At: r.At.UTC()}
	if r.Waits {
		next := r.Next.UTC()
		out.Next = &next
	}
	return out
}

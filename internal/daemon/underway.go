package daemon

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// underway says of which keys something is in the queue, parked, or refused by a
// backfill and to be tried again by itself.
func (d *Daemon) underway(ctx context.Context, store *sqlite.Store, ask admin.UnderwayAsk) (admin.Underway, error) {
	answer := admin.Underway{Underway: make([]bool, len(ask.Keys))}
	runner := d.runner.Load()
	if runner == nil {
		return answer, errStarting
	}
	refused, err := d.refusedKeys(ctx, store, ask.Mapping)
	if err != nil {
		return answer, err
	}
	if len(refused) > 0 {
		answer.Refused = make([]*admin.Refused, len(ask.Keys))
	}
	for i, key := range ask.Keys {
		found, err := runner.Find(ctx, key)
		if err != nil {
			return answer, err
		}
		one := refused[key]
		answer.Underway[i] = found.Parked || len(found.Waiting) > 0 || one != nil && one.Next != nil
		if one != nil {
			answer.Refused[i] = one
		}
	}
	return answer, nil
}

// refusedKeys are what backfills of a mapping could not send, by their keys; of one key
// the latest.
func (d *Daemon) refusedKeys(ctx context.Context, store *sqlite.Store, name string) (map[string]*admin.Refused, error) {
	keys := map[string]*admin.Refused{}
	i, err := d.Config.Set.Find(name)
	if err != nil {
		return nil, err
	}
	all, err := store.Backfills(ctx)
	if err != nil {
		return nil, fmt.Errorf("look among the backfills: %w", err)
	}
	for _, b := range all {
		if b.MappingID != pipeline.MappingID(d.Config.Set.Definition(i)) {
			continue
		}
		refused, err := store.Refused(ctx, checkpoint.RefusedFilter{Feed: b.Feed()})
		if err != nil {
			return nil, fmt.Errorf("look among refused rows: %w", err)
		}
		for _, r := range refused {
			keys[r.Key] = refusedOf(b.ID, &r)
		}
	}
	return keys, nil
}

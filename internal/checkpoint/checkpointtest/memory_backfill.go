package checkpointtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func (s *memoryStore) Backfills(context.Context) ([]checkpoint.Backfill, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return slices.Clone(s.m.now().backfills), nil
}

func (s *memoryStore) AddBackfill(ctx context.Context, b checkpoint.Backfill) (int64, error) {
	err := s.commit(ctx, true, func(next *image) error {
		next.lastID++
		b = checkpoint.Backfill{ID: next.lastID, Mapping: b.Mapping, MappingID: b.MappingID, State: checkpoint.BackfillWaiting, Where: b.Where,
			Keys: slices.Clone(b.Keys), Force: b.Force, Remove: b.Remove, Added: b.Added, Changed: b.Added, Progress: checkpoint.Progress{Estimate: b.Estimate}}
		next.backfills = append(next.backfills, b)
		next.forget()
		return nil
	})
	return b.ID, err
}

func (s *memoryStore) MoveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (b checkpoint.Backfill, err error) {
	err = s.commit(ctx, true, func(next *image) error {
		i := slices.IndexFunc(next.backfills, func(b checkpoint.Backfill) bool { return b.ID == id })
		if i < 0 {
			return checkpoint.ErrNoBackfill
		}
		b = next.backfills[i]
		if !b.State.May(to) {
			return fmt.Errorf("it is %s, and cannot be %s then", b.State, to)
		}
		next.moveBackfill(&b, to, at, why)
		next.backfills[i] = b
		return nil
	})
	return b, err
}

func (s *memoryStore) NoteProgress(ctx context.Context, id int64, p checkpoint.Progress) error {
	return s.commit(ctx, false, func(next *image) error {
		for i := range next.backfills {
			if next.backfills[i].ID == id {
				next.backfills[i].Progress = p
			}
		}
		return nil
	})
}

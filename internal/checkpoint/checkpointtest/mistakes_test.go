package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func mistakes() map[string]mistake {
	all := map[string]mistake{}
	for i := range reflect.TypeFor[checkpoint.Save]().NumField() {
		if elsewhere[reflect.TypeFor[checkpoint.Save]().Field(i).Name] {
			continue
		}
		all["Save."+reflect.TypeFor[checkpoint.Save]().Field(i).Name+" is left out"] = with(func(sv *checkpoint.Save) { reflect.ValueOf(sv).Elem().Field(i).SetZero() })
	}
	for i := range reflect.TypeFor[checkpoint.State]().NumField() {
		name := reflect.TypeFor[checkpoint.State]().Field(i).Name
		all["State."+name+" is not loaded"] = mistake{load: func(_ Store, state *checkpoint.State) { reflect.ValueOf(state).Elem().Field(i).SetZero() }}
	}
	delete(all, "State.OlderMappings is not loaded") // of files of older releases alone
	all["every field of its own"] = mistake{save: func(s Store, ctx context.Context, sv checkpoint.Save) error {
		parked := sv.Parked
		sv.Parked = nil
		if err := s.Save(ctx, sv); err != nil || len(parked) == 0 {
			return err
		}
		return s.Save(ctx, checkpoint.Save{Parked: parked, Sync: sv.Sync})
	}}
	all["what is parked and resolved is not parked"] = with(func(sv *checkpoint.Save) {
		for _, key := range sv.Resolved {
			for i, p := range sv.Parked {
				if p.Key == key {
					sv.Parked = append(append([]checkpoint.Parked{}, sv.Parked[:i]...), sv.Parked[i+1:]...)
					break
				}
			}
		}
	})
	all["what is resolved and lacking is not lacking"] = with(func(sv *checkpoint.Save) {
		sv.Lacking = slices.DeleteFunc(slices.Clone(sv.Lacking), func(key string) bool { return slices.Contains(sv.Resolved, key) })
	})
	all["what stands for settled changes stands beside them"] = with(func(sv *checkpoint.Save) {
		if sv.SettledTo != nil {
			sv.Settled = append([]checkpoint.Settled{settled("a", 10, 1)}, sv.Settled...)
			sv.Settled[0].Through.Commit += 1 << 40
		}
	})
	all["loading begins a life"] = mistake{load: func(s Store, _ *checkpoint.State) { _ = s.Save(context.Background(), checkpoint.Save{}) }}
	all["every end is called orderly"] = mistake{close: func(s Store) { _ = s.Save(context.Background(), checkpoint.Save{Clean: true}) }}
	all["saves are not counted"] = mistake{saves: func(uint64) uint64 { return 7 }}
	all["always the same boot"] = mistake{load: func(_ Store, state *checkpoint.State) { state.SameBoot = true }}
	all["calls of all lives have one number"] = mistake{load: func(_ Store, state *checkpoint.State) {
		for i := range state.InFlight {
			state.InFlight[i].ID = 1<<40 | state.InFlight[i].ID&(1<<40-1)
		}
	}}
	all["a position may go back"] = with(func(sv *checkpoint.Save) {
		if sv.Checkpoint < home.LSN+100 {
			sv.Checkpoint = 0
		}
	})
	all["closed is an error that may pass"] = mistake{err: func(err error) error { return errors.New(err.Error()) }}
	all["any error closes"] = mistake{err: func(err error) error { return fmt.Errorf("%w: %w", checkpoint.ErrClosed, err) }}
	all["errors are kept to itself"] = mistake{err: func(error) error { return nil }}
	all["cancelling is not looked at"] = mistake{save: func(s Store, _ context.Context, sv checkpoint.Save) error { return s.Save(context.Background(), sv) }}
	all["a refused save is saved in part"] = mistake{save: func(s Store, ctx context.Context, sv checkpoint.Save) error {
		err := s.Save(ctx, sv)
		if err != nil {
			_ = s.Save(ctx, checkpoint.Save{Ended: sv.Ended, Lacking: sv.Lacking})
		}
		return err
	}}
	all["ids of backfills come again"] = mistake{add: func(s Store, _ *checkpoint.Backfill) {
		m := s.(*memoryStore).m
		if n := len(m.now().backfills); n > 0 && n < 100 {
			m.now().lastID = m.now().backfills[n-1].ID - 1
		}
	}}
	all["any move is allowed"] = mistake{move: func(s Store, id int64, to checkpoint.BackfillState) (checkpoint.Backfill, error) {
		b, _ := s.MoveBackfill(context.Background(), id, to, moment, "")
		return b, nil
	}}
	all["moves have no time of their own"] = mistake{move: func(s Store, id int64, to checkpoint.BackfillState) (checkpoint.Backfill, error) {
		return s.MoveBackfill(context.Background(), id, to, moment, "")
	}}
	all["parked objects in no order"] = mistake{list: func(all []checkpoint.Parked) []checkpoint.Parked {
		if len(all) > 1 {
			all[0], all[1] = all[1], all[0]
		}
		return all
	}}
	all["pages begin anew"] = mistake{ref: func(f *checkpoint.RefusedFilter) { f.After = "" }}
	all["all refused rows are due"] = mistake{ref: func(f *checkpoint.RefusedFilter) { f.Due = time.Time{} }}
	all["mappings forget that they were loaded"] = mistake{maps: func(s Store, _ []checkpoint.KnownMapping) { _ = s.SaveMappings(context.Background(), nil) }}
	all["relations are saved after the end"] = mistake{rels: func(s Store, all []checkpoint.Relation) []checkpoint.Relation {
		s.(*memoryStore).spoil(func(s *memoryStore) { s.ended = false })
		return all
	}}
	all["a store that forgets that it is closed"] = mistake{save: func(s Store, ctx context.Context, sv checkpoint.Save) error {
		err := s.Save(ctx, sv)
		s.(*memoryStore).spoil(func(s *memoryStore) { s.err = nil })
		return err
	}}
	all["the first save is as any other"] = mistake{save: func(s Store, ctx context.Context, sv checkpoint.Save) error {
		s.(*memoryStore).spoil(func(s *memoryStore) { s.lazy = true })
		return s.Save(ctx, sv)
	}}
	return all
}

// spoil changes a store by hand, between what it does.
func (s *memoryStore) spoil(change func(*memoryStore)) {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	change(s)
}

package checkpointtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Memory is a World whose store is in memory, and gone with it. Its zero value is
// a machine with an empty disk.
type Memory struct {
	mu sync.Mutex
	// images are the synced one, and those of the saves since, the last of which
	// a process finds.
	images []*image
	boot   int
	// budget is how many writes the disk takes yet, when it is limited.
	limited bool
	budget  int
	full    bool
	// failing is set when the next sync fails, lost when one has: none makes
	// anything durable after that, in this life.
	failing, lost bool
}

// memoryStore is one life of the store.
type memoryStore struct {
	m *Memory
	// saving is held by the save under way: they take turns, and it guards begun.
	saving sync.Mutex
	begun  bool
	ended  bool
	err    error // once closed to saves
	lazy   bool  // for tests: its first save is as any other
}

// Open begins a life.
func (m *Memory) Open(T) Store {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.images) == 0 {
		m.images = []*image{newImage()}
	}
	m.limited, m.failing, m.lost = false, false, false // the next commit writes all anew
	return &memoryStore{m: m}
}

// Kill ends the life; all that was written is there.
func (m *Memory) Kill(T) {}

// CutPower ends it, and boots the machine anew: some of the saves since the last
// sync are there.
func (m *Memory) CutPower(_ T, rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.images = []*image{m.images[rng.IntN(len(m.images))]}
	m.boot++
	m.lost = false
}

// StopAfter has the disk take n more writes.
func (m *Memory) StopAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limited, m.budget = true, n
}

// Fill has the disk refuse writes while full is set.
func (m *Memory) Fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

// FailSync has the next sync fail.
func (m *Memory) FailSync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = true
}

func (m *Memory) now() *image { return m.images[len(m.images)-1] }

// write is one write of the disk.
func (m *Memory) write() error {
	switch {
	case m.full:
		return errors.New("no space left on device")
	case m.limited && m.budget == 0:
		return errors.New("the disk has stopped")
	}
	m.budget--
	return nil
}

// sync makes durable what was saved.
func (m *Memory) sync() error {
	if err := m.write(); err != nil {
		return err
	}
	if m.failing {
		m.failing, m.lost = false, true
		return fmt.Errorf("%w, its disk could not be synced", checkpoint.ErrClosed)
	}
	if !m.lost {
		m.images = []*image{m.now()}
	}
	return nil
}

// commit makes of the present image what change does to it. A commit is three
// writes: it counts with the last.
func (s *memoryStore) commit(ctx context.Context, sync bool, change func(*image) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	next := s.m.now().clone()
	if err := change(next); err != nil {
		return err
	}
	for range 3 {
		if err := s.m.write(); err != nil {
			return err
		}
	}
	s.m.images = append(s.m.images, next)
	if !sync {
		return nil
	}
	err := s.m.sync()
	if errors.Is(err, checkpoint.ErrClosed) {
		s.err = err
	}
	return err
}

// save is a commit of the stream's part, which begins the life.
func (s *memoryStore) save(ctx context.Context, sv checkpoint.Save, also func(*image) error) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	err := s.commit(ctx, sv.Sync || sv.Clean || !s.begun && !s.lazy, func(next *image) error {
		if !s.begun {
			next.life++
		}
		next.saves, next.boot = next.saves+1, s.m.boot
		if err := next.save(&sv); err != nil {
			return err
		}
		return also(next)
	})
	if err == nil {
		s.begun, s.ended = true, sv.Clean
	}
	return err
}

func nothing(*image) error { return nil }

func (s *memoryStore) Save(ctx context.Context, sv checkpoint.Save) error {
	return s.save(ctx, sv, nothing)
}

func (s *memoryStore) Saves(context.Context) (uint64, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return uint64(s.m.now().saves), nil
}

func (s *memoryStore) Load(context.Context) (checkpoint.State, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.now().state(s.m.boot), nil
}

func (s *memoryStore) Intend(ctx context.Context, c checkpoint.Checkpoint) error {
	return s.save(ctx, checkpoint.Save{Sync: true}, func(next *image) error {
		if c.LSN != 0 {
			return errors.New("an intention has no position")
		}
		if next.ck != nil && next.ck.LSN != 0 {
			return errors.New("the store already belongs to a slot")
		}
		next.ck = &c
		return nil
	})
}

func (s *memoryStore) Identify(ctx context.Context, c checkpoint.Checkpoint) error {
	return s.save(ctx, checkpoint.Save{Sync: true}, func(next *image) error {
		old := next.ck
		switch {
		case c.LSN == 0 || c.LSN > math.MaxInt64:
			return fmt.Errorf("position %s is not possible", c.LSN)
		case old == nil || old.LSN == 0:
		case old.System != c.System || old.Database != c.Database || old.Slot != c.Slot:
			return errors.New("the store is of another slot: give this one a store of its own")
		case c.LSN < old.LSN:
			return errors.New("the position goes back")
		}
		if old == nil || old.LSN != c.LSN {
			next.latest = checkpoint.Commit{}
		}
		next.ck = &c
		return nil
	})
}

func (s *memoryStore) Accept(ctx context.Context, c checkpoint.Checkpoint, a checkpoint.Accepted) error {
	return s.save(ctx, checkpoint.Save{Sync: true}, func(next *image) error {
		next.ck, next.sent, next.latest, next.settledTo, next.lags = &c, pgoutput.Position{}, checkpoint.Commit{}, nil, nil
		clear(next.settled)
		for key, p := range next.parked {
			p.At = pgoutput.Position{}
			next.parked[key] = p
		}
		next.accepted = append(next.accepted, a)
		return nil
	})
}

func (s *memoryStore) Count(ctx context.Context, q checkpoint.Quota) error {
	return s.commit(ctx, true, func(next *image) error {
		next.count(q)
		return nil
	})
}

func (s *memoryStore) SaveRelations(ctx context.Context, relations []checkpoint.Relation) error {
	if s.ended {
		return nil
	}
	return s.save(ctx, checkpoint.Save{Sync: true}, func(next *image) error {
		next.relations = slices.Clone(relations)
		return nil
	})
}

func (s *memoryStore) SaveMappings(ctx context.Context, all []checkpoint.KnownMapping) error {
	return s.commit(ctx, true, func(next *image) error {
		all = slices.Clone(all)
		for i := range all {
			all[i].Loaded = all[i].Loaded || slices.ContainsFunc(next.mappings, func(m checkpoint.KnownMapping) bool { return m.MappingID == all[i].MappingID && m.Loaded })
		}
		slices.SortFunc(all, func(a, b checkpoint.KnownMapping) int {
			return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Object, b.Object))
		})
		next.mappings = all
		return nil
	})
}

func (s *memoryStore) Parked(_ context.Context, filter checkpoint.Filter) ([]checkpoint.Parked, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.now().list(filter), nil
}

func (s *memoryStore) EachParked(ctx context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
	all, err := s.Parked(ctx, filter)
	for _, p := range all {
		visit(p)
	}
	return err
}

func (s *memoryStore) CountParked(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	return counts, s.EachParked(ctx, checkpoint.Filter{}, func(p checkpoint.Parked) { counts[p.Mapping]++ })
}

func (s *memoryStore) Refused(_ context.Context, filter checkpoint.RefusedFilter) ([]checkpoint.Refused, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	var all []checkpoint.Refused
	for k, r := range s.m.now().refused {
		if k.Feed == filter.Feed && k.Key > filter.After && (filter.Due.IsZero() || r.Waits && !r.Next.After(filter.Due)) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b checkpoint.Refused) int { return cmp.Compare(a.Key, b.Key) })
	if filter.Limit > 0 {
		all = all[:min(filter.Limit, len(all))]
	}
	return all, nil
}

// Close ends the life; nothing is saved by it.
func (s *memoryStore) Close() error { return nil }

package checkpointtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// witness is a T that keeps the first complaint.
type witness struct {
	ctx       context.Context
	complaint string
}

func (w *witness) Context() context.Context { return w.ctx }

func (w *witness) Helper()                   {}
func (w *witness) complain(text string)      { w.complaint += text }
func (w *witness) Errorf(f string, a ...any) { w.complain(fmt.Sprintf(f, a...)) }
func (w *witness) Error(a ...any)            { w.complain(fmt.Sprint(a...)) }
func (w *witness) FailNow()                  { runtime.Goexit() }
func (w *witness) Fatalf(f string, a ...any) {
	w.Errorf(f, a...)
	w.FailNow()
}
func (w *witness) Fatal(a ...any) {
	w.Error(a...)
	w.FailNow()
}

// findings runs the suite until a part of it complains, and returns its name and
// what it says.
func findings(t *testing.T, world func() World) (part, complaint string) {
	for _, p := range parts {
		w := &witness{ctx: t.Context()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if r := recover(); r != nil {
					w.complain(fmt.Sprint("panic: ", r))
				}
			}()
			p.test(w, world())
		}()
		if <-done; w.complaint != "" {
			return p.name, w.complaint
		}
	}
	return "", ""
}

// flawed is a World whose stores have a mistake.
type flawed struct {
	Memory
	mistake mistake
	power   func(m *Memory, rng *rand.Rand)
}

func (f *flawed) Open(t T) Store { return &flawedStore{Store: f.Memory.Open(t), mistake: f.mistake} }

func (f *flawed) CutPower(t T, rng *rand.Rand) {
	if f.power != nil {
		f.power(&f.Memory, rng)
	}
	f.Memory.CutPower(t, rng)
}

// mistake is what a flawedStore does otherwise than a Memory; nil for nothing.
type mistake struct {
	save  func(s Store, ctx context.Context, sv checkpoint.Save) error
	load  func(s Store, state *checkpoint.State)
	saves func(n uint64) uint64
	err   func(err error) error
	close func(s Store)
	add   func(s Store, b *checkpoint.Backfill)
	move  func(s Store, id int64, to checkpoint.BackfillState) (checkpoint.Backfill, error)
	list  func(all []checkpoint.Parked) []checkpoint.Parked
	ref   func(f *checkpoint.RefusedFilter)
	maps  func(s Store, all []checkpoint.KnownMapping)
	rels  func(s Store, all []checkpoint.Relation) []checkpoint.Relation
}

type flawedStore struct {
	Store
	mistake mistake
	turn    sync.Mutex // mistakes change the store by hand
}

func (s *flawedStore) Save(ctx context.Context, sv checkpoint.Save) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	save := s.mistake.save
	if save == nil {
		save = func(s Store, ctx context.Context, sv checkpoint.Save) error { return s.Save(ctx, sv) }
	}
	err := save(s.Store, ctx, sv)
	if s.mistake.err != nil && err != nil {
		return s.mistake.err(err)
	}
	return err
}

func (s *flawedStore) Saves(ctx context.Context) (uint64, error) {
	n, err := s.Store.Saves(ctx)
	if s.mistake.saves != nil {
		n = s.mistake.saves(n)
	}
	return n, err
}

func (s *flawedStore) Load(ctx context.Context) (checkpoint.State, error) {
	state, err := s.Store.Load(ctx)
	if s.mistake.load != nil {
		s.mistake.load(s.Store, &state)
	}
	return state, err
}

func (s *flawedStore) Close() error {
	if s.mistake.close != nil {
		s.mistake.close(s.Store)
	}
	return s.Store.Close()
}

func (s *flawedStore) AddBackfill(ctx context.Context, b checkpoint.Backfill) (int64, error) {
	if s.mistake.add != nil {
		s.mistake.add(s.Store, &b)
	}
	return s.Store.AddBackfill(ctx, b)
}

func (s *flawedStore) MoveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (checkpoint.Backfill, error) {
	if s.mistake.move != nil {
		return s.mistake.move(s.Store, id, to)
	}
	return s.Store.MoveBackfill(ctx, id, to, at, why)
}

func (s *flawedStore) Parked(ctx context.Context, f checkpoint.Filter) ([]checkpoint.Parked, error) {
	all, err := s.Store.Parked(ctx, f)
	if s.mistake.list != nil {
		all = s.mistake.list(all)
	}
	return all, err
}

func (s *flawedStore) Refused(ctx context.Context, f checkpoint.RefusedFilter) ([]checkpoint.Refused, error) {
	if s.mistake.ref != nil {
		s.mistake.ref(&f)
	}
	return s.Store.Refused(ctx, f)
}

func (s *flawedStore) SaveMappings(ctx context.Context, all []checkpoint.KnownMapping) error {
	if s.mistake.maps != nil {
		s.mistake.maps(s.Store, all)
	}
	return s.Store.SaveMappings(ctx, all)
}

func (s *flawedStore) SaveRelations(ctx context.Context, all []checkpoint.Relation) error {
	if s.mistake.rels != nil {
		all = s.mistake.rels(s.Store, all)
	}
	return s.Store.SaveRelations(ctx, all)
}

// with changes each Save before it is saved.
func with(change func(sv *checkpoint.Save)) mistake {
	return mistake{save: func(s Store, ctx context.Context, sv checkpoint.Save) error {
		change(&sv)
		return s.Save(ctx, sv)
	}}
}

// TestPlanted: a store that leaves out any field, or has one of the mistakes
// below, does not pass.
func TestPlanted(t *testing.T) {
	if part, complaint := findings(t, func() World { return &flawed{} }); part != "" {
		t.Fatalf("without a mistake, %s: %s", part, complaint)
	}
	for name, m := range mistakes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part, complaint := findings(t, func() World { return &flawed{mistake: m} })
			if part == "" {
				t.Fatal("is not found")
			}
			t.Logf("%s: %.200s", part, complaint)
		})
	}
	t.Run("unsynced saves survive out of order", func(t *testing.T) {
		part, complaint := findings(t, func() World { return &flawed{power: loseOne} })
		if part != "loss of power" {
			t.Fatalf("found by %q: %s", part, complaint)
		}
	})
}

// loseOne takes one of the saves out of those that are not synced, and leaves
// what came after it.
func loseOne(m *Memory, rng *rand.Rand) {
	if len(m.images) > 2 {
		torn := m.images[len(m.images)-1].clone()
		torn.parked = m.images[len(m.images)-2].parked
		m.images = []*image{torn}
	}
}

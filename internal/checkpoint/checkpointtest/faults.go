package checkpointtest

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// testFull: a disk without room refuses saves whole, and takes them later; that
// closes nothing.
func testFull(t T, w World) {
	s := identified(t, w)
	save(t, s, numbered(1, nil, true))
	want := load(t, s)
	w.Fill(true)
	for range 3 {
		err := s.Save(t.Context(), numbered(2, []uint64{1}, true))
		if err == nil || errors.Is(err, checkpoint.ErrClosed) {
			t.Fatalf("on a full disk: %v, want an error that may pass", err)
		}
		same(t, "on a full disk", load(t, s), want)
	}
	w.Fill(false)
	save(t, s, numbered(2, []uint64{1}, true))
	w.CutPower(t, rand.New(rand.NewPCG(8, 8)))
	if n, err := number(load(t, w.Open(t))); n != 2 || err != nil {
		t.Errorf("found save %d, %v, want 2", n, err)
	}
}

// testFailedSync: after a sync that failed nothing that is saved could be
// believed, so the store says that it is closed, whatever is asked, and the next
// life finds whole saves.
func testFailedSync(t T, w World) {
	s := identified(t, w)
	last := 0
	for round := range 4 {
		before := inFlight(load(t, s))
		save(t, s, numbered(last+1, before, true))
		save(t, s, numbered(last+2, []uint64{uint64(last) + 1}, false))
		w.FailSync()
		before = []uint64{uint64(last) + 2}
		for i := range 3 {
			closed(t, s.Save(t.Context(), numbered(last+3, before, i == 0)))
		}
		here := *load(t, s).Checkpoint
		_, added := s.AddBackfill(context.Background(), checkpoint.Backfill{})
		_, moved := s.MoveBackfill(context.Background(), 1, checkpoint.BackfillPaused, moment, "")
		for _, err := range []error{added, moved, s.NoteProgress(t.Context(), 1, checkpoint.Progress{}), s.SaveMappings(t.Context(), nil),
			s.SaveRelations(t.Context(), nil), s.Identify(t.Context(), here), s.Accept(t.Context(), here, checkpoint.Accepted{})} {
			closed(t, err)
		}
		if round%2 == 0 {
			w.Kill(t)
		} else {
			w.CutPower(t, rand.New(rand.NewPCG(9, uint64(round))))
		}
		s = w.Open(t)
		n, err := number(load(t, s))
		if err != nil || n <= last || n > last+3 {
			t.Fatalf("found save %d, %v, want one of %d to %d", n, err, last+1, last+3)
		}
		last = n
	}
	save(t, s, numbered(last+1, inFlight(load(t, s)), true))
}

func closed(t T, err error) {
	t.Helper()
	if !errors.Is(err, checkpoint.ErrClosed) {
		t.Fatalf("after a sync that failed: %v, want that the store is closed", err)
	}
}

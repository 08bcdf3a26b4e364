package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

var visits = checkpoint.MappingID{Schema: "public", Table: "Visits", Object: "visit"}

var states = []checkpoint.BackfillState{checkpoint.BackfillWaiting, checkpoint.BackfillRunning, checkpoint.BackfillPaused,
	checkpoint.BackfillFailed, checkpoint.BackfillDone, checkpoint.BackfillCancelled}

func addBackfill(t T, s Store, b checkpoint.Backfill) int64 {
	t.Helper()
	id, err := s.AddBackfill(t.Context(), b)
	must(t, err)
	return id
}

func move(t T, s Store, id int64, to checkpoint.BackfillState) {
	t.Helper()
	_, err := s.MoveBackfill(t.Context(), id, to, moment, "")
	must(t, err)
}

func backfills(t T, s Store) []checkpoint.Backfill {
	t.Helper()
	all, err := s.Backfills(t.Context())
	must(t, err)
	return all
}

// testMappings: mappings are replaced as a whole; what counts as loaded stays so
// as long as it is configured, whatever its name.
func testMappings(t T, w World) {
	s := identified(t, w)
	other := checkpoint.MappingID{Schema: "public", Table: "visits", Object: "visit"}
	known := func(id checkpoint.MappingID, name string, loaded bool) checkpoint.KnownMapping {
		return checkpoint.KnownMapping{MappingID: id, Name: name, Rules: `{"key":"` + name + `"}`, Loaded: loaded, Since: moment, Changed: moment.Add(time.Hour)}
	}
	for i, step := range []struct{ save, want []checkpoint.KnownMapping }{
		{[]checkpoint.KnownMapping{known(other, "b", false), known(visits, "a", true)}, []checkpoint.KnownMapping{known(visits, "a", true), known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(visits, "renamed", false), known(other, "b", false)}, []checkpoint.KnownMapping{known(visits, "renamed", true), known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(other, "b", false)}, []checkpoint.KnownMapping{known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(visits, "a", false)}, []checkpoint.KnownMapping{known(visits, "a", false)}},
		{nil, nil},
	} {
		must(t, s.SaveMappings(t.Context(), step.save))
		s = reopen(t, w, s)
		got := load(t, s)
		if same(t, fmt.Sprint("step ", i), got.Mappings, step.want); got.OlderMappings {
			t.Error("mappings of an older release in a store of this one")
		}
	}
}

// testBackfills: a backfill is kept as it was asked for, with what it has done.
func testBackfills(t T, w World) {
	s := identified(t, w)
	want := []checkpoint.Backfill{
		{Mapping: "visits", MappingID: visits, Where: "row.a == '" + odd + "'", Keys: []string{odd, ""}, Force: true, Added: moment, Progress: checkpoint.Progress{Estimate: 1000}},
		{Mapping: "visits", MappingID: visits, Keys: []string{"1"}, Remove: true, Added: moment},
		{Mapping: "visits", MappingID: visits, Added: moment},
	}
	for i := range want {
		want[i].Keys = slices.Clone(want[i].Keys)
		if len(want[i].Keys) > 0 {
			want[i].Keys[0] = "k,\"1\u2691" // texts, not bytes
			want[i].Where = "row.a == 'o'"
		}
		want[i].ID = addBackfill(t, s, want[i])
		want[i].State, want[i].Changed = checkpoint.BackfillWaiting, moment
	}
	if want[0].ID != 1 || want[1].ID != 2 {
		t.Errorf("ids %d and %d, want 1 and 2", want[0].ID, want[1].ID)
	}
	same(t, "backfills", backfills(t, s), want)
	b := &want[0]
	for i, step := range []struct {
		to  checkpoint.BackfillState
		why string
	}{
		{checkpoint.BackfillRunning, ""}, {checkpoint.BackfillRunning, ""}, {checkpoint.BackfillPaused, "by ops"},
		{checkpoint.BackfillWaiting, ""}, {checkpoint.BackfillRunning, ""}, {checkpoint.BackfillFailed, "no primary key"},
		{checkpoint.BackfillRunning, ""}, {checkpoint.BackfillDone, ""}, {checkpoint.BackfillDone, ""},
	} {
		at := moment.Add(time.Duration(i+1) * time.Hour)
		if b.State != step.to {
			b.Changed = at
		}
		b.State, b.Err = step.to, step.why
		if step.to == checkpoint.BackfillRunning && b.Started.IsZero() {
			b.Started = at
		}
		if step.to == checkpoint.BackfillDone && b.Ended.IsZero() {
			b.Ended = at
		}
		got, err := s.MoveBackfill(t.Context(), b.ID, step.to, at, step.why)
		must(t, err)
		same(t, fmt.Sprint("step ", i), got, *b)
		b.Progress = checkpoint.Progress{Rows: int64(i) + 1<<40, Objects: int64(i), Refused: 7, Estimate: 5}
		must(t, s.NoteProgress(t.Context(), b.ID, b.Progress))
		s = reopen(t, w, s)
		same(t, fmt.Sprint("after step ", i), backfills(t, s), want)
	}
}

// testMoves: what has ended does not go on, whoever asks.
func testMoves(t T, w World) {
	s := identified(t, w)
	for _, from := range states {
		for _, to := range append(states, "odd") {
			id := addBackfill(t, s, checkpoint.Backfill{MappingID: visits, Added: moment})
			if from != checkpoint.BackfillWaiting {
				move(t, s, id, checkpoint.BackfillRunning)
			}
			move(t, s, id, from)
			allowed := from == to || !from.Ended() && to != "odd" && (to != checkpoint.BackfillDone || from == checkpoint.BackfillRunning)
			_, err := s.MoveBackfill(t.Context(), id, to, moment, "")
			if (err == nil) != allowed {
				t.Errorf("from %s to %s: got %v, want it allowed: %v", from, to, err, allowed)
			}
			state := from
			if allowed {
				state = to
			}
			if all := backfills(t, s); all[len(all)-1].ID != id || all[len(all)-1].State != state {
				t.Errorf("from %s to %s: it is %+v", from, to, all[len(all)-1])
			}
		}
	}
	if _, err := s.MoveBackfill(t.Context(), 1<<40, checkpoint.BackfillPaused, moment, ""); !errors.Is(err, checkpoint.ErrNoBackfill) {
		t.Errorf("of no backfill: got %v", err)
	}
}

// testBackfillEnds: with its end a backfill's cursor goes, and the mapping of a
// whole one that is done counts as loaded; what it could not send stays.
func testBackfillEnds(t T, w World) {
	s := identified(t, w)
	mapping := func(name string) checkpoint.MappingID {
		return checkpoint.MappingID{Schema: "s", Table: name, Object: "o"}
	}
	tests := []struct {
		of     checkpoint.Backfill
		end    checkpoint.BackfillState
		loaded bool
	}{
		{checkpoint.Backfill{MappingID: mapping("whole and done")}, checkpoint.BackfillDone, true},
		{checkpoint.Backfill{MappingID: mapping("whole and cancelled")}, checkpoint.BackfillCancelled, false},
		{checkpoint.Backfill{MappingID: mapping("some rows"), Where: "row.a > 1"}, checkpoint.BackfillDone, false},
		{checkpoint.Backfill{MappingID: mapping("some keys"), Keys: []string{"1"}}, checkpoint.BackfillDone, false},
		{checkpoint.Backfill{MappingID: mapping("on")}, checkpoint.BackfillPaused, false},
	}
	var known []checkpoint.KnownMapping
	for _, tt := range tests {
		known = append(known, checkpoint.KnownMapping{MappingID: tt.of.MappingID})
	}
	must(t, s.SaveMappings(t.Context(), known))
	for i := range tests {
		b := &tests[i].of
		b.ID = addBackfill(t, s, *b)
		save(t, s, checkpoint.Save{Cursors: []checkpoint.Cursor{{Feed: b.Feed(), Value: "[1]"}}, Refused: []checkpoint.Refused{{Feed: b.Feed(), Key: "k"}}})
		move(t, s, b.ID, checkpoint.BackfillRunning)
	}
	for _, tt := range tests {
		move(t, s, tt.of.ID, tt.end)
		s = reopen(t, w, s)
		got := load(t, s)
		cursor := slices.ContainsFunc(got.Cursors, func(c checkpoint.Cursor) bool { return c.Feed == tt.of.Feed() })
		loaded := slices.ContainsFunc(got.Mappings, func(m checkpoint.KnownMapping) bool { return m.MappingID == tt.of.MappingID && m.Loaded })
		if cursor == tt.end.Ended() || loaded != tt.loaded || got.Refused[tt.of.Feed()] != 1 {
			t.Errorf("%s: cursor %v, loaded %v, refused %v", tt.of.Table, cursor, loaded, got.Refused)
		}
	}
}

// testOldBackfills: the list does not grow for ever, what matters later stays in
// it, and no ID comes twice.
func testOldBackfills(t T, w World) {
	s := identified(t, w)
	add := func(b checkpoint.Backfill, end checkpoint.BackfillState) int64 {
		id := addBackfill(t, s, b)
		move(t, s, id, checkpoint.BackfillRunning)
		move(t, s, id, end)
		return id
	}
	some := checkpoint.Backfill{MappingID: visits, Where: "true"}
	older := add(checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillDone)
	last := add(checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillCancelled)
	paused := add(some, checkpoint.BackfillPaused)
	stuck := add(some, checkpoint.BackfillDone)
	gone := add(some, checkpoint.BackfillDone)
	save(t, s, checkpoint.Save{Refused: []checkpoint.Refused{{Feed: (&checkpoint.Backfill{ID: stuck}).Feed(), Key: "k"}}})
	newest := int64(0)
	for range 105 {
		id, err := s.AddBackfill(t.Context(), some)
		must(t, err)
		_, err = s.MoveBackfill(t.Context(), id, checkpoint.BackfillCancelled, moment, "")
		must(t, err)
		if id <= newest {
			t.Fatalf("id %d comes after %d", id, newest)
		}
		newest = id
	}
	var ids []int64
	for _, b := range backfills(t, s) {
		ids = append(ids, b.ID)
	}
	if slices.Contains(ids, older) || !slices.Contains(ids, last) || !slices.Contains(ids, paused) || !slices.Contains(ids, stuck) || slices.Contains(ids, gone) || len(ids) > 105 {
		t.Errorf("%d are left: %v", len(ids), ids)
	}
}

// testBeside: what is done to backfills leaves alone how the last life ended, and
// begins no new one.
func testBeside(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Clean: true})
	s = reopen(t, w, s)
	want := load(t, s)
	id := addBackfill(t, s, checkpoint.Backfill{MappingID: visits})
	move(t, s, id, checkpoint.BackfillPaused)
	must(t, s.NoteProgress(t.Context(), id, checkpoint.Progress{Rows: 1}))
	same(t, "state", load(t, reopen(t, w, s)), want)
}

// testCancelled: what is cancelled before it begins does nothing.
func testCancelled(t T, w World) {
	s := identified(t, w)
	want := load(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, added := s.AddBackfill(ctx, checkpoint.Backfill{})
	for _, err := range []error{
		s.Save(ctx, checkpoint.Save{Checkpoint: home.LSN + 1}), s.Intend(ctx, checkpoint.Checkpoint{}), s.Identify(ctx, home),
		s.Accept(ctx, home, checkpoint.Accepted{}), s.SaveRelations(ctx, nil), s.SaveMappings(ctx, nil), added,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	}
	same(t, "state", load(t, s), want)
}

// testAtOnce: saves, what people do, and lists take turns.
func testAtOnce(t T, w World) {
	s := identified(t, w)
	const each = 40
	var done sync.WaitGroup
	errs := make(chan error, 4*each)
	for _, do := range []func(n int) error{
		func(n int) error {
			return s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + checkpoint.LSN(n), Cursors: []checkpoint.Cursor{{Feed: "f", Value: fmt.Sprint(n)}}, Sync: n%5 == 0})
		},
		func(n int) error { return s.Save(t.Context(), checkpoint.Save{Lacking: []string{fmt.Sprint(n)}}) },
		func(int) error {
			id, err := s.AddBackfill(t.Context(), checkpoint.Backfill{MappingID: visits})
			if err == nil {
				_, err = s.MoveBackfill(t.Context(), id, checkpoint.BackfillPaused, moment, "")
			}
			return err
		},
		func(int) error { _, err := s.Backfills(t.Context()); return err },
	} {
		done.Go(func() {
			for n := range each {
				errs <- do(n + 1)
			}
		})
	}
	done.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	s = reopen(t, w, s)
	all, state := backfills(t, s), load(t, s)
	if len(all) != each || state.Checkpoint.LSN != home.LSN+each || state.Cursors[0].Value != fmt.Sprint(each) || len(state.Lacking) != each {
		t.Errorf("%d backfills, %v, cursors %v, %d lacking", len(all), state.Checkpoint, state.Cursors, len(state.Lacking))
	}
	for _, b := range all {
		if b.State != checkpoint.BackfillPaused {
			t.Errorf("backfill %d is %s", b.ID, b.State)
		}
	}
}

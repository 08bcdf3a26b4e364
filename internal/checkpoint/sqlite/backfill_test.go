package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

var visits = checkpoint.MappingID{Schema: "public", Table: "Visits", Object: "visit"}

func addBackfill(t *testing.T, s *sqlite.Store, b checkpoint.Backfill) int64 {
	t.Helper()
	id, err := s.AddBackfill(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func move(t *testing.T, s *sqlite.Store, id int64, to checkpoint.BackfillState, at time.Time) checkpoint.Backfill {
	t.Helper()
	b, err := s.MoveBackfill(t.Context(), id, to, at, "")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func backfills(t *testing.T, s *sqlite.Store) []checkpoint.Backfill {
	t.Helper()
	all, err := s.Backfills(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A backfill is kept as it was asked for, over lives, with what it has done.
func TestBackfillIsKept(t *testing.T) {
	s, path := identified(t)
	when := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	want := []checkpoint.Backfill{
		{Mapping: "visits", MappingID: visits, Where: "row.a == 'o\x00'", Keys: []string{"k,\"1", ""}, Force: true, Added: when, Progress: checkpoint.Progress{Estimate: 1000}},
		{Mapping: "visits", MappingID: visits, Added: when},
	}
	for i := range want {
		want[i].ID = addBackfill(t, s, want[i])
		want[i].State, want[i].Changed = checkpoint.BackfillWaiting, when
	}
	if want[0].ID != 1 || want[1].ID != 2 || want[0].Feed() != "backfill:1" || want[0].Whole() || !want[1].Whole() {
		t.Errorf("ids %d and %d, feed %s", want[0].ID, want[1].ID, want[0].Feed())
	}
	if got := backfills(t, s); !reflect.DeepEqual(got, want) {
		t.Fatalf("listed:\n got %+v\nwant %+v", got, want)
	}
	steps := []struct {
		to  checkpoint.BackfillState
		why string
	}{
		{checkpoint.BackfillRunning, ""}, {checkpoint.BackfillRunning, ""}, {checkpoint.BackfillPaused, "by ops"},
		{checkpoint.BackfillWaiting, ""}, {checkpoint.BackfillRunning, ""}, {checkpoint.BackfillFailed, "no primary key"},
		{checkpoint.BackfillRunning, ""}, {checkpoint.BackfillDone, ""}, {checkpoint.BackfillDone, ""},
	}
	b := &want[0]
	for i, step := range steps {
		at := when.Add(time.Duration(i+1) * time.Hour)
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
		if err != nil || !reflect.DeepEqual(got, *b) {
			t.Fatalf("step %d: got %+v, %v, want %+v", i, got, err, *b)
		}
		b.Progress = checkpoint.Progress{Rows: int64(i) + 1<<40, Objects: int64(i), Refused: 7, Estimate: 5}
		if err := s.NoteProgress(t.Context(), b.ID, b.Progress); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, path)
		if got := backfills(t, s); !reflect.DeepEqual(got, want) {
			t.Fatalf("after step %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
}

// What has ended does not go on, whoever asks; an ID is never used again.
func TestBackfillMoves(t *testing.T) {
	s, path := identified(t)
	when := time.Unix(1_760_000_000, 0).UTC()
	states := []checkpoint.BackfillState{checkpoint.BackfillWaiting, checkpoint.BackfillRunning, checkpoint.BackfillPaused,
		checkpoint.BackfillFailed, checkpoint.BackfillDone, checkpoint.BackfillCancelled}
	for _, from := range states {
		for _, to := range append(states, "odd") {
			id := addBackfill(t, s, checkpoint.Backfill{MappingID: visits, Added: when})
			if from != checkpoint.BackfillWaiting {
				move(t, s, id, checkpoint.BackfillRunning, when)
			}
			move(t, s, id, from, when)
			allowed := from == to || !from.Ended() && to != "odd" && (to != checkpoint.BackfillDone || from == checkpoint.BackfillRunning)
			_, err := s.MoveBackfill(t.Context(), id, to, when, "")
			if (err == nil) != allowed {
				t.Errorf("from %s to %s: got %v, want it allowed: %v", from, to, err, allowed)
			}
			state := from
			if allowed {
				state = to
			}
			all := backfills(t, s)
			if got := all[len(all)-1]; got.ID != id || got.State != state {
				t.Errorf("from %s to %s: it is %+v", from, to, got)
			}
		}
	}
	if _, err := s.MoveBackfill(t.Context(), 1<<40, checkpoint.BackfillPaused, when, ""); !errors.Is(err, sqlite.ErrNoBackfill) {
		t.Errorf("of no backfill: got %v, want ErrNoBackfill", err)
	}
	all := backfills(t, s)
	last := all[len(all)-1].ID
	execSQL(t, path, `DELETE FROM backfill`)
	s = reopen(t, s, path)
	if id := addBackfill(t, s, checkpoint.Backfill{}); id != last+1 {
		t.Errorf("the next id is %d, want %d", id, last+1)
	}
}

// With its end a backfill's cursor goes, and its mapping counts as loaded, in
// one transaction; what it could not send stays.
func TestBackfillEnds(t *testing.T) {
	when := time.Unix(1_760_000_000, 0).UTC()
	for _, tt := range []struct {
		name   string
		of     checkpoint.Backfill
		end    checkpoint.BackfillState
		loaded bool
	}{
		{"a whole one is done", checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillDone, true},
		{"a whole one is cancelled", checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillCancelled, false},
		{"some rows are done", checkpoint.Backfill{MappingID: visits, Where: "row.a > 1"}, checkpoint.BackfillDone, false},
		{"some keys are done", checkpoint.Backfill{MappingID: visits, Keys: []string{"1"}}, checkpoint.BackfillDone, false},
		{"another table is done", checkpoint.Backfill{MappingID: checkpoint.MappingID{Schema: "public", Table: "visits", Object: "visit"}}, checkpoint.BackfillDone, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, path := identified(t)
			if err := s.SaveMappings(t.Context(), []checkpoint.KnownMapping{{MappingID: visits, Name: "v"}}); err != nil {
				t.Fatal(err)
			}
			tt.of.ID = addBackfill(t, s, tt.of)
			other := checkpoint.Cursor{Feed: "backfill:9", Value: "{}"}
			save(t, s, checkpoint.Save{
				Cursors: []checkpoint.Cursor{{Feed: tt.of.Feed(), Value: "[1]"}, other},
				Refused: []checkpoint.Refused{{Feed: tt.of.Feed(), Key: "k"}},
			})
			move(t, s, tt.of.ID, checkpoint.BackfillRunning, when)
			move(t, s, tt.of.ID, tt.end, when)
			for range 2 {
				got := load(t, s)
				if !slices.Equal(got.Cursors, []checkpoint.Cursor{other}) || got.Refused[tt.of.Feed()] != 1 || got.Mappings[0].Loaded != tt.loaded {
					t.Errorf("cursors %v, refused %v, mapping %+v, want it loaded: %v", got.Cursors, got.Refused, got.Mappings[0], tt.loaded)
				}
				s = reopen(t, s, path)
			}
		})
	}
}

// Mappings are replaced as a whole; what counts as loaded stays so as long as
// it is configured.
func TestMappingsAreKept(t *testing.T) {
	s, path := identified(t)
	when := time.Unix(1_760_000_000, 0).UTC()
	other := checkpoint.MappingID{Schema: "public", Table: "visits", Object: "visit"}
	known := func(id checkpoint.MappingID, name string, loaded bool) checkpoint.KnownMapping {
		return checkpoint.KnownMapping{MappingID: id, Name: name, Rules: `{"key":"` + name + `"}`, Loaded: loaded, Since: when, Changed: when.Add(time.Hour)}
	}
	steps := []struct{ save, want []checkpoint.KnownMapping }{
		{[]checkpoint.KnownMapping{known(other, "b", false), known(visits, "a", true)}, []checkpoint.KnownMapping{known(visits, "a", true), known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(visits, "renamed", false), known(other, "b", false)}, []checkpoint.KnownMapping{known(visits, "renamed", true), known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(other, "b", false)}, []checkpoint.KnownMapping{known(other, "b", false)}},
		{[]checkpoint.KnownMapping{known(visits, "a", false)}, []checkpoint.KnownMapping{known(visits, "a", false)}},
		{nil, nil},
	}
	for i, step := range steps {
		if err := s.SaveMappings(t.Context(), step.save); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, path)
		if got := load(t, s); !reflect.DeepEqual(got.Mappings, step.want) || got.OlderMappings {
			t.Errorf("step %d: got %+v, %v, want %+v", i, got.Mappings, got.OlderMappings, step.want)
		}
	}
}

// In a store that an older release made, what is configured counts as loaded
// until it is recorded; a new store knows that there is nothing.
func TestMappingsOfAnOlderRelease(t *testing.T) {
	s, path := identified(t)
	if got := load(t, s); got.OlderMappings || got.Mappings != nil {
		t.Errorf("a new store: %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, sqlite.Undo(5))
	s = open(t, path)
	for range 2 {
		if got := load(t, s); !got.OlderMappings || got.Mappings != nil {
			t.Errorf("a store of version 5: %+v", got)
		}
		s = reopen(t, s, path)
	}
	if err := s.SaveMappings(t.Context(), []checkpoint.KnownMapping{{MappingID: visits, Loaded: true}}); err != nil {
		t.Fatal(err)
	}
	if got := load(t, reopen(t, s, path)); got.OlderMappings || len(got.Mappings) != 1 || !got.Mappings[0].Loaded {
		t.Errorf("after they were recorded: %+v", got)
	}
}

// What is done to backfills leaves alone how the last life ended, and is no
// beginning of a new one.
func TestBackfillsAreBesideTheSaves(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{Clean: true})
	s = reopen(t, s, path)
	want := load(t, s)
	move(t, s, addBackfill(t, s, checkpoint.Backfill{MappingID: visits}), checkpoint.BackfillPaused, time.Now())
	if err := s.NoteProgress(t.Context(), 1, checkpoint.Progress{Rows: 1}); err != nil {
		t.Fatal(err)
	}
	if got := load(t, reopen(t, s, path)); !reflect.DeepEqual(got, want) || !got.Clean {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Saves and what people do to backfills take turns.
func TestBackfillsWhileSaving(t *testing.T) {
	s, path := identified(t)
	const each = 60
	var done sync.WaitGroup
	errs := make(chan error, 3*each)
	for _, do := range []func(n int) error{
		func(n int) error {
			return s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + checkpoint.LSN(n), Cursors: []checkpoint.Cursor{{Feed: "backfill:1", Value: fmt.Sprint(n)}}, Sync: n%5 == 0})
		},
		func(int) error {
			id, err := s.AddBackfill(t.Context(), checkpoint.Backfill{MappingID: visits})
			if err == nil {
				_, err = s.MoveBackfill(t.Context(), id, checkpoint.BackfillPaused, time.Now(), "")
			}
			return err
		},
		func(int) error { _, err := s.Backfills(context.Background()); return err },
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
		if err != nil {
			t.Error(err)
		}
	}
	s = reopen(t, s, path)
	all, state := backfills(t, s), load(t, s)
	if len(all) != each || state.Checkpoint.LSN != home.LSN+each || state.Cursors[0].Value != fmt.Sprint(each) {
		t.Errorf("%d backfills, %v, cursors %v", len(all), state.Checkpoint, state.Cursors)
	}
	for _, b := range all {
		if b.State != checkpoint.BackfillPaused {
			t.Errorf("backfill %d is %s", b.ID, b.State)
		}
	}
}

// The list does not grow for ever, and what matters later stays in it.
func TestOldBackfillsGo(t *testing.T) {
	s, path := identified(t)
	add := func(b checkpoint.Backfill, end checkpoint.BackfillState) int64 {
		id := addBackfill(t, s, b)
		if end != checkpoint.BackfillWaiting {
			move(t, s, id, checkpoint.BackfillRunning, time.Now())
			move(t, s, id, end, time.Now())
		}
		return id
	}
	some := checkpoint.Backfill{MappingID: visits, Where: "true"}
	older := add(checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillDone)
	whole := add(checkpoint.Backfill{MappingID: visits}, checkpoint.BackfillCancelled)
	paused := add(some, checkpoint.BackfillPaused)
	refused := add(some, checkpoint.BackfillDone)
	gone := add(some, checkpoint.BackfillDone)
	save(t, s, checkpoint.Save{Refused: []checkpoint.Refused{{Feed: (&checkpoint.Backfill{ID: refused}).Feed(), Key: "k"}}})
	execSQL(t, path, `INSERT INTO backfill (mapping, schema, name, object, state, filter, keys, force, added, changed, started, ended, estimate)
		SELECT mapping, schema, name, object, state, filter, keys, force, added, changed, started, ended, estimate
		FROM backfill, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120) SELECT i FROM n) WHERE id = `+fmt.Sprint(gone))
	add(some, checkpoint.BackfillDone)
	var ids []int64
	for _, b := range backfills(t, s) {
		ids = append(ids, b.ID)
	}
	if slices.Contains(ids, older) || !slices.Contains(ids, whole) || !slices.Contains(ids, paused) || !slices.Contains(ids, refused) || slices.Contains(ids, gone) || len(ids) > 105 {
		t.Errorf("%d are left: %v", len(ids), ids)
	}
}

// After a failed sync nothing is taken any more, of backfills either.
func TestBackfillsOfAClosedStore(t *testing.T) {
	s, _ := identified(t)
	id := addBackfill(t, s, checkpoint.Backfill{MappingID: visits})
	s.Notice(fmt.Errorf("commit: %w", syncFailed{}))
	_, added := s.AddBackfill(t.Context(), checkpoint.Backfill{})
	_, moved := s.MoveBackfill(t.Context(), id, checkpoint.BackfillPaused, time.Now(), "")
	for _, err := range []error{added, moved, s.NoteProgress(t.Context(), id, checkpoint.Progress{}), s.SaveMappings(t.Context(), nil)} {
		if !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("got %v, want that the store is closed", err)
		}
	}
}

// Refused rows are many: they are read in pages, and those that are due alone.
func TestRefusedPages(t *testing.T) {
	s, path := identified(t)
	when := time.Unix(1_760_000_000, 0).UTC()
	var all []checkpoint.Refused
	for n := range 10 {
		r := checkpoint.Refused{Feed: "backfill:1", Key: fmt.Sprintf("visit\x00%d\xff", n), Operation: "UPSERT", Code: "1004", Message: "Lead not found \x00 ü", At: when}
		if n%2 == 0 {
			r.Waits, r.Next = true, when.Add(time.Duration(n)*time.Hour)
		}
		all = append(all, r)
	}
	save(t, s, checkpoint.Save{Refused: append(slices.Clone(all), checkpoint.Refused{Feed: "backfill:10", Key: "other"})})
	s = reopen(t, s, path)
	for _, tt := range []struct {
		filter checkpoint.RefusedFilter
		want   []int
	}{
		{checkpoint.RefusedFilter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{checkpoint.RefusedFilter{Limit: 3}, []int{0, 1, 2}},
		{checkpoint.RefusedFilter{After: all[2].Key, Limit: 3}, []int{3, 4, 5}},
		{checkpoint.RefusedFilter{After: all[9].Key}, nil},
		{checkpoint.RefusedFilter{Due: when.Add(4 * time.Hour)}, []int{0, 2, 4}},
		{checkpoint.RefusedFilter{Due: when.Add(4 * time.Hour), After: all[0].Key, Limit: 1}, []int{2}},
		{checkpoint.RefusedFilter{Due: when.Add(-time.Hour)}, nil},
	} {
		tt.filter.Feed = "backfill:1"
		var want []checkpoint.Refused
		for _, n := range tt.want {
			want = append(want, all[n])
		}
		got, err := s.Refused(t.Context(), tt.filter)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, %v, want %+v", tt.filter, got, err, want)
		}
	}
	again := all[3]
	again.Code, again.Waits, again.Next = "1003", true, when
	save(t, s, checkpoint.Save{
		Refused:   []checkpoint.Refused{again},
		Unrefused: []checkpoint.RefusedKey{{Feed: "backfill:1", Key: all[0].Key}, {Feed: "backfill:1", Key: again.Key}, {Feed: "backfill:2", Key: all[1].Key}, {Feed: "backfill:1", Key: "none"}},
	})
	got := load(t, reopen(t, s, path)).Refused
	if want := map[string]int{"backfill:1": 9, "backfill:10": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("refused: got %v, want %v", got, want)
	}
}

package checkpointtest

import (
	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// testReplaced: a key, a feed or a mapping has one entry, the last one that was
// saved; one that is added and done with in one Save has the outcome that is said
// where the field is.
func testReplaced(t T, w World) {
	s := identified(t, w)
	park := func(key string, attempts int) checkpoint.Parked {
		return checkpoint.Parked{Mapping: "m", Key: key, Attempts: attempts}
	}
	refuse := func(feed, key, code string) checkpoint.Refused {
		return checkpoint.Refused{Feed: feed, Key: key, Code: code}
	}
	deletions := func(mapping string, n int) checkpoint.Deletions {
		return checkpoint.Deletions{Mapping: mapping, Minutes: map[int64]int{int64(n): n}}
	}
	for _, sv := range []checkpoint.Save{
		{
			Parked: []checkpoint.Parked{park("a", 1), park("b", 1), park("c", 1), park("d", 1), park("e", 1)}, Lacking: []string{"x", "y", "z"},
			Deletions: []checkpoint.Deletions{deletions("m", 1), deletions("n", 1)},
			Cursors:   []checkpoint.Cursor{{Feed: "f", Value: "1"}, {Feed: "g", Value: "1"}, {Feed: "h", Value: "1"}},
			Refused:   []checkpoint.Refused{refuse("f", "a", "1"), refuse("f", "b", "1"), refuse("f", "c", "1"), refuse("g", "a", "1")},
		},
		{
			// b was parked again, c is done with, d was given up, e is done with and
			// lacks something since; x is whole again, y is parked, z is lacking again.
			Parked: []checkpoint.Parked{park("a", 2), park("b", 2), park("y", 1)}, Resolved: []string{"b", "c", "x", "e", "z", "none"}, Lacking: []string{"d", "e", "y", "z"},
			Deletions: []checkpoint.Deletions{deletions("m", 2)},
			Cursors:   []checkpoint.Cursor{{Feed: "g", Value: ""}, {Feed: "h", Value: "2"}, {Feed: "none", Value: ""}},
			Refused:   []checkpoint.Refused{refuse("f", "a", "2"), refuse("f", "b", "2")},
			Unrefused: []checkpoint.RefusedKey{{Feed: "f", Key: "b"}, {Feed: "f", Key: "c"}, {Feed: "g", Key: "b"}},
		},
	} {
		save(t, s, sv)
	}
	for range 2 {
		got := load(t, s)
		same(t, "parked", got.Parked, []checkpoint.Parked{park("a", 2), park("b", 2), park("y", 1)})
		same(t, "lacking", got.Lacking, []string{"d", "e", "z"})
		same(t, "deletions", got.Deletions, []checkpoint.Deletions{deletions("m", 2), deletions("n", 1)})
		same(t, "cursors", got.Cursors, []checkpoint.Cursor{{Feed: "f", Value: "1"}, {Feed: "h", Value: "2"}})
		same(t, "refused", got.Refused, map[string]int{"f": 2, "g": 1})
		list, err := s.Refused(t.Context(), checkpoint.RefusedFilter{Feed: "f"})
		must(t, err)
		same(t, "refused of a feed", list, []checkpoint.Refused{refuse("f", "a", "2"), refuse("f", "b", "2")})
		s = reopen(t, w, s)
	}
}

func settled(key string, above, seq uint64) checkpoint.Settled {
	return checkpoint.Settled{Key: key, Through: position(above, seq)}
}

// testSettled: of each key the newest change counts, and what the checkpoint has
// passed is forgotten.
func testSettled(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("a", 10, 1), settled("b", 20, 1)}})
	s = reopen(t, w, s)
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("a", 30, 2), settled("c", 5, 1), settled("e", 49, 1)}})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("a", 30, 1), settled("b", 20, 1)}})
	for _, step := range []struct {
		above uint64
		want  map[string]checkpoint.Settled
	}{
		{0, map[string]checkpoint.Settled{"a": settled("a", 30, 2), "b": settled("b", 20, 1), "c": settled("c", 5, 1), "e": settled("e", 49, 1)}},
		{20, map[string]checkpoint.Settled{"a": settled("a", 30, 2), "b": settled("b", 20, 1), "e": settled("e", 49, 1)}},
		{21, map[string]checkpoint.Settled{"a": settled("a", 30, 2), "e": settled("e", 49, 1)}},
		{31, map[string]checkpoint.Settled{"e": settled("e", 49, 1)}},
		{50, map[string]checkpoint.Settled{}},
	} {
		save(t, s, checkpoint.Save{Checkpoint: position(step.above, 0).Commit})
		s = reopen(t, w, s)
		same(t, "settled", byKey(load(t, s).Settled), step.want)
	}
	save(t, s, checkpoint.Save{Checkpoint: position(60, 0).Commit, Settled: []checkpoint.Settled{settled("f", 59, 1), settled("g", 60, 1)}})
	same(t, "settled in the save that passes it", byKey(load(t, s).Settled), map[string]checkpoint.Settled{"g": settled("g", 60, 1)})
}

func byKey(all []checkpoint.Settled) map[string]checkpoint.Settled {
	keys := map[string]checkpoint.Settled{}
	for _, e := range all {
		keys[e.Key] = e
	}
	return keys
}

// testSettledTo: it takes the place of what was settled before, and goes when the
// checkpoint has passed it.
func testSettledTo(t T, w World) {
	s := identified(t, w)
	to := func(above, seq uint64, except ...checkpoint.Unsettled) *checkpoint.SettledTo {
		return &checkpoint.SettledTo{Through: position(above, seq), Except: except, Rules: []uint64{1}}
	}
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("a", 10, 1), settled("b", 90, 5)}})
	first := to(10, 7, checkpoint.Unsettled{Key: "c", From: position(10, 3)})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("d", 10, 7), settled("e", 20, 1)}, SettledTo: first})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settled("c", 10, 3)}})
	for range 2 {
		got := load(t, s)
		same(t, "settled to", got.SettledTo, first)
		same(t, "settled since", byKey(got.Settled), map[string]checkpoint.Settled{"c": settled("c", 10, 3), "e": settled("e", 20, 1)})
		s = reopen(t, w, s)
	}
	second := to(30, 1)
	save(t, s, checkpoint.Save{SettledTo: second})
	got := load(t, s)
	if same(t, "settled to", got.SettledTo, second); len(got.Settled) > 0 {
		t.Errorf("%v is settled beside what stands for it", got.Settled)
	}
	for _, step := range []struct {
		above uint64
		there bool
	}{{30, true}, {31, false}, {32, false}} {
		s = reopen(t, w, s)
		save(t, s, checkpoint.Save{Checkpoint: position(step.above, 0).Commit})
		if got := load(t, s).SettledTo; (got != nil) != step.there {
			t.Errorf("with the checkpoint at +%d: %+v", step.above, got)
		}
	}
}

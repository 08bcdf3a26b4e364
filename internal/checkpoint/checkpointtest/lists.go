package checkpointtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// testParked: parked objects are listed as they were parked, some of them or all.
func testParked(t T, w World) {
	s := identified(t, w)
	entry := func(key, mapping string, first int) checkpoint.Parked {
		return checkpoint.Parked{Key: key, Mapping: mapping, First: moment.Add(time.Duration(first))}
	}
	keys := func(filter checkpoint.Filter) string {
		t.Helper()
		parked, err := s.Parked(t.Context(), filter)
		must(t, err)
		var names, visited []string
		for _, p := range parked {
			names = append(names, p.Key)
		}
		must(t, s.EachParked(t.Context(), filter, func(p checkpoint.Parked) { visited = append(visited, p.Key) }))
		if !slices.Equal(visited, names) {
			t.Errorf("visited %q, listed %q", visited, names)
		}
		return strings.Join(names, " ")
	}
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{entry("c", "m", 1000), entry("a", "m", 1), entry("b", "n", 20)}})
	for _, tt := range []struct {
		filter checkpoint.Filter
		want   string
	}{
		{checkpoint.Filter{}, "a b c"},
		{checkpoint.Filter{Mapping: "m"}, "a c"},
		{checkpoint.Filter{Mapping: "x"}, ""},
		{checkpoint.Filter{Key: "b"}, "b"},
		{checkpoint.Filter{Mapping: "m", Key: "b"}, ""},
		{checkpoint.Filter{Limit: 1, Offset: 1}, "b"},
		{checkpoint.Filter{Offset: 2}, "c"},
	} {
		if got := keys(tt.filter); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.filter, got, tt.want)
		}
	}
	full := checkpoint.Parked{Key: "p\x00\xff", Mapping: "whole", Code: "1003", Payload: `{"a":1}`, Message: odd, Waits: true, First: moment, Last: moment.Add(time.Hour)}
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{full}})
	brief, err := s.Parked(t.Context(), checkpoint.Filter{Mapping: "whole", Brief: true})
	must(t, err)
	full.Payload, full.Message = "", ""
	same(t, "in brief", brief, []checkpoint.Parked{full})
	save(t, s, checkpoint.Save{Resolved: []string{full.Key}})
	counts, err := s.CountParked(t.Context())
	must(t, err)
	same(t, "counts", counts, map[string]int{"m": 2, "n": 1})
}

// testRefusedBefore: what a backfill could not send is forgotten when a later one has
// sent all rows of the mapping anew, not when that has sent some.
func testRefusedBefore(t T, w World) {
	s := identified(t, w)
	orders := checkpoint.MappingID{Schema: "public", Table: "orders", Object: "Order"}
	backfill := func(b checkpoint.Backfill) int64 {
		b.Added = moment
		b.ID = addBackfill(t, s, b)
		move(t, s, b.ID, checkpoint.BackfillRunning)
		save(t, s, checkpoint.Save{Refused: []checkpoint.Refused{{Feed: b.Feed(), Key: "k", Code: "1003", At: moment}}})
		must(t, s.NoteProgress(t.Context(), b.ID, checkpoint.Progress{Refused: 1}))
		move(t, s, b.ID, checkpoint.BackfillDone)
		return b.ID
	}
	want := map[int64]int64{}
	see := func(when string) {
		t.Helper()
		s = reopen(t, w, s)
		for _, b := range backfills(t, s) {
			refused, err := s.Refused(t.Context(), checkpoint.RefusedFilter{Feed: b.Feed()})
			must(t, err)
			if n := want[b.ID]; int64(len(refused)) != n || b.Refused != n {
				t.Errorf("%s: backfill %d has %d refused rows and counts %d, want %d", when, b.ID, len(refused), b.Refused, n)
			}
		}
	}
	first, other := backfill(checkpoint.Backfill{MappingID: visits}), backfill(checkpoint.Backfill{MappingID: orders})
	some := backfill(checkpoint.Backfill{MappingID: visits, Keys: []string{"1"}})
	want[first], want[other], want[some] = 1, 1, 1
	see("after some rows")
	save(t, s, checkpoint.Save{Unrefused: []checkpoint.RefusedKey{{Feed: (&checkpoint.Backfill{ID: first}).Feed(), Key: "k"}}})
	again := backfill(checkpoint.Backfill{MappingID: visits, Keys: []string{"1"}})
	want[first], want[again] = 0, 1
	see("after one that was refused was sent")
	all := backfill(checkpoint.Backfill{MappingID: visits})
	want[some], want[again], want[all] = 0, 0, 1
	see("after all rows")
}

// testRefused: refused rows are many, so they are read in pages, and those that
// are due alone.
func testRefused(t T, w World) {
	s := identified(t, w)
	var all []checkpoint.Refused
	for n := range 10 {
		r := checkpoint.Refused{Feed: "backfill:1", Key: fmt.Sprintf("visit\x00%d\xff", n), Operation: "UPSERT", Code: "1004", Message: odd, At: moment}
		if n%2 == 0 {
			r.Waits, r.Next = true, moment.Add(time.Duration(n)*time.Hour)
		}
		all = append(all, r)
	}
	save(t, s, checkpoint.Save{Refused: append(slices.Clone(all), checkpoint.Refused{Feed: "backfill:10", Key: "other", Waits: true})})
	s = reopen(t, w, s)
	for _, tt := range []struct {
		filter checkpoint.RefusedFilter
		want   []int
	}{
		{checkpoint.RefusedFilter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{checkpoint.RefusedFilter{Limit: 3}, []int{0, 1, 2}},
		{checkpoint.RefusedFilter{After: all[2].Key, Limit: 3}, []int{3, 4, 5}},
		{checkpoint.RefusedFilter{After: all[9].Key}, nil},
		{checkpoint.RefusedFilter{Due: moment.Add(4 * time.Hour)}, []int{0, 2, 4}},
		{checkpoint.RefusedFilter{Due: moment.Add(4 * time.Hour), After: all[0].Key, Limit: 1}, []int{2}},
		{checkpoint.RefusedFilter{Due: moment.Add(-time.Hour)}, nil},
	} {
		tt.filter.Feed = "backfill:1"
		var want []checkpoint.Refused
		for _, n := range tt.want {
			want = append(want, all[n])
		}
		got, err := s.Refused(t.Context(), tt.filter)
		must(t, err)
		same(t, fmt.Sprintf("%+v", tt.filter), got, want)
	}
	same(t, "counts", load(t, s).Refused, map[string]int{"backfill:1": 10, "backfill:10": 1})
}

// testRelations: relations are replaced as a whole.
func testRelations(t T, w World) {
	s := identified(t, w)
	for _, want := range [][]checkpoint.Relation{
		{{Schema: "a", Name: "b", OID: 1 << 31, Seen: moment, Record: `{"x": 1}`}, {Schema: "a", Name: "c", OID: 5, Seen: moment, Record: `{}`}},
		{{Schema: "a", Name: "c", OID: 6, Seen: moment, Record: `{}`}},
		nil,
	} {
		must(t, s.SaveRelations(t.Context(), want))
		s = reopen(t, w, s)
		same(t, "relations", load(t, s).Relations, want)
	}
}

// testCount: calls that are made beside the daemon are counted, and nothing else
// is changed: not how the last life ended, either.
func testCount(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Clean: true, Quota: &checkpoint.Quota{Day: "2026-03-01", Calls: 1}})
	s = reopen(t, w, s)
	want := load(t, s)
	want.Quota = checkpoint.Quota{Day: "2026-03-02", Calls: 5, Starts: []time.Time{moment}, Exhausted: true}
	must(t, s.Count(t.Context(), want.Quota))
	same(t, "after calls were counted", load(t, reopen(t, w, s)), want)
}

// testLimits: none of what is large elsewhere is too large.
func testLimits(t T, w World) {
	s := identified(t, w)
	sv := checkpoint.Save{Sent: position(1, 1<<64-1)}
	for n := range 300 {
		call := checkpoint.Call{ID: 1<<40 - 1 - uint64(n)}
		for k := range 300 {
			call.Keys = append(call.Keys, fmt.Sprintf("visits\x00%d\x00", n*1000+k))
		}
		sv.Started = append(sv.Started, call)
	}
	slices.Reverse(sv.Started)
	for n := range 3000 {
		sv.Parked = append(sv.Parked, checkpoint.Parked{Key: fmt.Sprintf("%06d", n), Payload: "{}"})
		sv.Lacking = append(sv.Lacking, fmt.Sprintf("lacking %06d", n))
	}
	sv.Parked[7].Payload, sv.Parked[8].Key = strings.Repeat("x", 2<<20), strings.Repeat("000008", 10_000)
	for n := range 20_000 {
		sv.Settled = append(sv.Settled, settled(fmt.Sprintf("visits\x00%d\x00", n), uint64(n), uint64(n)))
	}
	sv.SettledTo = &checkpoint.SettledTo{Through: checkpoint.SettledTo{}.Through}
	sv.Cursors = []checkpoint.Cursor{{Feed: "f", Value: strings.Repeat("y", 1<<20)}}
	save(t, s, sv)
	got := load(t, reopen(t, w, s))
	for i := range sv.Started {
		sv.Started[i].ID |= 1 << 40
	}
	same(t, "calls", got.InFlight, sv.Started)
	same(t, "settled", byKey(got.Settled), byKey(sv.Settled))
	same(t, "lacking", got.Lacking, sv.Lacking)
	same(t, "parked", got.Parked, sv.Parked)
	same(t, "cursors", got.Cursors, sv.Cursors)
	same(t, "sent", got.Sent, sv.Sent)
}

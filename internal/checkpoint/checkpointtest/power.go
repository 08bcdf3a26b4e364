package checkpointtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// numbered is a Save each part of which carries the number n. before are the
// calls in flight.
func numbered(n int, before []uint64, sync bool) checkpoint.Save {
	text := strconv.Itoa(n)
	sv := checkpoint.Save{
		Checkpoint: home.LSN + checkpoint.LSN(n), Latest: &checkpoint.Commit{XID: uint32(n)},
		Started: []checkpoint.Call{{ID: uint64(n), Keys: []string{text}}}, Ended: before,
		Settled:   []checkpoint.Settled{settled(strings.Repeat(text, 700), uint64(n), uint64(n))},
		Parked:    []checkpoint.Parked{{Key: "same", Attempts: n, Payload: strings.Repeat(text, n%9*100)}},
		Lacking:   []string{text},
		Resolved:  []string{strconv.Itoa(n - 1)},
		Quota:     &checkpoint.Quota{Calls: n},
		Deletions: []checkpoint.Deletions{{Mapping: "m", Free: int64(n)}},
		Cursors:   []checkpoint.Cursor{{Feed: "f", Value: text}},
		Refused:   []checkpoint.Refused{{Feed: text, Key: "k"}}, Unrefused: []checkpoint.RefusedKey{{Feed: strconv.Itoa(n - 1), Key: "k"}},
		Follow:   &checkpoint.Following{Timeline: int32(n) + home.Timeline, Database: text},
		Accepted: []checkpoint.Accepted{{Span: text}},
		Sent:     position(uint64(n), uint64(n)),
		Sync:     sync,
	}
	if n%3 == 0 {
		sv.SettledTo = &checkpoint.SettledTo{Through: position(uint64(n), uint64(n)-1)}
	}
	return sv
}

// number returns the number of the last Save that is in state, and an error when
// its parts do not agree on it.
func number(state checkpoint.State) (int, error) {
	if state.Checkpoint == nil {
		return 0, errors.New("there is no checkpoint")
	}
	n := int(state.Checkpoint.LSN - home.LSN)
	if n == 0 {
		return 0, nil
	}
	if len(state.InFlight) != 1 || len(state.Deletions) != 1 || len(state.Accepted) == 0 {
		return n, fmt.Errorf("save %d is torn: %d calls, %d deletions, %d accepted", n, len(state.InFlight), len(state.Deletions), len(state.Accepted))
	}
	want := numbered(n, nil, false)
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"latest", state.Latest.XID, uint32(n)},
		{"timeline", state.Checkpoint.Timeline, want.Follow.Timeline},
		{"database", state.Checkpoint.Database, want.Follow.Database},
		{"settled", state.Settled, want.Settled},
		{"settled to", state.SettledTo != nil, want.SettledTo != nil},
		{"parked", state.Parked, want.Parked},
		{"lacking", state.Lacking, want.Lacking},
		{"quota", state.Quota.Calls, n},
		{"deletions", state.Deletions[0].Free, int64(n)},
		{"cursors", state.Cursors, want.Cursors},
		{"refused", state.Refused, map[string]int{want.Refused[0].Feed: 1}},
		{"accepted", state.Accepted[len(state.Accepted)-1].Span, want.Accepted[0].Span},
		{"times accepted", len(state.Accepted), n},
		{"sent", state.Sent, want.Sent},
		{"key of the call", state.InFlight[0].Keys[0], want.Started[0].Keys[0]},
	} {
		if fmt.Sprint(part.got) != fmt.Sprint(part.want) {
			return n, fmt.Errorf("save %d is torn: %s is %v, want %v", n, part.name, part.got, part.want)
		}
	}
	return n, nil
}

// inFlight returns the ids of the calls that a life finds.
func inFlight(state checkpoint.State) (ids []uint64) {
	for _, c := range state.InFlight {
		ids = append(ids, c.ID)
	}
	return ids
}

// testWhole: the disk stops at every write of a save in turn, until it is done.
// The next life finds all of the save, or nothing.
func testWhole(t T, w World) {
	rng := rand.New(rand.NewPCG(3, 3))
	s := identified(t, w)
	last := 0
	var found [2]int
	for round := range 3 {
		kill, sync := round == 0, round < 2
		for stop, done := 0, false; !done; stop += seldom * (1 + 2*round) { // all of them, and some
			before := inFlight(load(t, s))
			save(t, s, checkpoint.Save{}) // the first of a life is another one
			w.StopAfter(stop)
			err := s.Save(t.Context(), numbered(last+1, before, sync))
			if done = err == nil; done {
				last++
			}
			if kill {
				w.Kill(t)
			} else {
				w.CutPower(t, rng)
			}
			s = w.Open(t)
			n, torn := number(load(t, s))
			switch {
			case torn != nil:
				t.Fatalf("stopped after %d writes: %v", stop, torn)
			case done && (kill || sync) && n != last, done && n != last && n != last-1, !done && n != last && n != last+1:
				t.Fatalf("stopped after %d writes, which the save ended with %v: found save %d, last was %d", stop, err, n, last)
			case !done:
				found[n-last]++
			}
			if last = n; stop > 1000 {
				t.Fatal("a save never ends")
			}
		}
	}
	if found[0] == 0 {
		t.Error("no save was cut off")
	}
}

// lives runs many lives of numbered saves, each of which end ends. It checks that
// each finds a number that end allows.
func lives(t T, w World, rng *rand.Rand, n int, end func(last, synced int) (lowest, highest int)) {
	t.Helper()
	s := identified(t, w)
	last := 0
	for life := range n {
		synced := last
		before := inFlight(load(t, s))
		for i := range 1 + rng.IntN(12) {
			sync := rng.IntN(3) == 0
			last++
			save(t, s, numbered(last, before, sync))
			before = []uint64{uint64(last)}
			if sync || i == 0 { // the first of a life is always synced
				synced = last
			}
		}
		lowest, highest := end(last, synced)
		s = w.Open(t)
		got, err := number(load(t, s))
		switch {
		case err != nil:
			t.Fatalf("life %d: %v", life, err)
		case got < lowest || got > highest:
			t.Fatalf("life %d: found save %d, want one of %d to %d", life, got, lowest, highest)
		}
		last = got
	}
}

// testKilled: what a save has reported survives the process.
func testKilled(t T, w World) {
	rng := rand.New(rand.NewPCG(4, 4))
	lives(t, w, rng, 10/seldom, func(last, _ int) (int, int) {
		w.Kill(t)
		return last, last
	})
}

// testPower: what was synced survives the loss of power, with all before it; what
// was not is there whole or not at all, and nothing without what came before it.
func testPower(t T, w World) {
	rng := rand.New(rand.NewPCG(5, 5))
	lost := 0
	lives(t, w, rng, 25/seldom, func(last, synced int) (int, int) {
		w.CutPower(t, rng)
		if last > synced {
			lost++
		}
		return synced, last
	})
	if lost == 0 {
		t.Error("there was nothing to lose")
	}
}

// testFirst: the first save of a life is durable without being asked for, so that
// the mark of an unclean end is, before anything else can happen.
func testFirst(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Clean: true})
	for n := range 5 {
		s = reopen(t, w, s)
		save(t, s, checkpoint.Save{Lacking: []string{strconv.Itoa(n)}})
		w.CutPower(t, rand.New(rand.NewPCG(6, uint64(n))))
		s = w.Open(t)
		if got := load(t, s); got.Clean || len(got.Lacking) != n+1 {
			t.Fatalf("life %d: clean %v, lacking %q", n, got.Clean, got.Lacking)
		}
		save(t, s, checkpoint.Save{Clean: true})
	}
}

// testDurableBeside: what is changed beside the saves is durable where that is
// promised, and whole.
func testDurableBeside(t T, w World) {
	s := identified(t, w)
	rng := rand.New(rand.NewPCG(7, 7))
	cut := func() {
		t.Helper()
		w.CutPower(t, rng)
		s = w.Open(t)
	}
	for _, sync := range []bool{true, false} {
		save(t, s, checkpoint.Save{Sync: sync})
		id, err := s.AddBackfill(t.Context(), checkpoint.Backfill{MappingID: visits, Keys: []string{"1"}})
		must(t, err)
		cut()
		moved, err := s.MoveBackfill(t.Context(), id, checkpoint.BackfillRunning, moment, "")
		must(t, err)
		cut()
		all, err := s.Backfills(t.Context())
		must(t, err)
		same(t, "backfill", all[len(all)-1], moved)
		must(t, s.SaveMappings(t.Context(), []checkpoint.KnownMapping{{MappingID: visits, Name: strconv.FormatBool(sync)}}))
		cut()
		must(t, s.SaveRelations(t.Context(), []checkpoint.Relation{{Schema: "s", Name: strconv.FormatBool(sync)}}))
		cut()
		got := load(t, s)
		if got.Mappings[0].Name != strconv.FormatBool(sync) || got.Relations[0].Name != strconv.FormatBool(sync) {
			t.Errorf("mappings %v, relations %v", got.Mappings, got.Relations)
		}
	}
	must(t, s.Accept(t.Context(), checkpoint.Checkpoint{Slot: "new"}, checkpoint.Accepted{Span: "x"}))
	cut()
	must(t, s.Identify(t.Context(), home))
	cut()
	if got := load(t, s); got.Checkpoint.Slot != home.Slot || len(got.Accepted) != 1 {
		t.Errorf("checkpoint %+v, accepted %v", got.Checkpoint, got.Accepted)
	}
}

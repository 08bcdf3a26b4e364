package checkpointtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// testCalls: calls of one number in several lives are several.
func testCalls(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"old"}}, {ID: 2, Keys: []string{"gone"}}}})
	save(t, s, checkpoint.Save{Ended: []uint64{2}})
	s = reopen(t, w, s)
	old := load(t, s).InFlight
	if len(old) != 1 || old[0].ID>>40 == 0 {
		t.Fatalf("calls of the life before: %v", old)
	}
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"new"}}}})
	got := load(t, s).InFlight
	if len(got) != 2 || got[0].ID != old[0].ID || got[0].Keys[0] != "old" || got[1].Keys[0] != "new" || got[1].ID>>40 <= got[0].ID>>40 || got[1].ID&(1<<40-1) != 1 {
		t.Fatalf("two lives: got %v", got)
	}
	save(t, s, checkpoint.Save{Ended: []uint64{1}})
	same(t, "after the new one ended", load(t, s).InFlight, old)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 7}}, Ended: []uint64{7}})
	same(t, "started and ended in one save", load(t, s).InFlight, old)
	save(t, s, checkpoint.Save{Ended: []uint64{old[0].ID}})
	if got := load(t, s).InFlight; len(got) != 0 {
		t.Errorf("after both ended: got %v", got)
	}
}

// testManyCalls: what is in flight is that of any sequence of saves.
func testManyCalls(t T, w World) {
	s := identified(t, w)
	var want []checkpoint.Call
	id, life := uint64(0), uint64(1)
	for step := range 60 {
		var sv checkpoint.Save
		for range step * 7 % 5 {
			id++
			call := checkpoint.Call{ID: id}
			for k := range step * 31 % 400 {
				call.Keys = append(call.Keys, fmt.Sprintf("visits\x00%d", 100*k+step))
			}
			sv.Started = append(sv.Started, call)
			call.ID |= life << 40
			want = append(want, call)
		}
		for i := 0; i < step%4 && len(want) > 0; i++ {
			at := step * 13 % len(want)
			sv.Ended = append(sv.Ended, want[at].ID)
			want = append(want[:at:at], want[at+1:]...)
		}
		save(t, s, sv)
		if step%9 == 8 {
			s = reopen(t, w, s)
			life++
			save(t, s, checkpoint.Save{})
		}
		if got := load(t, s).InFlight; len(got)+len(want) > 0 {
			same(t, fmt.Sprint("step ", step), got, want)
		}
	}
}

// testRefusedCalls: a Save that is refused leaves no mark, in memory either.
func testRefusedCalls(t T, w World) {
	s := identified(t, w)
	first := checkpoint.Call{ID: 1, Keys: []string{"a"}}
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{first}})
	s = reopen(t, w, s)
	want := load(t, s)
	refused(t, s.Save(t.Context(), checkpoint.Save{Started: []checkpoint.Call{{ID: 1}, {ID: 1}}, Lacking: []string{"x"}}), "in flight already")
	refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN - 1, Started: []checkpoint.Call{{ID: 2}}, Ended: []uint64{1<<40 | 1}}), "goes back")
	same(t, "after saves that were refused", load(t, s), want)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1}}})
	same(t, "calls", load(t, s).InFlight, []checkpoint.Call{{ID: 1<<40 | 1, Keys: []string{"a"}}, {ID: 2<<40 | 1}})
}

// testSaves: every save counts, of all lives; one that is refused does not.
func testSaves(t T, w World) {
	s := identified(t, w)
	count := func() uint64 {
		n, err := s.Saves(t.Context())
		must(t, err)
		return n
	}
	for life := range 4 {
		before := count()
		for n := range 3 {
			save(t, s, checkpoint.Save{Sync: n == 1})
			refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 1}), "goes back")
		}
		if life%2 == 0 {
			w.Kill(t)
			s = w.Open(t)
		} else {
			s = reopen(t, w, s)
		}
		if got := count(); got != before+3 {
			t.Fatalf("life %d: %d saves after %d and 3 more", life, got, before)
		}
	}
}

func testClean(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}}})
	if got := load(t, s); got.Clean || len(got.InFlight) != 1 {
		t.Errorf("in the middle of a life: clean %v, in flight %v, want false and one call", got.Clean, got.InFlight)
	}
	save(t, s, checkpoint.Save{Clean: true})
	must(t, s.SaveRelations(t.Context(), []checkpoint.Relation{{Schema: "late", Name: "late"}}))
	w.CutPower(t, rand.New(rand.NewPCG(1, 1)))
	s = w.Open(t)
	if got := load(t, s); !got.Clean || len(got.InFlight) != 0 || len(got.Relations) != 0 {
		t.Errorf("after an orderly end: clean %v, in flight %v, relations %v, want true and none", got.Clean, got.InFlight, got.Relations)
	}
	save(t, s, checkpoint.Save{})
	s = reopen(t, w, s)
	if got := load(t, s); got.Clean {
		t.Error("after a life without an orderly end: got clean")
	}
}

// testBoot: a store knows whether all that was saved is there, or power may have
// taken some of it.
func testBoot(t T, w World) {
	identified(t, w)
	w.Kill(t)
	s := w.Open(t)
	if !load(t, s).SameBoot {
		t.Error("after a kill: got another boot")
	}
	save(t, s, checkpoint.Save{})
	w.CutPower(t, rand.New(rand.NewPCG(2, 2)))
	s = w.Open(t)
	if load(t, s).SameBoot {
		t.Error("after a loss of power: got the same boot")
	}
	save(t, s, checkpoint.Save{})
	s = reopen(t, w, s)
	if !load(t, s).SameBoot {
		t.Error("after a save in this boot: got another one")
	}
}

// testLook: opening and loading begin no life.
func testLook(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 5}}, Clean: true})
	for range 3 {
		s = reopen(t, w, s)
		if got := load(t, s); !got.Clean || len(got.InFlight) > 0 {
			t.Fatalf("after a life that only looked: %+v", got)
		}
	}
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 5}}})
	if got := load(t, s).InFlight; len(got) != 1 || got[0].ID != 2<<40|5 {
		t.Errorf("lives that only looked are counted: %v", got)
	}
}

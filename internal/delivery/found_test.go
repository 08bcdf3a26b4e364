package delivery

import "testing"

// TestFind: what waits of a key is told in the order in which it goes, and
// asking changes nothing.
func TestFind(t *testing.T) {
	r := newRig(t, nil)
	if f := r.m.Find(r.now, "k"); len(f.Waiting) != 0 || f.Parked {
		t.Errorf("nothing came, found %+v", f)
	}
	r.commit(upsert("k", "a"))
	first := r.m.Find(r.now, upsert("k", "a").Key)
	if len(first.Waiting) != 1 || first.Waiting[0].Source != "stream" || first.Waiting[0].Commit == 0 || first.Waiting[0].Lacks == "" {
		t.Fatalf("one waits, found %+v", first)
	}
	r.pass(r.m.cfg.MaxWait)
	call := r.take(1)[0]
	r.commit(upsert("k", "b"))
	f := r.m.Find(r.now, upsert("k", "b").Key)
	if len(f.Waiting) != 2 || f.Waiting[0].Lacks != "is in a call to marketo" || f.Waiting[1].Lacks != "waits for an older one of its key, or of another spelling of that" {
		t.Errorf("one is in a call, found %+v", f)
	}
	if f.Waiting[0].Commit != first.Waiting[0].Commit || f.Waiting[1].Commit <= f.Waiting[0].Commit {
		t.Errorf("the places of the commits are not in order: %+v", f)
	}
	r.answer(call)
	r.pass(r.m.cfg.MaxWait)
	r.answer(r.take(1)[0])
	r.pass(r.m.cfg.SyncEvery)
	if f := r.m.Find(r.now, upsert("k", "b").Key); len(f.Waiting) != 0 {
		t.Errorf("all is done with, found %+v", f)
	}
}

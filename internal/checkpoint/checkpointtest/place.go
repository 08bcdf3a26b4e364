package checkpointtest

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// testPosition: the position never goes back, whoever remembers what.
func testPosition(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 100})
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 100})
	for range 2 {
		refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + 99, Lacking: []string{"x"}}), "goes back", (home.LSN + 100).String(), (home.LSN + 99).String())
		s = reopen(t, w, s)
	}
	refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 1 << 63}), "not possible")
	save(t, s, checkpoint.Save{})
	if got := load(t, s); got.Checkpoint.LSN != home.LSN+100 || len(got.Lacking) > 0 {
		t.Errorf("position %s, lacking %q", got.Checkpoint.LSN, got.Lacking)
	}
	save(t, s, checkpoint.Save{Checkpoint: 1<<63 - 1})
	if got := load(t, reopen(t, w, s)).Checkpoint.LSN; got != 1<<63-1 {
		t.Errorf("the highest position is read as %s", got)
	}
}

// testIdentity: a store belongs to one slot from the moment that it was
// identified, and to what was intended before.
func testIdentity(t T, w World) {
	s := w.Open(t)
	refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 5}), "never identified")
	intended := home
	intended.LSN = 0
	refused(t, s.Intend(t.Context(), home), "no position")
	refused(t, s.Identify(t.Context(), intended), "not possible")
	other := intended
	other.Slot = "other"
	for _, c := range []checkpoint.Checkpoint{other, intended} {
		must(t, s.Intend(t.Context(), c))
		s = reopen(t, w, s)
		same(t, "intention", load(t, s).Checkpoint, &c)
	}
	refused(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 5}), "never identified")
	must(t, s.Identify(t.Context(), home))
	promoted := home
	promoted.Timeline, promoted.LSN = home.Timeline+1, home.LSN+1
	must(t, s.Identify(t.Context(), promoted))
	s = reopen(t, w, s)
	same(t, "identity", load(t, s).Checkpoint, &promoted)
	other.LSN = home.LSN + 5
	refused(t, s.Intend(t.Context(), intended), "already belongs")
	refused(t, s.Identify(t.Context(), other), "of its own")
	refused(t, s.Identify(t.Context(), home), "goes back")
	same(t, "identity after all that", load(t, s).Checkpoint, &promoted)
}

// testLags: the object types that lag are replaced as a whole, and forgotten with
// the stream that they lag in.
func testLags(t T, w World) {
	s := identified(t, w)
	one := []checkpoint.Lag{{Object: "a", Sent: position(5, 1)}}
	for _, step := range []struct{ lags, want []checkpoint.Lag }{
		{[]checkpoint.Lag{{Object: "b", Sent: position(9, 1)}, {Object: "c"}}, []checkpoint.Lag{{Object: "b", Sent: position(9, 1)}, {Object: "c"}}},
		{one, one}, {nil, one}, {[]checkpoint.Lag{}, nil}, {one, one},
	} {
		save(t, s, checkpoint.Save{Lags: step.lags})
		same(t, "lags", load(t, s).Lags, step.want)
		s = reopen(t, w, s)
	}
	must(t, s.Accept(t.Context(), home, checkpoint.Accepted{At: moment, Span: "0/1..0/2", Code: checkpoint.Gap}))
	same(t, "lags behind a gap", load(t, s).Lags, []checkpoint.Lag(nil))
}

// testLatest: the latest transaction stays with its position, and is forgotten
// with it.
func testLatest(t T, w World) {
	s := identified(t, w)
	want := checkpoint.Commit{Final: home.LSN + 10, End: home.LSN + 20, XID: 1, At: moment.Truncate(time.Microsecond), Publication: "p"}
	here := home
	here.LSN += 30
	for _, step := range []struct {
		do   func() error
		want checkpoint.Commit
	}{
		{func() error { return s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + 20, Latest: &want}) }, want},
		{func() error { return s.Save(t.Context(), checkpoint.Save{Checkpoint: here.LSN}) }, want},
		{func() error {
			return s.Save(t.Context(), checkpoint.Save{Follow: &checkpoint.Following{Timeline: home.Timeline, Database: "other"}})
		}, want},
		{func() error { return s.Save(t.Context(), checkpoint.Save{Latest: &checkpoint.Commit{}}) }, checkpoint.Commit{}},
		{func() error { return s.Save(t.Context(), checkpoint.Save{Latest: &want}) }, want},
		{func() error { return s.Accept(t.Context(), here, checkpoint.Accepted{}) }, checkpoint.Commit{}},
		{func() error { return s.Save(t.Context(), checkpoint.Save{Latest: &want}) }, want},
		{func() error { return s.Identify(t.Context(), here) }, want},
		{func() error { here.LSN++; return s.Identify(t.Context(), here) }, checkpoint.Commit{}},
	} {
		must(t, step.do())
		s = reopen(t, w, s)
		same(t, "latest", load(t, s).Latest, step.want)
	}
}

// testFollow: the server may be promoted, and its database renamed; the position
// stays.
func testFollow(t T, w World) {
	s := w.Open(t)
	follow := func(timeline int32, database string) error {
		return s.Save(t.Context(), checkpoint.Save{Follow: &checkpoint.Following{Timeline: timeline, Database: database}, Sync: true})
	}
	refused(t, follow(4, "shop"), "never identified")
	must(t, s.Identify(t.Context(), home))
	refused(t, follow(home.Timeline-1, "shop"), "goes back")
	refused(t, follow(home.Timeline, ""), "no name")
	want := home
	for _, f := range []checkpoint.Following{{Timeline: 3, Database: "shop"}, {Timeline: 5, Database: "shop"}, {Timeline: 5, Database: "store"}} {
		must(t, follow(f.Timeline, f.Database))
		want.Timeline, want.Database = f.Timeline, f.Database
		s = reopen(t, w, s)
		same(t, "checkpoint", load(t, s).Checkpoint, &want)
	}
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 5})
	want.LSN += 5
	same(t, "checkpoint", load(t, reopen(t, w, s)).Checkpoint, &want)
}

// testAccept: after a gap was accepted nothing that was known of the stream
// suppresses or holds up anything: the positions mean something else now.
func testAccept(t T, w World) {
	s := identified(t, w)
	save(t, s, checkpoint.Save{
		Checkpoint: home.LSN + 100, Sent: position(500, 3), Settled: []checkpoint.Settled{settled("a", 500, 3)},
		SettledTo: &checkpoint.SettledTo{Through: position(400, 0)},
		Parked:    []checkpoint.Parked{{Mapping: "m", Key: "p", At: position(500, 3), XID: 9}},
		Lacking:   []string{"l"}, Cursors: []checkpoint.Cursor{{Feed: "f", Value: "1"}},
		Accepted: []checkpoint.Accepted{{At: moment, Span: "0/1..0/2", Code: checkpoint.PassedOver, Reason: "one"}},
	})
	if got := load(t, s); len(got.Settled) != 1 || got.SettledTo == nil {
		t.Fatalf("settled %v to %v, want both", got.Settled, got.SettledTo)
	}
	for n, to := range []checkpoint.LSN{home.LSN - 100, 0} {
		c := home
		c.System, c.Timeline, c.LSN = "8", 1, to
		a := checkpoint.Accepted{At: moment, Span: "0/1..new", Code: checkpoint.WrongTimeline, Reason: "fork"}
		must(t, s.Accept(t.Context(), c, a))
		for range 2 {
			got := load(t, s)
			same(t, "checkpoint", got.Checkpoint, &c)
			if got.Sent != (pgoutput.Position{}) || len(got.Settled) != 0 || got.SettledTo != nil {
				t.Errorf("sent %v and settled %v are still known", got.Sent, got.Settled)
			}
			same(t, "parked", got.Parked, []checkpoint.Parked{{Mapping: "m", Key: "p", XID: 9}})
			if len(got.Accepted) != n+2 || got.Accepted[n+1] != a || got.Accepted[0].Reason != "one" {
				t.Errorf("accepted: %+v", got.Accepted)
			}
			if len(got.Lacking) != 1 || len(got.Cursors) != 1 {
				t.Errorf("lacking %v and cursors %v, want them as they were", got.Lacking, got.Cursors)
			}
			s = reopen(t, w, s)
		}
	}
}

package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// After a gap was accepted, nothing of what was known of the stream suppresses
// or holds up anything: the positions mean something else now.
func TestAcceptForgetsWhatWasKnownOfTheStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	at := pgoutput.Position{Commit: home.LSN + 500, Seq: 3}
	save(t, s, checkpoint.Save{
		Checkpoint: home.LSN + 100, Sent: at, Settled: []checkpoint.Settled{{Key: "a", Through: at}},
		SettledTo: &checkpoint.SettledTo{Through: pgoutput.Position{Commit: home.LSN + 400}},
		Parked:    []checkpoint.Parked{{Mapping: "m", Object: "O", Key: "p", Operation: "UPSERT", Fields: "{}", Payload: "{}", At: at}},
	})
	if got := load(t, s); len(got.Settled) != 1 || got.SettledTo == nil {
		t.Fatalf("settled %v to %v, want both", got.Settled, got.SettledTo)
	}
	for _, to := range []checkpoint.LSN{home.LSN - 100, 0} {
		c := home
		c.Timeline, c.LSN = 2, to
		a := checkpoint.Accepted{At: time.Unix(1000, 0).UTC(), Span: "0/1..0/2", Code: checkpoint.WrongTimeline, Reason: "fork"}
		if err := s.Accept(t.Context(), c, a); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := load(t, s)
			if got.Checkpoint == nil || *got.Checkpoint != c {
				t.Errorf("checkpoint = %+v, want %+v", got.Checkpoint, c)
			}
			if got.Sent != (pgoutput.Position{}) || len(got.Settled) != 0 || got.SettledTo != nil {
				t.Errorf("sent %v and settled %v are still known", got.Sent, got.Settled)
			}
			if len(got.Parked) != 1 || got.Parked[0].At != (pgoutput.Position{}) {
				t.Errorf("parked: %+v, want it without a position", got.Parked)
			}
			if n := len(got.Accepted); n == 0 || got.Accepted[n-1] != a {
				t.Errorf("accepted: %+v, want %+v", got.Accepted, a)
			}
			s = reopen(t, s, path)
		}
	}
}

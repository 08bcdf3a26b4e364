package sqlite_test

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// The latest transaction stays with its position: it is forgotten with it.
func TestLatestTransactionIsKept(t *testing.T) {
	s, path := identified(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	want := checkpoint.Commit{Final: home.LSN + 10, End: home.LSN + 20, XID: 4_000_000_000, At: now, Publication: "p"}
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 20, Latest: &want})
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 30})
	save(t, s, checkpoint.Save{Follow: &checkpoint.Following{Timeline: home.Timeline + 1, Database: home.Database}})
	s = reopen(t, s, path)
	if got := load(t, s).Latest; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 40, Latest: &checkpoint.Commit{}})
	if got := load(t, s).Latest; got != (checkpoint.Commit{}) {
		t.Errorf("got %+v of one that was to be forgotten", got)
	}
	save(t, s, checkpoint.Save{Latest: &want})
	if err := s.Accept(t.Context(), home, checkpoint.Accepted{At: now, Span: "0/1..0/2", Code: checkpoint.Gap}); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).Latest; got != (checkpoint.Commit{}) {
		t.Errorf("got %+v behind a gap that was accepted", got)
	}
}

package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// follows has a backfill of things follow the reader, from the next message on.
func (r *reader) follows() *beside {
	b := newBeside(&job{}, []string{"id"})
	r.beside.Store(b)
	return b
}

// feedBeside is feed for what a backfill follows.
func (r *reader) feedBeside(t *testing.T, messages ...pgoutput.Message) {
	t.Helper()
	for _, m := range messages {
		if err := r.feed(t, m); err != nil {
			t.Fatal(err)
		}
		if err := r.followBeside(t.Context(), nil, nil, m); err != nil {
			t.Fatal(err)
		}
	}
}

// The latest transaction of the last life comes once more, with descriptions that are
// bound no earlier than somebody asks for them. What it changed and what comes later
// is newer than rows that were read before.
func TestBackfillFollowsTheLatestTransaction(t *testing.T) {
	for name, tt := range map[string]struct {
		sees        uint64 // all transactions below
		kept, again []int
	}{
		"that the rows have":    {8, []int{1}, nil},
		"that the rows lack":    {7, nil, []int{0, 1}},
		"and have what follows": {9, []int{0, 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := lagging(t)
			b := r.follows()
			r.feedBeside(t, &pgoutput.Keepalive{WALEnd: 80})
			f := b.followers[0]
			f.Open()
			r.feedBeside(t, latestBegin, things, inserted(1), &pgoutput.Commit{LSN: 80, End: 85},
				&pgoutput.Begin{Final: 100, XID: 8, Time: time.Unix(1001, 0)}, inserted(3), &pgoutput.Commit{LSN: 100, End: 110})
			seen := backfill.Snapshot{Transactions: pgoutput.Transactions{Xmin: tt.sees, Xmax: tt.sees}}
			if !f.Load(seen, []string{"3", "1"}, backfill.Mark{LSN: 120}) {
				t.Fatal("the window is closed")
			}
			r.feedBeside(t, &pgoutput.Keepalive{WALEnd: 120})
			if !f.Passed() {
				t.Fatal("the mark is not passed")
			}
			if v := f.Settle(); !slices.Equal(v.Kept, tt.kept) || !slices.Equal(v.Again, tt.again) {
				t.Errorf("kept %v, again %v; want %v, %v", v.Kept, v.Again, tt.kept, tt.again)
			}
		})
	}
}

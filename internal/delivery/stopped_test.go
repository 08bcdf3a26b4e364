package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// An earlier life may have sent changes and the removal behind them as one. A mapping
// that is stopped in the transaction of the removal sends none of them alone.
func TestMappingIsStoppedBehindARemoval(t *testing.T) {
	const removed = LSN(2000)
	for name, writes := range map[string][]mapping.Write{
		"of another transaction":            {removalWrite("1", false)},
		"of a row that was put back before": {upsert("1", "b"), removalWrite("1", false), upsert("1", "c"), removalWrite("1", false)},
	} {
		t.Run(name, func(t *testing.T) {
			n := uint64(len(writes))
			r := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, Sent: pgoutput.Position{Commit: removed, Seq: n}}, nil)
			r.commit(upsert("1", "a"))
			entries := []Entry{{Kind: EntryBegin, LSN: removed, Time: r.now}}
			for i, w := range writes {
				entries = append(entries, Entry{Kind: EntryWrite, Seq: uint64(i) + 1, Write: w})
			}
			r.step(&Received{Entries: append(entries,
				Entry{Kind: EntryStop, Seq: n + 1, Write: mapping.Write{Problem: &mapping.Problem{Code: "stopped", Message: "broken"}}},
				Entry{Kind: EntryCommit, LSN: removed + 10},
			)})
			r.pass(time.Minute)
			r.wantAskedTogether()
		})
	}
}

// wantAskedTogether wants nothing sent of key 1 before the table was asked, once, whether
// a row holds it; then, as none does, the deletion alone.
func (r *rig) wantAskedTogether() {
	r.t.Helper()
	r.take(0)
	if len(r.reads) != 1 || !r.reads[0].Folded {
		r.t.Fatalf("asked %+v, want once whether a row holds the key", r.reads)
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowGone})
	r.pass(time.Minute)
	r.want(r.take(1), "DELETE[1,-,-]")
}

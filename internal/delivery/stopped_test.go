package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// An earlier life may have sent a change and the removal behind it as one. A mapping
// that is stopped in the transaction of the removal does not send the change alone.
func TestMappingIsStoppedBehindARemoval(t *testing.T) {
	const removed = LSN(2000)
	r := restartRig(t, checkpoint.State{Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true, Sent: pgoutput.Position{Commit: removed, Seq: 1}}, nil)
	r.commit(upsert("1", "a"))
	r.step(&Received{Entries: []Entry{
		{Kind: EntryBegin, LSN: removed, Time: r.now},
		{Kind: EntryWrite, Seq: 1, Write: removalWrite("1", false)},
		{Kind: EntryStop, Seq: 2, Write: mapping.Write{Problem: &mapping.Problem{Code: "stopped", Message: "broken"}}},
		{Kind: EntryCommit, LSN: removed + 10},
	}})
	r.pass(time.Minute)
	r.take(0)
	if len(r.reads) != 1 || !r.reads[0].Folded {
		t.Fatalf("asked %+v, want once whether a row holds the key", r.reads)
	}
	r.step(RowRead{Read: r.reads[0].Read, State: RowGone})
	r.pass(time.Minute)
	r.want(r.take(1), "DELETE[1,-,-]")
}

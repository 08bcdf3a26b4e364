package pipeline

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Decide says how a connection begins, by what was seen of the server: for a
// start, and for every connection after it. A server on a later timeline than the
// checkpoint is asked for its history, over approach, as no session of another
// kind can ask; where that is nil, over one of its own, and then what that one
// has seen counts. It returns what was decided by, too.
func Decide(ctx context.Context, source *replication.Source, seen replication.Seen, approach *replication.Approach, ck *checkpoint.Checkpoint, reached checkpoint.Reached) (checkpoint.Decision, checkpoint.ServerView, error) {
	var left delivery.LSN
	if ck != nil && ck.LSN != 0 && ck.System == seen.System && ck.Timeline < seen.Timeline {
		var err error
		if approach == nil {
			if approach, err = source.Approach(ctx); err != nil {
				return checkpoint.Decision{}, checkpoint.ServerView{}, err
			}
			defer approach.Close(ctx)
			seen = approach.Seen()
		}
		if left, err = approach.Left(ctx, ck.Timeline); err != nil {
			return checkpoint.Decision{}, checkpoint.ServerView{}, err
		}
	}
	view := viewOf(seen, source.Slot, left)
	return checkpoint.Resume(view, ck, reached), view, nil
}

// viewOf is what checkpoint.Resume has to know of a server and its slot. left is
// where the server's history left the timeline of the checkpoint.
func viewOf(seen replication.Seen, slot string, left delivery.LSN) checkpoint.ServerView {
	return checkpoint.ServerView{
		System: seen.System, Timeline: seen.Timeline, WALEnd: seen.End, Switched: left,
		Database: seen.Database, SlotName: slot, Slot: seen.Slot,
	}
}

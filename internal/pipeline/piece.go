package pipeline

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// piece is a part of the stream on its way to the machine.
type piece struct{ entries []delivery.Entry }

// recycle gives the memory of a used piece back.
func (p piece) recycle() {
	if p.entries == nil {
		return
	}
	clear(p.entries)
	entries := p.entries[:0]
	pieces.Put(&entries)
}

// hand gives what was read to the machine, and waits while it takes nothing, as
// long as stream stands. A connection that breaks meanwhile is made anew, so that
// the slot does not stay without anybody who uses it; what was read is handed
// over then.
func (r *reader) hand(life context.Context, stop <-chan struct{}, stream *replication.Stream) error {
	if len(r.entries) == 0 {
		return nil
	}
	failpoint.Hit("reader.before_hand")
	select {
	case r.runner.in <- piece{r.entries}:
	case <-stream.Broken():
		return stream.Cause()
	case <-stop:
		return errStopped
	case <-life.Done():
		return errStopped
	}
	r.handed()
	return nil
}

func (r *reader) handed() {
	failpoint.Hit("reader.after_hand")
	r.entries, r.bytes = *pieces.Get().(*[]delivery.Entry), 0
}

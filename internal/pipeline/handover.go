package pipeline

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// entryBuffer is a part of the stream on its way to the machine, or rows of a
// backfill that belong at this place of it.
type entryBuffer struct {
	entries []delivery.Entry
	offered *delivery.Offered
}

func (b entryBuffer) event() delivery.Event {
	if b.offered != nil {
		return b.offered
	}
	return &delivery.Received{Entries: b.entries}
}

// recycle gives the memory of a used buffer back.
func (b entryBuffer) recycle() {
	if b.entries == nil {
		return
	}
	clear(b.entries)
	entries := b.entries[:0]
	entryBuffers.Put(&entries)
}

// handOver gives what was read to the machine, and waits while it takes nothing, as
// long as stream stands. A connection that breaks meanwhile is made anew, so that
// the slot does not stay without anybody who uses it; what was read is handed
// over then.
func (r *reader) handOver(life context.Context, stop <-chan struct{}, stream *replication.Stream) error {
	if len(r.entries) == 0 {
		return nil
	}
	failpoint.Hit("reader.before_hand")
	r.runner.backfills.overtake(r.entries)
	if err := r.pass(life, stop, stream, entryBuffer{entries: r.entries}); err != nil {
		return err
	}
	r.handedOver()
	return nil
}

// pass waits until the machine takes b, as long as the stream lives.
func (r *reader) pass(life context.Context, stop <-chan struct{}, stream *replication.Stream, b entryBuffer) error {
	select {
	case r.runner.read <- b:
		return nil
	case <-stream.Broken():
		return stream.Cause()
	case <-stop:
		return errStopped
	case <-life.Done():
		return errStopped
	}
}

func (r *reader) handedOver() {
	failpoint.Hit("reader.after_hand")
	r.entries, r.bytes = *entryBuffers.Get().(*[]delivery.Entry), 0
}

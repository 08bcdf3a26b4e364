package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// A publication that was dropped and created anew does not exist for what was
// committed in between: the server sends none of that, nor anything after it.

// skipUnpublished goes on behind what the server cannot send without its
// publication, where somebody has decided so: what came before is delivered, and
// the next connection starts where the publication was there again.
func (r *reader) skipUnpublished(life context.Context, err error) (bool, error) {
	gap := r.runner.PassUnpublished
	if replication.Diagnose(err) != replication.PublicationMissing || gap.To <= r.received {
		return false, nil
	}
	if err := r.record(life, gap, fmt.Sprintf("the server cannot send what was committed after %s, while there was no publication %s: %v", r.received, r.runner.Source.Publication, err)); err != nil {
		return false, err
	}
	if r.inside { // before PostgreSQL 15 it begins a transaction first
		r.inside = false
		r.progress.end(time.Now(), r.seq, r.runner.Log)
		r.add(delivery.Entry{Kind: delivery.EntryCommit, LSN: r.final + 1})
	}
	r.runner.PassUnpublished = checkpoint.Span{}
	r.received = gap.To
	r.history.latest = checkpoint.Commit{}
	r.add(delivery.Entry{Kind: delivery.EntryMark, LSN: r.received})
	return true, nil
}

// nameUnpublished says how to go on without what the server cannot send, if it is
// known of a place where the publication was there again: at a start it is looked
// for before the stream is.
func (r *reader) nameUnpublished(err error) error {
	again := r.history.server.WALEnd
	if replication.Diagnose(err) != replication.PublicationMissing || r.connection.count() != 1 || again <= r.received {
		return err
	}
	gap := checkpoint.Span{From: r.received, To: again}
	return fmt.Errorf("what was committed between %s and the time when the publication was created cannot be sent; update the rows once more that may have changed meanwhile; to go on without it, start once with: %s: %w",
		gap.From, gap.Command(r.runner.ConfigFile), err)
}

// count is how many connections there were.
func (c *connection) count() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connects
}

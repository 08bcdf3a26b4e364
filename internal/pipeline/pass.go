package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// passing is what somebody has decided to leave out of the stream.
type passing struct {
	// over is the transaction; zero for none. left is set once something of it
	// was left out.
	over delivery.LSN
	left bool
	// unfit says of relations why their changes cannot be mapped. Only those of
	// the transaction are left out: the next one halts.
	unfit map[*pgoutput.Relation]string
}

// haltAt halts reading at a change that nothing passes, unless it is one to be
// left out; then it returns nil.
func (r *reader) haltAt(life context.Context, reason string) error {
	if !r.passes() {
		return r.halt(reason + "; or leave out what halts here of this transaction, once, with: " + checkpoint.Transaction(r.final).Command(r.runner.ConfigFile))
	}
	return r.leaveOut(life, reason)
}

// passes reports whether the transaction at hand is the one to be passed.
func (r *reader) passes() bool { return r.passing.over != 0 && r.inside && r.final == r.passing.over }

// leaveOut records that something is left out.
func (r *reader) leaveOut(life context.Context, reason string) error {
	a := checkpoint.Accepted{At: time.Now().UTC(), Span: checkpoint.Transaction(r.final).String(), Code: checkpoint.PassedOver, Reason: reason}
	if err := r.runner.Store.Save(life, checkpoint.Save{Accepted: []checkpoint.Accepted{a}, Sync: true}); err != nil {
		return err
	}
	r.passing.left = true
	r.runner.Log.Warn("left out of the stream, as accepted", "gap", a.Span, "reason", reason)
	if r.runner.PassedOver != nil {
		r.runner.PassedOver(a)
	}
	return nil
}

// passedBy tells when the stream has gone beyond the transaction that was to be
// passed, without a halt in it.
func (r *reader) passedBy(next delivery.LSN) {
	if r.passing.over == 0 || next <= r.passing.over {
		return
	}
	if !r.passing.left {
		r.runner.Log.Warn("nothing had to be left out; take --accept-gap away", "gap", checkpoint.Transaction(r.passing.over).String())
	}
	r.passing.over = 0
}

// fits reports whether a change can be mapped. One that cannot, of a description
// that was passed before, is left out where its transaction is, and halts
// reading elsewhere.
func (r *reader) fits(m *pgoutput.Change) (bool, error) {
	if len(r.passing.unfit) == 0 {
		return true, nil
	}
	reason, unfit := r.passing.unfit[m.Relation]
	if !unfit {
		return true, nil
	}
	if r.passes() {
		return false, nil
	}
	r.seq--
	return false, r.halt(reason)
}

// skipUndecoded ends the transaction that the server fails to decode, when it is
// the one to be passed: what came of it is delivered, and the next connection
// starts behind it.
func (r *reader) skipUndecoded(life context.Context, err error) (bool, error) {
	if replication.Diagnose(err) != replication.Decoding || !r.passes() {
		return false, nil
	}
	if err := r.leaveOut(life, fmt.Sprintf("the server cannot send the rest of transaction %s: %v", r.final, err)); err != nil {
		return false, err
	}
	r.inside = false
	r.progress.end(time.Now(), r.seq, r.runner.Log)
	r.received = r.final + 1
	r.add(delivery.Entry{Kind: delivery.EntryCommit, LSN: r.received})
	return true, nil // what came is handed over beside the next connection
}

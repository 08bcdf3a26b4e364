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

// leavingOut is what somebody has decided to leave out of the stream.
type leavingOut struct {
	// transaction is the start of its commit record; zero for none. done is set
	// once something of it was left out.
	transaction delivery.LSN
	done        bool
	// unmapped says of relations why their changes cannot be mapped. Only those of
	// the transaction are left out: the next one stops its mappings.
	unmapped map[*pgoutput.Relation]unmapped
}

// unmapped says why changes of a table cannot be mapped, and by which mappings.
type unmapped struct {
	reason   string
	mappings []int
}

// stopAt stops mappings at a change that cannot be delivered, or halts reading
// there: see stop. Where the change is to be left out, it does neither.
func (r *reader) stopAt(life context.Context, seq uint64, mappings []int, reason string) error {
	if !r.leavesOut() {
		return r.stop(seq, mappings, reason+"; or leave out what halts here of this transaction, once, with: "+checkpoint.Transaction(r.final).Command(r.runner.ConfigFile))
	}
	return r.leaveOut(life, reason)
}

// leavesOut reports whether the transaction at hand is the one of
// which something is to be left out.
func (r *reader) leavesOut() bool {
	return r.leavingOut.transaction != 0 && r.inside && r.final == r.leavingOut.transaction
}

// leaveOut records that something is left out.
func (r *reader) leaveOut(life context.Context, reason string) error {
	r.leavingOut.done = true
	return r.record(life, checkpoint.Transaction(r.final), reason)
}

// record records that what gap names, as somebody has accepted, is left out.
func (r *reader) record(life context.Context, gap checkpoint.Span, reason string) error {
	a := checkpoint.Accepted{At: time.Now().UTC(), Span: gap.String(), Code: checkpoint.PassedOver, Reason: reason}
	if err := r.runner.Store.Save(life, checkpoint.Save{Accepted: []checkpoint.Accepted{a}, Sync: true}); err != nil {
		return err
	}
	r.runner.Log.Warn("left out of the stream, as accepted", "gap", a.Span, "reason", reason)
	if r.runner.PassedOver != nil {
		r.runner.PassedOver(a)
	}
	return nil
}

// endLeavingOut tells when the stream has gone beyond that transaction without
// a halt in it.
func (r *reader) endLeavingOut(next delivery.LSN) {
	if r.leavingOut.transaction == 0 || next <= r.leavingOut.transaction {
		return
	}
	if !r.leavingOut.done {
		r.runner.Log.Warn("nothing had to be left out; take --accept-gap away", "gap", checkpoint.Transaction(r.leavingOut.transaction).String())
	}
	r.leavingOut.transaction = 0
}

// mappable reports whether a change can be mapped. One that cannot, as what its
// description has was left out before, is left out where its transaction is, and stops
// its mappings elsewhere.
func (r *reader) mappable(m *pgoutput.Change) (bool, error) {
	if len(r.leavingOut.unmapped) == 0 {
		return true, nil
	}
	left, unfit := r.leavingOut.unmapped[m.Relation]
	if !unfit {
		return true, nil
	}
	if r.leavesOut() {
		return false, nil
	}
	if err := r.stop(r.seq, left.mappings, left.reason); err != nil {
		r.seq--
		return false, err
	}
	return false, nil
}

// skipUndecoded ends the transaction that the server fails to decode, when it is
// the one to be left out: what came of it is delivered, and the next connection
// starts behind it.
func (r *reader) skipUndecoded(life context.Context, err error) (bool, error) {
	if replication.Diagnose(err) != replication.Decoding || !r.leavesOut() {
		return false, nil
	}
	if err := r.leaveOut(life, fmt.Sprintf("the server cannot send the rest of transaction %s: %v", r.final, err)); err != nil {
		return false, err
	}
	r.inside = false
	r.progress.end(time.Now(), r.seq, r.runner.Log)
	r.received = r.final + 1
	r.history.latest = checkpoint.Commit{} // the server fails to send it again
	r.add(delivery.Entry{Kind: delivery.EntryCommit, LSN: r.received})
	return true, nil // what came is handed over beside the next connection
}

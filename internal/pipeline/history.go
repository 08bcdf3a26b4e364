package pipeline

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// history holds what a connection brings against what came before: a server that
// was restored from a copy of its disk has other changes at the same positions,
// and nothing else tells.
type history struct {
	trace checkpoint.Trace
	// latest is the newest transaction that was received; zero where that cannot
	// be known again. open is the one that is being received.
	latest, open checkpoint.Commit
	// again is set while latest comes once more, changes of it counted; proven for
	// the next connection, once that was found to take too long.
	again   bool
	changes int
	proven  bool
	// unbound are descriptions that came with it, until a change asks for them:
	// they need not fit mappings that its changes have passed.
	unbound map[uint32]*pgoutput.Relation
	server  checkpoint.ServerView
	ck      checkpoint.Checkpoint
}

// latestOf returns the newest transaction up to the checkpoint, if the stream of
// source brings it again.
func latestOf(state *checkpoint.State, source *replication.Source) checkpoint.Commit {
	if source == nil || state.Latest.Publication != source.Publication {
		return checkpoint.Commit{}
	}
	return state.Latest
}

// beginHistory begins to look, over a new connection, and returns where it has to
// start.
func (r *reader) beginHistory(base, confirmed delivery.LSN) (from delivery.LSN) {
	from = r.history.begin(base, confirmed, r.cameTo()...)
	r.sameHistory.Store(r.history.trace.Over())
	return from
}

// begin is beginHistory's part of the history.
func (h *history) begin(base, confirmed delivery.LSN, seen ...delivery.LSN) (from delivery.LSN) {
	h.again, h.unbound = false, nil
	if h.proven {
		confirmed, h.proven = max(confirmed, h.latest.End), false
	}
	h.trace, from = checkpoint.NewTrace(h.latest, base, confirmed, seen...)
	return from
}

// otherHistory completes a refusal by what was seen of the server.
func (r *reader) otherHistory(refusal *checkpoint.Refusal) error {
	full := checkpoint.Decision{Refusal: checkpoint.OtherHistory(refusal, r.history.server, &r.history.ck)}
	return full.At(r.runner.StateFile, r.runner.ConfigFile).Refusal
}

// looksBack takes messages of the transaction that was received last, which are
// delivered, and reports whether m is one.
func (r *reader) looksBack(m pgoutput.Message) (bool, error) {
	back, err := r.holdAgainst(m)
	if err == nil && !r.sameHistory.Load() && r.history.trace.Over() {
		r.sameHistory.Store(true)
		r.acknowledgeSynced()
	}
	return back, err
}

// holdAgainst holds m against what has to come.
func (r *reader) holdAgainst(m pgoutput.Message) (bool, error) {
	h := &r.history
	switch m := m.(type) {
	case *pgoutput.Begin:
		known, refusal := h.trace.Begin(m.Final, m.XID, m.Time)
		if refusal != nil {
			return true, r.otherHistory(refusal)
		}
		h.again, h.changes = known, 0
		return known, nil
	case *pgoutput.Keepalive:
		if refusal := h.trace.Passed(m.WALEnd); refusal != nil {
			return true, r.otherHistory(refusal)
		}
		return false, nil
	case *pgoutput.Relation:
		if h.again {
			if h.unbound == nil {
				h.unbound = make(map[uint32]*pgoutput.Relation)
			}
			h.unbound[m.ID] = m
			return true, nil
		}
		delete(h.unbound, m.ID)
		return false, nil
	case *pgoutput.Commit:
		again := h.again
		h.again = false
		return again, nil
	case *pgoutput.Change:
		if h.changes++; h.again && h.changes > mostAgain {
			h.proven = true
			return true, errProven
		}
	}
	return h.again, nil
}

// mostAgain is how many changes of the latest transaction are passed over: to
// pass over more takes longer than to connect once more.
const mostAgain = 100_000

// errProven ends a session that has brought what it was to bring.
var errProven = errors.New("the latest transaction is there")

// late binds a description that came with the latest transaction.
func (r *reader) late(life context.Context, names typeNames, rel *pgoutput.Relation) error {
	if len(r.history.unbound) == 0 {
		return nil
	}
	m, ok := r.history.unbound[rel.ID]
	if !ok {
		return nil
	}
	delete(r.history.unbound, rel.ID)
	return r.relation(life, names, m)
}

// OtherHistory reads from the slot until it is known whether the server has the
// history that the store's position is of, and returns the refusal when it has
// not; nil when it has, or when that cannot be told. Nothing is acknowledged.
func OtherHistory(ctx context.Context, source *replication.Source, state checkpoint.State) (*checkpoint.Refusal, error) {
	approach, err := source.Approach(ctx)
	if err != nil {
		return nil, err
	}
	seen, ck := approach.Seen(), state.Checkpoint
	if seen.Slot == nil {
		approach.Close(ctx)
		return nil, nil
	}
	reached := state.Reached()
	trace, from := checkpoint.NewTrace(latestOf(&state, source), ck.LSN, seen.Slot.Confirmed, reached.Sent, reached.Settled)
	if from == ck.LSN && trace.Over() {
		approach.Close(ctx)
		return nil, nil
	}
	stream, err := approach.Stream(ctx, from)
	if err != nil {
		return nil, err
	}
	defer stream.Abort()
	refusal, err := follow(stream, &trace, ck.LSN)
	if refusal != nil {
		refusal = checkpoint.OtherHistory(refusal, viewOf(seen, ck.Slot, 0), ck)
	}
	return refusal, err
}

// follow reads until all of trace has come and the stream is at base.
func follow(stream *replication.Stream, trace *checkpoint.Trace, base delivery.LSN) (refusal *checkpoint.Refusal, err error) {
	for {
		message, err := stream.Next()
		if err != nil {
			return nil, err
		}
		var at delivery.LSN
		switch m := message.(type) {
		case *pgoutput.Begin:
			_, refusal = trace.Begin(m.Final, m.XID, m.Time)
			at = m.Final
		case *pgoutput.Keepalive:
			refusal = trace.Passed(m.WALEnd)
			at = m.WALEnd
		}
		if refusal != nil || at >= base && trace.Over() {
			return refusal, nil
		}
	}
}

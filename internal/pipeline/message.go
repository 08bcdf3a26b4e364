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

// dispatch does what one message asks for; what is for the machine is gathered.
func (r *reader) dispatch(life context.Context, stream *replication.Stream, message pgoutput.Message) error {
	if back, err := r.looksBack(message); back {
		return err
	}
	if r.left.Load() != nil {
		r.leave()
	}
	switch m := message.(type) {
	case *pgoutput.Begin:
		return r.begin(m)
	case *pgoutput.Change:
		if err := r.late(life, stream, m.Relation); err != nil {
			return err
		}
		return r.change(life, m)
	case *pgoutput.Truncate:
		for _, rel := range m.Relations {
			if err := r.late(life, stream, rel); err != nil {
				return err
			}
		}
		return r.truncate(life, m)
	case *pgoutput.Commit:
		return r.commit(m)
	case *pgoutput.Keepalive:
		r.keepalive(m)
	case *pgoutput.Relation:
		return r.relation(life, stream, m)
	}
	return nil
}

func (r *reader) begin(m *pgoutput.Begin) error {
	if r.inside {
		// The connection broke in the middle of this transaction, which now
		// comes from its start. The order of its changes is the same.
		if m.Final != r.final {
			return r.halt(fmt.Sprintf("the server went on with transaction %s although %s was not finished", m.Final, r.final))
		}
		// It may break again before it has come as far as before.
		r.skip, r.seq = max(r.skip, r.seq), 0
		return nil
	}
	r.endLeavingOut(m.Final)
	r.inside, r.final, r.seq, r.skip = true, m.Final, 0, 0
	r.history.open = checkpoint.Commit{Final: m.Final, XID: m.XID, At: m.Time}
	r.progress.begin(time.Now(), m)
	r.add(delivery.Entry{Kind: delivery.EntryBegin, LSN: m.Final, Time: m.Time, XID: m.XID, Timeline: r.timeline})
	return r.obey()
}

// filteredAtOnce is after how many changes without a write the machine is told
// that the transaction goes on.
const filteredAtOnce = 1 << 14

// change maps one row change, unless the machine has it already.
func (r *reader) change(life context.Context, m *pgoutput.Change) error {
	r.seq++
	if r.seq%progressEvery == 0 {
		r.progress.note(r.seq)
	}
	described := r.viaRoot
	r.viaRoot = viaRoot{}
	if r.seq <= r.skip {
		return nil
	}
	if described.child != nil && m.Relation == described.root {
		if err := r.stopViaRoot(described); err != nil {
			r.seq--
			return err
		}
	}
	if fits, err := r.mappable(m); !fits {
		return err
	}
	of := r.runner.Mappings.Of(m.Relation)
	r.writes = of.Apply(m, r.writes[:0])
	if m.Operation != pgoutput.Insert && of.WithoutOldKey() != nil {
		if err := r.withoutOldKey(life, m); err != nil {
			return err
		}
	}
	r.writes = r.going(r.writes)
	r.countRow(of, m, r.writes)
	for i := range r.writes {
		w := &r.writes[i]
		r.add(delivery.Entry{})
		e := &r.entries[len(r.entries)-1]
		e.Kind, e.Seq, e.Write = delivery.EntryWrite, r.seq, *w
		e.Hash, e.Folded = delivery.HashKey(w.Key)
		r.bytes += w.Bytes
	}
	if len(r.writes) == 0 && r.seq%filteredAtOnce == 0 {
		r.add(delivery.Entry{Kind: delivery.EntryFiltered})
	}
	clear(r.writes)
	return nil
}

func (r *reader) commit(m *pgoutput.Commit) error {
	if r.seq < r.skip {
		return r.halt(fmt.Sprintf("transaction %s came again with fewer changes", m.LSN))
	}
	r.inside = false
	r.progress.end(time.Now(), r.seq, r.runner.Log)
	r.received = m.End
	r.history.latest = r.history.open
	r.history.latest.End = m.End
	r.add(delivery.Entry{Kind: delivery.EntryCommit, LSN: m.End})
	return nil
}

// keepalive notes how far the server has read. Inside a transaction, also one
// that a broken connection cut, that says nothing about what was received.
func (r *reader) keepalive(m *pgoutput.Keepalive) {
	if r.inside {
		return
	}
	if m.WALEnd > r.received || m.Reply {
		r.received = max(r.received, m.WALEnd)
		r.add(delivery.Entry{Kind: delivery.EntryMark, LSN: m.WALEnd, Urgent: m.Reply})
	}
}

// truncate acts on an emptied table: its rows are not in the stream.
func (r *reader) truncate(life context.Context, m *pgoutput.Truncate) error {
	r.seq++
	r.viaRoot = viaRoot{}
	if r.seq <= r.skip {
		return nil
	}
	for _, rel := range m.Relations {
		for _, i := range r.runner.Mappings.Of(rel).Mappings() {
			d := r.runner.Mappings.Definition(i)
			if r.stops.has(i) {
				continue
			}
			if d.HaltsOnTruncate() {
				err := r.stopAt(life, r.seq, []int{i}, fmt.Sprintf("table %s.%s was truncated, and mapping %s has no way to know which objects that takes away; "+
					"remove them in marketo, then set on_truncate: ignore and start again", rel.Schema, rel.Name, d.Name))
				if err != nil {
					r.seq--
					return err
				}
				continue
			}
			r.runner.Log.Warn("truncate ignored", "table", rel.Schema+"."+rel.Name, "mapping", d.Name)
		}
	}
	return nil
}

func (r *reader) add(e delivery.Entry) { r.entries = append(r.entries, e) }

package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// handle takes one message into the piece that is being gathered.
func (r *reader) handle(life context.Context, stream *replication.Stream, message replication.Message) error {
	switch m := message.(type) {
	case *replication.Begin:
		return r.begin(m)
	case *replication.Change:
		r.change(m)
	case *replication.Truncate:
		return r.truncate(m)
	case *replication.Commit:
		return r.commit(m)
	case *replication.Keepalive:
		r.keepalive(m)
	case *replication.Relation:
		return r.relation(life, stream, m)
	}
	return nil
}

func (r *reader) begin(m *replication.Begin) error {
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
	r.inside, r.final, r.seq, r.skip = true, m.Final, 0, 0
	r.add(Entry{Kind: EntryBegin, LSN: m.Final, Time: m.Time, XID: m.XID})
	return nil
}

// change maps one row change, unless the machine has it already.
func (r *reader) change(m *replication.Change) {
	r.seq++
	if r.seq <= r.skip {
		return
	}
	r.writes = r.runner.Mappings.Apply(m, r.writes[:0])
	r.countRow(m, r.writes)
	for i := range r.writes {
		w := &r.writes[i]
		r.add(Entry{})
		e := &r.entries[len(r.entries)-1]
		e.Kind, e.Seq, e.Hash, e.Write = EntryWrite, r.seq, keyHash(w.Key), *w
		r.bytes += w.Bytes
	}
	clear(r.writes)
}

func (r *reader) commit(m *replication.Commit) error {
	if r.seq < r.skip {
		return r.halt(fmt.Sprintf("transaction %s came again with fewer changes", m.LSN))
	}
	r.inside = false
	r.received = m.End
	r.add(Entry{Kind: EntryCommit, LSN: m.End})
	return nil
}

// keepalive notes how far the server has read. Inside a transaction, also one
// that a broken connection cut, that says nothing about what was received.
func (r *reader) keepalive(m *replication.Keepalive) {
	if r.inside {
		return
	}
	if m.WALEnd > r.received || m.Reply {
		r.received = max(r.received, m.WALEnd)
		r.add(Entry{Kind: EntryMark, LSN: m.WALEnd, Urgent: m.Reply})
	}
}

// relation fits the mappings to a table that is new or has changed.
func (r *reader) relation(life context.Context, stream *replication.Stream, m *replication.Relation) error {
	if old := r.described[m.ID]; old != nil {
		r.runner.Mappings.Unbind(old)
	}
	r.described[m.ID] = m
	facts, err := r.facts(life, stream, m)
	if err != nil {
		return err
	}
	if err := r.runner.Mappings.Bind(m, facts); err != nil {
		return r.halt(fmt.Sprintf("table %s.%s no longer fits its mapping: %v; mend the mapping or the table and start again", m.Schema, m.Name, err))
	}
	return nil
}

// factsTimeout bounds a question about types: the stream waits for its answer.
const factsTimeout = 10 * time.Second

// facts asks what the types of a mapped table are, which the stream only
// names, and how its keys compare.
func (r *reader) facts(life context.Context, stream *replication.Stream, m *replication.Relation) (*replication.Facts, error) {
	if len(r.runner.Mappings.Mappings(mapping.Table{Schema: m.Schema, Name: m.Name})) == 0 || m.Plain() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(life, factsTimeout)
	defer cancel()
	catalog, err := r.runner.Source.Catalog(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s.%s: %w", m.Schema, m.Name, err)
	}
	defer catalog.Close(ctx)
	return catalog.Facts(ctx, m, stream.TypeName)
}

// truncate acts on an emptied table: its rows are not in the stream.
func (r *reader) truncate(m *replication.Truncate) error {
	r.seq++
	if r.seq <= r.skip {
		return nil
	}
	for _, rel := range m.Relations {
		for _, i := range r.runner.Mappings.Mappings(mapping.Table{Schema: rel.Schema, Name: rel.Name}) {
			d := r.runner.Mappings.Definition(i)
			if d.HaltsOnTruncate() {
				r.seq--
				return r.halt(fmt.Sprintf("table %s.%s was truncated, and mapping %s has no way to know which objects that takes away; "+
					"remove them in marketo, then set on_truncate: ignore and start again", rel.Schema, rel.Name, d.Name))
			}
			r.runner.Log.Warn("truncate ignored", "table", rel.Schema+"."+rel.Name, "mapping", d.Name)
		}
	}
	return nil
}

func (r *reader) add(e Entry) { r.entries = append(r.entries, e) }

package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// beside is a backfill whose table is read in chunks beside the stream, over one
// connection of it. The reader follows the stream for it, and hands the rows of
// a chunk over at the place where they belong.
type beside struct {
	job *job
	// began is closed when the stream is followed, on its timeline; lost when its
	// connection has ended, and with it what was known.
	began, lost chan struct{}
	timeline    int32
	// passed brings what became of a chunk at its mark.
	passed chan backfill.Verdict
	// key are the columns of the key that the table is read by.
	key []string

	mu sync.Mutex
	// followers are two, so that a chunk can be read while the one before it waits
	// for its mark. They know nothing of each other.
	followers [2]*backfill.Follower
	// chunk waits for its mark.
	chunk *chunk
	// relation is the description that was met last, places where it has the key;
	// nil where it is another table's, or lacks a column of it.
	relation *pgoutput.Relation
	ours     bool
	places   []int
}

func newBeside(j *job, key []string) *beside {
	return &beside{
		job: j, key: key, began: make(chan struct{}), lost: make(chan struct{}), passed: make(chan backfill.Verdict, 1),
	}
}

// followBeside has the follower of a backfill see a message that the reader has
// dealt with, and hands over a chunk whose mark was passed by it.
func (r *reader) followBeside(life context.Context, stop <-chan struct{}, stream *replication.Stream, message pgoutput.Message) error {
	b := r.beside.Load()
	if b == nil {
		return nil
	}
	b.mu.Lock()
	h := r.noteBeside(b, message)
	b.mu.Unlock()
	if h == nil {
		return nil
	}
	if err := r.handOver(life, stop, stream); err != nil {
		return err
	}
	for i := range h.pieces {
		p := &h.pieces[i]
		// It is known before the machine can settle it.
		r.runner.backfills.hand(onTheWay{p.offered.Ticket, b.job, p.cursor, len(p.offered.Writes), time.Now()})
		if err := r.pass(life, stop, stream, entryBuffer{offered: p.offered}); err != nil {
			r.runner.backfills.unhand(p.offered.Ticket)
			return err
		}
	}
	b.passed <- h.verdict
	return nil
}

// noteBeside is followBeside under the lock. It returns what is to be handed over.
func (r *reader) noteBeside(b *beside, message pgoutput.Message) *handing {
	if b.followers[0] == nil {
		if r.history.again {
			return nil // it begins behind the latest transaction, or before it
		}
		b.timeline = r.timeline
		for i := range b.followers {
			if b.followers[i] = backfill.Follow(r.received); r.inside {
				b.followers[i] = backfill.FollowInside(r.received, r.history.open.XID, r.final)
			}
		}
		close(b.began)
		return nil
	}
	for _, f := range b.followers {
		r.note(b, f, message)
	}
	if b.chunk == nil || !b.followers[b.chunk.window].Passed() {
		return nil
	}
	h := b.chunk.hand(b.followers[b.chunk.window].Settle())
	b.chunk = nil
	return h
}

// note has one follower see a message.
func (r *reader) note(b *beside, f *backfill.Follower, message pgoutput.Message) {
	switch m := message.(type) {
	case *pgoutput.Begin:
		f.Begin(m.XID, m.Final)
	case *pgoutput.Change:
		switch {
		case r.history.again:
			f.Obscure() // its description is not bound: whose rows they are is not known
		case b.isOf(m.Relation, r.runner.Mappings):
			b.touch(f, m, r.lacksValues(b.job.mapping))
		}
	case *pgoutput.Truncate:
		switch {
		case r.history.again:
			f.Obscure()
		case slices.ContainsFunc(m.Relations, func(rel *pgoutput.Relation) bool { return b.isOf(rel, r.runner.Mappings) }):
			f.Empty()
		}
	case *pgoutput.Logical:
		if m.Prefix == rowread.MarkPrefix {
			f.Message(string(m.Content))
		}
	case *pgoutput.Commit:
		f.Commit(m.End)
	case *pgoutput.Keepalive:
		f.Reach(m.WALEnd)
	}
}

// isOf reports whether a description is of the table.
func (b *beside) isOf(rel *pgoutput.Relation, set *mapping.Set) bool {
	if rel == b.relation {
		return b.ours
	}
	b.relation, b.ours, b.places = rel, slices.Contains(set.Of(rel).Mappings(), b.job.mapping), nil
	for _, name := range b.key {
		at := rel.Place(name)
		if at < 0 {
			b.places = nil
			break
		}
		b.places = append(b.places, at)
	}
	return b.ours
}

// lacksValues reports whether what was made of the last change for a mapping is a
// part of the object.
func (r *reader) lacksValues(index int) bool {
	for i := len(r.entries) - 1; i >= 0; i-- {
		e := &r.entries[i]
		if e.Kind != delivery.EntryWrite || e.Seq != r.seq {
			return false
		}
		if e.Write.Mapping == index && e.Write.Partial {
			return true
		}
	}
	return false
}

// touch tells a follower which rows a change is of: the one that had the old
// key, and the one that has the new one.
func (b *beside) touch(f *backfill.Follower, m *pgoutput.Change, incomplete bool) {
	before, told := b.keyOf(m.Old, nil)
	if m.Old != nil && told {
		f.Touch(before, false)
	}
	if m.Operation == pgoutput.Update && m.Old == nil && !b.keyIsTold(m.Relation) || m.Old != nil && !told {
		f.Obscure()
		return
	}
	if m.New == nil {
		return
	}
	now, told := b.keyOf(m.New, m.Old)
	if !told {
		f.Obscure()
		return
	}
	f.Touch(now, incomplete)
}

// keyIsTold reports whether an update comes with the old key where that changed.
func (b *beside) keyIsTold(rel *pgoutput.Relation) bool {
	if rel.Identity == pgoutput.IdentityNothing {
		return true // there are no updates
	}
	return !slices.ContainsFunc(b.places, func(at int) bool { return !rel.Columns[at].Key })
}

// keyOf is the key in a row's values. What was left alone is as before.
func (b *beside) keyOf(values, before []pgoutput.Value) (string, bool) {
	if values == nil || b.places == nil {
		return "", false
	}
	texts := make([]string, len(b.places))
	for i, at := range b.places {
		v := values[at]
		if v.Kind == pgoutput.Unchanged && before != nil {
			v = before[at]
		}
		if v.Kind != pgoutput.Text {
			return "", false
		}
		texts[i] = string(v.Text)
	}
	return backfill.Key(texts...), true
}

// ask has the server say how far it has read.
func (r *reader) ask() {
	if s := r.stream.Load(); s != nil {
		s.Ask()
	}
}

// loseBeside ends what goes by the connection.
func (r *reader) loseBeside() {
	if b := r.beside.Swap(nil); b != nil {
		close(b.lost)
	}
}

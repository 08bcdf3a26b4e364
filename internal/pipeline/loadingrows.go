package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// rows reads the rows of a chunk, and makes writes of them.
func (l *loading) rows(ctx context.Context, chunk *rowread.Chunk, p *part) (err error) {
	if !p.before.Fits(chunk.Key) || !slices.Equal(chunk.Key, l.beside.key) {
		return &replication.Error{Reason: replication.Unreadable, Err: fmt.Errorf("the table is read by another key now (%s); cancel the backfill and start it again", strings.Join(chunk.Key, ", "))}
	}
	if err := l.runner.Mappings.BindOne(l.job.mapping, chunk.Relation, chunk.Table.Facts()); err != nil {
		return err
	}
	defer l.runner.Mappings.Unbind(chunk.Relation)
	if l.filter != nil {
		if err := l.filter.Bind(chunk.Relation, chunk.Table.Facts()); err != nil {
			return err
		}
		defer l.filter.Unbind(chunk.Relation)
	}
	var wrong error
	found := func(row rowread.Row) bool {
		wrong = l.row(chunk.Relation, p, row)
		return wrong == nil && (p.keys != nil || len(p.writes) < p.room && p.bytes < chunkBytes)
	}
	if p.keys != nil {
		p.unread = map[int]bool{}
		unreadable := func(i int, err *rowread.RowError) {
			p.unread[i] = true
			l.leaveOut(err)
		}
		if err := errors.Join(chunk.Rows(ctx, p.columns, p.keys, found, unreadable), wrong); err != nil {
			return err
		}
		if err := l.gone(chunk.Relation, p); err != nil || !l.job.Remove || p.again {
			return err
		}
		return l.removals(chunk.Relation, p)
	}
	if p.next.Until == nil {
		if p.next.Until, err = chunk.Last(ctx); err != nil {
			return err
		}
	}
	chunk.Room, chunk.Until = p.room, p.next.Until
	p.rows, p.writes = make([]string, 0, p.room), make([]mapping.Write, 0, p.room)
	last, ended, err := chunk.Next(ctx, p.before.After, l.most, found)
	if rowread.OfRow(err) {
		return l.narrow(err)
	}
	l.most = min(10*l.most, scannedRows)
	p.next.Columns, p.next.After, p.done = chunk.Key, last, ended
	return errors.Join(err, wrong)
}

// narrow deals with a row that the server cannot read: fewer rows are read, until
// it is the only one, and then it is passed by.
func (l *loading) narrow(err error) error {
	if l.most == 1 {
		l.passBy = true
		l.leaveOut(err)
	}
	l.most = max(1, l.most/10)
	return errAgain
}

func (l *loading) leaveOut(err error) {
	l.log.Warn("a row cannot be read, and is left out of the backfill", "err", err,
		"remedy", "the server's log says more; fix the row, and update it")
}

// passedBy goes on behind the next row.
func (l *loading) passedBy(ctx context.Context, p *part) error {
	chunk, err := l.sessions[p.session].BeginChunk(ctx, l.table(), nil)
	if err != nil {
		return err
	}
	chunk.KeysOnly = true
	last, _, err := chunk.Next(ctx, p.before.After, 1, func(rowread.Row) bool { return true })
	p.next.Columns, p.next.After = chunk.Key, last
	p.next.Rows++
	return errors.Join(err, chunk.End(ctx))
}

// row makes a write of one row, unless where leaves it out.
func (l *loading) row(relation *pgoutput.Relation, p *part, row rowread.Row) error {
	if !p.again {
		p.next.Rows++
	}
	if l.filter != nil {
		w, matches, err := l.filter.Row(0, relation, row.Values)
		if err != nil || !matches || w.Problem != nil && w.Problem.Code == "expression" {
			return err
		}
	}
	w, matches, err := l.runner.Mappings.Row(l.job.mapping, relation, row.Values)
	if err != nil || !matches {
		return err
	}
	if l.job.Remove {
		p.wanted = append(p.wanted, w.Key)
	}
	if !p.again {
		p.next.Objects++
	}
	p.rows, p.writes = append(p.rows, row.Key), append(p.writes, w)
	p.bytes += w.Bytes
	if p.keys == nil && len(p.writes)-endOf(p.pieces) >= l.pieceRows() {
		after := p.next
		after.Columns, after.After = p.key, strings.Split(row.Key, "\x00")
		p.pieces = append(p.pieces, piece{len(p.writes), after})
	}
	return nil
}

// admitted opens the window of a part's follower, and takes snapshots until one sees
// all that the stream had brought by then; for a part that is read ahead, one alone.
func (l *loading) admitted(ctx context.Context, p *part) (*rowread.Chunk, error) {
	session, err := l.open(ctx, p.session)
	if err != nil {
		return nil, err
	}
	b := l.beside
	follower := b.followers[p.window]
	began, told := time.Now(), false
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		b.mu.Lock()
		follower.Open()
		b.mu.Unlock()
		chunk, err := session.BeginChunk(ctx, l.table(), l.columns())
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		admitted, unclear := follower.Admits(&chunk.Snapshot), slices.Clone(follower.Unclear())
		b.mu.Unlock()
		timeline := chunk.Snapshot.Timeline
		elsewhere := timeline != 0 && timeline != b.timeline
		if admitted && !elsewhere {
			chunk.Patience = l.patience
			return chunk, nil
		}
		if err := chunk.End(ctx); err != nil {
			return nil, err
		}
		if p.ahead {
			return nil, errAgain
		}
		if elsewhere {
			return nil, fmt.Errorf("read rows of %s: the server is on timeline %d, the stream on %d", l.table(), timeline, b.timeline)
		}
		if !told && time.Since(began) > 10*time.Second {
			told = true
			l.log.Warn("backfill waits for transactions that are open since before it began", "transactions", unclear,
				"remedy", "they end by themselves; SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL shows them")
		}
		select {
		case <-time.After(wait):
		case <-b.lost:
			return nil, errAgain
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// removals adds what on_delete asks for of the keys that no row wants. The table is
// asked once more when their turn comes.
func (l *loading) removals(relation *pgoutput.Relation, p *part) error {
	for _, key := range p.keys {
		w, _, err := l.runner.Mappings.Row(l.job.mapping, relation, relation.Bare(p.columns, key))
		if err != nil {
			return err
		}
		gone, acts := l.runner.Mappings.Gone(w)
		if !acts || slices.Contains(p.wanted, w.Key) {
			continue
		}
		gone.Removal, gone.Ask, gone.Partial = true, true, false
		p.next.Objects++
		// No row of the table has this key: the stream cannot say that it is newer.
		p.rows, p.writes = append(p.rows, noRow+w.Key), append(p.writes, gone)
		p.bytes += gone.Bytes
	}
	return nil
}

// noRow begins what stands for the key of a row where there is none.
const noRow = "\x00\x00"

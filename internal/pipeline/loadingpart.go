package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// part is what is read as of one snapshot: the next rows of a table, or those of
// some keys.
type part struct {
	room int
	// columns and keys say which rows; none for the next ones. again says that
	// they were counted before.
	columns []string
	keys    [][]string
	again   bool
	// refused says that they were refused before.
	refused bool
	// next is the cursor behind the rows, done is set when there are no more.
	next backfill.Cursor
	done bool

	snapshot backfill.Snapshot
	key      []string
	rows     []string
	writes   []mapping.Write
	bytes    int
}

// chunk reads one chunk and has it handed in at its mark, with what has to be
// read once more of it. done says that the table ends with it.
func (l *loading) chunk(ctx context.Context) (done bool, err error) {
	room, err := l.room(ctx)
	if err != nil {
		return false, err
	}
	p := &part{room: room, next: l.place}
	if len(l.job.Keys) > 0 {
		if err := l.chosen(p); err != nil {
			return false, err
		}
	}
	for {
		left, err := l.part(ctx, p)
		if err != nil {
			return false, err
		}
		if len(left) == 0 {
			return p.done, nil
		}
		p = &part{room: room, columns: p.key, keys: left, again: true, refused: p.refused, next: p.next, done: p.done}
	}
}

// room waits until the machine takes as many writes as make full batches, and
// returns for how many there is room.
func (l *loading) room(ctx context.Context) (int, error) {
	want := chunkCalls * l.runner.Config.Capacity.Objects
	for {
		credits := int(l.credits.Load())
		if credits >= min(want, max(1, l.runner.Config.MaxPending/8)) {
			return min(want, credits), nil
		}
		if err := l.await(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// keysAtOnce is the most keys that are looked for as of one moment.
const keysAtOnce = 500

// chosen takes the next of the keys that were asked for.
func (l *loading) chosen(p *part) error {
	d := l.runner.Mappings.Definition(l.job.mapping)
	p.columns = d.KeyColumns()
	from := min(l.place.Keys, len(l.job.Keys))
	to := min(from+keysAtOnce, len(l.job.Keys))
	for _, key := range l.job.Keys[from:to] {
		values, err := keyOf(p.columns, key)
		if err != nil {
			return &replication.Error{Reason: replication.Unreadable, Err: err}
		}
		p.keys = append(p.keys, values)
	}
	p.next.Keys, p.done = to, to == len(l.job.Keys)
	return nil
}

// keyOf reads a key as it is given to a command: the value, or several with
// commas between them in the order of the columns.
func keyOf(columns []string, key string) ([]string, error) {
	if len(columns) == 1 {
		return []string{key}, nil
	}
	values := strings.Split(key, ",")
	if len(values) != len(columns) {
		return nil, fmt.Errorf("a key has %d values; give those of %s with commas between them", len(values), strings.Join(columns, ", "))
	}
	return values, nil
}

// part reads rows, waits for their mark to pass, and returns the keys of those
// that have to be read once more.
func (l *loading) part(ctx context.Context, p *part) (again [][]string, err error) {
	c, err := l.load(ctx, p)
	if err != nil {
		return nil, err
	}
	verdict, err := l.passed(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, i := range verdict.Again {
		again = append(again, strings.Split(p.rows[i], "\x00"))
	}
	return again, nil
}

// load reads the rows and gives them to the reader, for their mark.
func (l *loading) load(ctx context.Context, p *part) (*chunk, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkPatience)
	defer cancel()
	if err := l.attach(ctx); err != nil {
		return nil, err
	}
	if err := l.read(ctx, p); err != nil {
		return nil, err
	}
	l.passBy = false
	mark, err := l.session.Mark(ctx, "backfill "+rand.Text())
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.ticket++
	c := &chunk{
		keys: p.rows, writes: p.writes, ticket: l.ticket, feed: l.job.Feed(),
		before: l.place, after: p.next, again: p.refused, force: l.job.Force || len(l.job.Keys) > 0, last: p.done, silent: mark.Name == "",
	}
	l.mu.Unlock()
	b := l.beside
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.follower.Load(p.snapshot, p.rows, mark) {
		return nil, errAgain
	}
	b.chunk = c
	return c, nil
}

// passed waits for the mark of a chunk. One that is being handed over when ctx
// ends is waited for, as it must be known whether the machine has it.
func (l *loading) passed(ctx context.Context, c *chunk) (backfill.Verdict, error) {
	b, done := l.beside, ctx.Done()
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	for {
		if c.silent {
			l.runner.reader.ask()
		}
		select {
		case verdict := <-b.passed:
			return verdict, nil
		case <-b.lost:
			select {
			case verdict := <-b.passed:
				return verdict, nil
			default:
				return backfill.Verdict{}, errAgain
			}
		case <-tick.C:
			if err := l.forget(ctx); err != nil && ctx.Err() == nil {
				l.trouble(err)
			}
		case <-done:
			if b.withdraw(c) {
				return backfill.Verdict{}, ctx.Err()
			}
			done = nil
		case <-l.life.Done():
			return backfill.Verdict{}, ctx.Err()
		}
	}
}

// withdraw takes a chunk back, unless it is being handed over.
func (b *beside) withdraw(c *chunk) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chunk != c {
		return false
	}
	b.chunk = nil
	b.follower.Close()
	return true
}

// read reads the rows of a part as of a snapshot that the follower admits.
func (l *loading) read(ctx context.Context, p *part) error {
	chunk, err := l.admitted(ctx)
	if err != nil {
		return err
	}
	p.snapshot, p.key = chunk.Snapshot, chunk.Key
	if l.passBy && p.keys == nil {
		return errors.Join(chunk.End(ctx), l.passedBy(ctx, p))
	}
	return errors.Join(l.rows(ctx, chunk, p), chunk.End(ctx))
}

// admitted opens the window, and takes snapshots until one sees all that the
// stream had brought by then.
func (l *loading) admitted(ctx context.Context) (*rowread.Chunk, error) {
	b := l.beside
	began, told := time.Now(), false
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		b.mu.Lock()
		b.follower.Open()
		b.mu.Unlock()
		chunk, err := l.session.BeginChunk(ctx, l.table(), l.columns())
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		admitted, unclear := b.follower.Admits(&chunk.Snapshot), slices.Clone(b.follower.Unclear())
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

// rows reads the rows of a chunk, and makes writes of them.
func (l *loading) rows(ctx context.Context, chunk *rowread.Chunk, p *part) error {
	if !l.place.Fits(chunk.Key) || !slices.Equal(chunk.Key, l.beside.key) {
		return &replication.Error{Reason: replication.Unreadable, Err: fmt.Errorf("the table is read by another key now (%s); cancel the backfill and start it again", strings.Join(chunk.Key, ", "))}
	}
	for _, s := range []*mapping.Set{l.runner.Mappings, l.filter} {
		if s == nil {
			continue
		}
		if err := s.Bind(chunk.Relation, chunk.Table.Facts()); err != nil {
			return err
		}
		defer s.Unbind(chunk.Relation)
	}
	var wrong error
	found := func(row rowread.Row) bool {
		wrong = l.row(chunk.Relation, p, row)
		return wrong == nil && len(p.writes) < p.room && p.bytes < chunkBytes
	}
	if p.keys != nil {
		return errors.Join(chunk.Rows(ctx, p.columns, p.keys, found), wrong)
	}
	last, ended, err := chunk.Next(ctx, l.place.After, l.most, found)
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
		l.log.Warn("a row cannot be read, and is left out of the backfill", "err", err,
			"remedy", "the server's log says more; mend the row, and update it")
	}
	l.most = max(1, l.most/10)
	return errAgain
}

// passedBy goes on behind the next row.
func (l *loading) passedBy(ctx context.Context, p *part) error {
	chunk, err := l.session.BeginChunk(ctx, l.table(), nil)
	if err != nil {
		return err
	}
	chunk.KeysOnly = true
	last, _, err := chunk.Next(ctx, l.place.After, 1, func(rowread.Row) bool { return true })
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
	if !p.again {
		p.next.Objects++
	}
	p.rows, p.writes = append(p.rows, row.Key), append(p.writes, w)
	p.bytes += w.Bytes
	return nil
}

package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
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
	// refused says that they are sent after the end of the backfill, as they were
	// refused; gone are the keys of those that no row wants any more.
	refused bool
	gone    []string
	// unread are the places of keys whose rows cannot be read.
	unread map[int]bool
	// before is the cursor that holds when none of the rows is settled, next the one
	// behind them; done is set when there are no more.
	before, next backfill.Cursor
	done         bool
	// pieces end before the last row, each with a cursor of its own.
	pieces []piece

	// window is the place of the follower in whose window it was read, session that of
	// the session over which; read says that it was, ahead that it is to be read at
	// once or not at all.
	window   int
	session  int
	read     bool
	ahead    bool
	snapshot backfill.Snapshot
	key      []string
	rows     []string
	writes   []mapping.Write
	bytes    int
	// wanted are the keys of the objects that rows want, for a backfill that
	// removes others.
	wanted []string
}

// chunk reads one chunk and has it handed in at its mark, with what has to be
// read once more of it. done says that the table ends with it.
func (l *loading) chunk(ctx context.Context) (done bool, err error) {
	p, err := l.first(ctx)
	if err != nil {
		return false, err
	}
	for {
		left, err := l.part(ctx, p)
		if err != nil {
			return false, err
		}
		if len(left) == 0 {
			return p.done, nil
		}
		p = &part{room: p.room, columns: p.key, keys: left, again: true, refused: p.refused, before: p.before, next: p.next, done: p.done}
	}
}

// first is the part that a chunk begins with: what was read ahead, if that is what
// follows.
func (l *loading) first(ctx context.Context) (*part, error) {
	if p := l.ahead; p != nil && p.before.String() == l.place.String() {
		l.ahead = nil
		return p, nil
	}
	l.dropAhead()
	room, err := l.room(ctx)
	if err != nil {
		return nil, err
	}
	p := &part{room: room, before: l.place, next: l.place}
	if len(l.job.Keys) > 0 {
		return p, l.chosen(p)
	}
	return p, nil
}

// room waits until the machine takes as many writes as make full batches, and
// returns for how many there is room.
func (l *loading) room(ctx context.Context) (int, error) {
	want := l.chunkRows()
	for {
		if credits := int(l.credits.Load()); credits >= want {
			return want, nil
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
		values, err := mapping.ParseKeyText(p.columns, key)
		if err != nil {
			return &replication.Error{Reason: replication.Unreadable, Err: err}
		}
		p.keys = append(p.keys, values)
	}
	p.next.Keys, p.done = to, to == len(l.job.Keys)
	return nil
}

// part reads rows, waits for their mark to pass, and returns the keys of those
// that have to be read once more.
func (l *loading) part(ctx context.Context, p *part) (again [][]string, err error) {
	c, err := l.load(ctx, p)
	if err != nil {
		return nil, err
	}
	marked := make(chan error, 1)
	go func() { marked <- l.mark(ctx, p, c) }()
	if p.keys == nil && !p.done {
		l.readAhead(ctx, p)
	}
	if err := <-marked; err != nil {
		return nil, err
	}
	verdict, err := l.passed(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := l.forgetRefused(ctx, p, verdict); err != nil {
		return nil, err
	}
	for _, i := range verdict.Again {
		again = append(again, strings.Split(p.rows[i], "\x00"))
	}
	if len(again) > 0 {
		l.dropAhead() // it follows what is to be read first
		p.before = behind(p.pieces, p.before, verdict.Again[0])
	}
	return again, nil
}

// load reads the rows and gives them to the reader, for the mark that is to come.
func (l *loading) load(ctx context.Context, p *part) (*chunk, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkPatience)
	defer cancel()
	if err := l.attach(ctx); err != nil {
		return nil, err
	}
	if !p.read {
		if err := l.read(ctx, p); err != nil {
			return nil, err
		}
	}
	l.passBy = false
	l.mu.Lock()
	c := &chunk{
		keys: p.rows, writes: p.writes, pieces: p.pieces, window: p.window, mark: "backfill " + rand.Text(), ticket: l.ticket + 1, feed: l.job.Feed(),
		before: p.before, after: p.next, again: p.refused, refused: l.refused, force: l.job.Force || len(l.job.Keys) > 0, last: p.done, announced: l.job.announced,
	}
	l.ticket += uint64(len(p.pieces) + 1)
	l.mu.Unlock()
	b := l.beside
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.followers[c.window].Load(p.snapshot, p.rows, backfill.Mark{LSN: backfill.Unplaced, Name: c.mark}) {
		return nil, errAgain
	}
	b.chunk = c
	return c, nil
}

// mark has the mark of a chunk written. The reader knows its name before: the stream
// may bring it before the server has answered.
func (l *loading) mark(ctx context.Context, p *part, c *chunk) error {
	ctx, cancel := context.WithTimeout(ctx, chunkPatience)
	defer cancel()
	b := l.beside
	mark, err := l.sessions[p.session].Mark(ctx, c.mark)
	if err != nil && b.withdraw(c) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if follower := b.followers[c.window]; b.chunk == c {
		follower.Place(mark.LSN)
		// The stream may be there already, and brings no message.
		c.silent = mark.Name == "" || follower.Passed()
	}
	return nil
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
	b.followers[c.window].Close()
	return true
}

// read reads the rows of a part as of a snapshot that the follower admits.
func (l *loading) read(ctx context.Context, p *part) error {
	p.window, l.turn = l.turn, 1-l.turn
	chunk, err := l.admitted(ctx, p)
	if err != nil {
		return err
	}
	p.snapshot, p.key, p.read = chunk.Snapshot, chunk.Key, true
	if l.passBy && p.keys == nil {
		return errors.Join(chunk.End(ctx), l.passedBy(ctx, p))
	}
	return errors.Join(l.rows(ctx, chunk, p), chunk.End(ctx))
}

package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

const (
	// pieceCalls is for how many calls a piece of a chunk has rows. A piece has a
	// cursor of its own: what a kill repeats are the piece that it meets, and the
	// calls under way behind that. A chunk has a piece at least.
	pieceCalls = 10
	chunkBytes = 2 << 20
	// chunkShare is the part of delivery.max_pending that a chunk has at most: the
	// machine takes a quarter of it from backfills: two chunks that are on their way, one
	// that waits for its mark, and one that is read ahead.
	chunkShare = 16
	// A chunk that is settled within quickly is followed by one of twice as many
	// pieces, one that takes longer than slowly by one of half as many: reading begins
	// with a dozen questions to the server, whatever the number of rows.
	quickly = 250 * time.Millisecond
	slowly  = time.Second
	// scannedRows is the most rows that are looked at for a chunk, where few match.
	scannedRows = 50_000
	// chunkPatience bounds the reading of a chunk as a whole; a server that does
	// not answer must not hold it for ever.
	chunkPatience = 2 * time.Minute
	// manyUnseen is how many transactions may be remembered while nothing is read.
	manyUnseen = 20_000
	// signEvery is how often the server is asked how far it is, where no message of
	// ours tells.
	signEvery = 200 * time.Millisecond
)

// loading is the work on one backfill, until that is interrupted.
type loading struct {
	*backfiller
	// life is longer than that.
	life context.Context
	job  *job
	log  *slog.Logger
	// filter chooses rows beside the mapping; nil for all.
	filter *mapping.Set
	// sessions are two, so that the mark of a chunk can be written while the next one
	// is read. The second is opened when it is of use.
	sessions [2]*rowread.Session
	// alone is until when the second one is not asked for.
	alone  time.Time
	beside *beside
	// place is behind what was handed in.
	place backfill.Cursor
	// ahead is what was read before the chunk in front of it was settled; nil for
	// nothing. The next part is read in the window of the follower at turn.
	ahead *part
	turn  int
	// pieces is how many the next chunk has, settledBefore how many were settled when
	// that was found.
	pieces, settledBefore int
	// refused has the rows of the mapping that were refused before, each with the feeds
	// that keep it as that. It is only read once it is made.
	refused map[string][]string
	// patience is how long one look for rows may take.
	patience time.Duration
	// most is how many rows are looked at for the next chunk; passBy is set where
	// the next row cannot be read.
	most   int
	passBy bool
	told   map[replication.Reason]bool
}

// errAgain has a chunk read again at once: what was read of it is of no use.
var errAgain = errors.New("the chunk is read again")

// run reads and hands in until the end of the table is settled.
func (l *loading) run(ctx context.Context) error {
	l.patience, l.most, l.pieces, l.told = time.Second, scannedRows, 1, map[replication.Reason]bool{}
	l.mu.Lock()
	l.settledBefore = l.job.settled
	l.mu.Unlock()
	defer l.release(context.WithoutCancel(ctx))
	if err := l.compile(); err != nil {
		return err
	}
	if err := l.loadRefused(ctx); err != nil {
		return err
	}
	for failures := 0; ; {
		l.place = l.handedIn()
		done, err := l.step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && done:
			return nil
		case err == nil:
			failures = 0
			continue
		case final(err):
			return err
		}
		l.dropAhead()
		wait := signEvery
		if lost := l.beside != nil && ended(l.beside.lost); lost || !errors.Is(err, errAgain) {
			l.release(ctx)
		}
		if !errors.Is(err, errAgain) {
			failures++
			l.trouble(err)
			wait = pause(err, failures)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// step reads one chunk, and waits until another may be read, or at the end of the
// table until all is settled. It reports whether that is so.
func (l *loading) step(ctx context.Context) (done bool, err error) {
	if l.job.began.IsZero() {
		if err := l.announce(ctx); err != nil {
			return false, err
		}
	}
	began := time.Now()
	if done, err = l.chunk(ctx); err != nil {
		return false, err
	}
	for l.unsettled() > l.mostUnsettled(done) {
		if err := l.await(ctx, time.Second); err != nil {
			return false, err
		}
	}
	l.pace(time.Since(began))
	return done, nil
}

// mostUnsettled is how many rows may be on their way while the next chunk is read. That
// fills the last batch of the one before it. Where chunks are long because calls are
// short, two are; where a piece stands, as calls of an earlier life may have its keys,
// less: a kill would have all that is behind it sent again.
func (l *loading) mostUnsettled(done bool) int {
	switch {
	case done:
		return 0
	case l.stands():
		return l.pieceRows()
	case l.pieces > 1:
		return 2 * l.chunkRows()
	}
	return l.chunkRows()
}

// stands reports whether a piece was handed in a while ago and is not settled.
func (l *loading) stands() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.onTheWay, func(c onTheWay) bool { return c.job == l.job && time.Since(c.at) > quickly })
}

// pieceRows is how many writes a piece has.
func (l *loading) pieceRows() int { return pieceCalls * l.runner.Config.Capacity.Objects }

// chunkRows is for how many writes the next chunk has room.
func (l *loading) chunkRows() int {
	return max(1, min(l.pieces*l.pieceRows(), l.runner.Config.MaxPending/chunkShare))
}

// pace has the next chunk be as long as this one's time says, and what is settled by
// now.
func (l *loading) pace(took time.Duration) {
	l.mu.Lock()
	settled := l.job.settled
	l.mu.Unlock()
	switch {
	case took > slowly || l.stands():
		l.pieces = max(1, l.pieces/2)
	case took < quickly && settled > l.settledBefore:
		l.pieces = max(1, min(2*l.pieces, l.runner.Config.MaxPending/chunkShare/l.pieceRows()))
	}
	l.settledBefore = settled
}

// handedIn is the place behind all pieces of the job that the machine has.
func (l *loading) handedIn() backfill.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := l.job.cursor
	for _, c := range l.onTheWay {
		if c.job == l.job {
			place = c.cursor
		}
	}
	return place
}

// unsettled counts the rows on their way, and none only where nothing is.
func (l *loading) unsettled() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.onTheWay {
		if c.job == l.job {
			n += max(1, c.rows)
		}
	}
	return n
}

// await waits for a piece to be settled, but no longer than d.
func (l *loading) await(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.settled:
		l.mu.Lock()
		progress := l.job.Progress
		l.mu.Unlock()
		if err := l.store.NoteProgress(ctx, l.job.ID, progress); err != nil && ctx.Err() == nil {
			l.log.Warn("progress of a backfill cannot be recorded", "err", err)
		}
		return nil
	case <-timer.C:
		l.dropAhead() // its window would grow
		return l.forget(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// final reports whether an error stays until somebody acts.
func final(err error) bool {
	var mistakes mapping.Mistakes
	return errors.As(err, &mistakes) || replication.Classify(err) == replication.Fatal
}

// trouble tells of an error that may pass, once for each reason.
func (l *loading) trouble(err error) {
	if errors.Is(err, rowread.ErrSlow) {
		l.patience = min(2*l.patience, time.Minute)
	}
	if reason := replication.Diagnose(err); !l.told[reason] {
		l.told[reason] = true
		l.log.Warn("a chunk could not be read; it is tried again", "err", err)
	}
}

// compile prepares the expression that chooses rows.
func (l *loading) compile() (err error) {
	if l.job.Where != "" {
		l.filter, err = compileWhere(l.runner.Mappings.Definition(l.job.mapping), l.job.Where)
	}
	return err
}

// compileWhere makes a set of one mapping, of which the expression counts.
func compileWhere(d mapping.Definition, where string) (*mapping.Set, error) {
	d.Where = where
	return mapping.Compile([]mapping.Definition{d})
}

// columns are those that are read.
func (l *loading) columns() []string {
	columns := l.runner.Mappings.Columns(l.job.mapping)
	if l.filter != nil {
		columns = slices.Concat(columns, l.filter.Columns(0))
	}
	return columns
}

func (l *loading) table() catalog.TableName {
	return catalog.TableName{Schema: l.job.Schema, Name: l.job.Table}
}

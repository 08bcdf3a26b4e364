package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// announce says what is about to be sent, and what that costs.
func (l *loading) announce(ctx context.Context) error {
	rows := int64(len(l.job.Keys))
	if rows == 0 {
		session, err := l.open(ctx, 0)
		if err != nil {
			return err
		}
		if rows, err = session.CountRows(ctx, l.table()); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.job.began, l.job.from, l.job.Estimate = time.Now(), l.place.Rows, max(rows, l.place.Rows)
	left := l.job.Estimate - l.place.Rows
	l.job.announced = int(beyondEstimate(left))
	l.mu.Unlock()
	cost := l.runner.BackfillCost(left)
	told := []any{"table", l.table().String(), "object", l.job.Object, "rows", left, "calls", cost.Calls,
		"time_at_limits", cost.Time.Round(time.Second), "share_of_day", fmt.Sprintf("%.1f%%", 100*cost.Day),
		"note", "objects that are created set off the campaigns that wait for them"}
	if l.place.Rows == 0 {
		used := l.runner.campaignsOf(ctx, l.runner.Mappings.Definition(l.job.mapping).Object)
		told = append(told, used.told()...)
	}
	l.log.Info("backfill", told...)
	return ctx.Err()
}

// beyondEstimate is how many objects a backfill may create in an hour that is to send
// so many rows: the estimate may be old.
func beyondEstimate(rows int64) int64 { return 2*rows + 1000 }

// BackfillCost is what so many rows cost.
func (r *Runner) BackfillCost(rows int64) backfill.Cost {
	return backfill.CostOf(rows, r.Config.Capacity.Objects, r.Config.Limits, r.Config.BackfillShare)
}

// attach has the stream followed for the table, from here on.
func (l *loading) attach(ctx context.Context) error {
	if l.beside != nil {
		select {
		case <-l.beside.lost:
			return errAgain
		default:
			return nil
		}
	}
	session, err := l.open(ctx, 0)
	if err != nil {
		return err
	}
	first, err := session.BeginChunk(ctx, l.table(), l.columns())
	if err != nil {
		return err
	}
	if err := first.End(ctx); err != nil {
		return err
	}
	b := newBeside(l.job, first.Key)
	l.runner.reader.beside.Store(b)
	l.beside = b
	// The reader begins with the next message: one of ours comes sooner than an answer,
	// for which the server is asked ten times a second at most.
	if _, err := session.Mark(ctx, "backfill "+rand.Text()); err != nil {
		return err
	}
	for began, wait := false, 5*time.Millisecond; !began; wait = min(2*wait, signEvery) {
		l.runner.reader.ask()
		select {
		case <-b.began:
			began = true
		case <-time.After(wait):
		case <-b.lost:
			return errAgain
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	bound, err := session.Bound(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.followers {
		f.Bound(bound)
	}
	return nil
}

// open returns a session of the two.
func (l *loading) open(ctx context.Context, which int) (_ *rowread.Session, err error) {
	if l.sessions[which] == nil {
		l.sessions[which], err = rowread.Open(ctx, l.runner.Source)
	}
	return l.sessions[which], err
}

// forget keeps what is remembered of the stream small while nothing is read.
func (l *loading) forget(ctx context.Context) error {
	b := l.beside
	if b == nil || l.sessions[0] == nil {
		return nil
	}
	b.mu.Lock()
	many := b.followers[0] != nil && max(b.followers[0].Unseen(), b.followers[1].Unseen()) > manyUnseen
	b.mu.Unlock()
	if !many {
		return nil
	}
	now, err := l.sessions[0].Now(ctx)
	if err != nil {
		return fmt.Errorf("look at what runs: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.followers {
		f.Forget(&now)
	}
	return nil
}

// release gives up what goes by a connection.
func (l *loading) release(ctx context.Context) {
	l.runner.reader.beside.CompareAndSwap(l.beside, nil)
	l.beside, l.ahead = nil, nil
	for i, session := range l.sessions {
		if session != nil {
			session.Close(ctx)
			l.sessions[i] = nil
		}
	}
}

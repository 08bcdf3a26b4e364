package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Save writes sv as one group commit. When it returns nil, all of sv survives
// the death of the process, and with sv.Sync the loss of power, together with
// everything saved before. When it returns an error, nothing of sv was saved
// and a later Save may succeed; but one with
// checkpoint.ErrClosed says that none will, in this life: after a disk that could
// not be synced all or nothing of sv may be found by the next process.
//
// The first Save of a process is always synced, so that the mark of an unclean
// end is on disk before anything else can happen. A Save that has begun is not
// cut short by ctx: it ends by itself, within the 5 seconds it waits for locks
// of other programs.
func (s *Store) Save(ctx context.Context, sv checkpoint.Save) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.save(ctx, &sv); err != nil {
		return fmt.Errorf("save state: %w", explain(err))
	}
	return nil
}

func (s *Store) save(ctx context.Context, sv *checkpoint.Save) error {
	if sv.Checkpoint != 0 {
		if err := s.checkMove(sv.Checkpoint); err != nil {
			return err
		}
	}
	var fill func(*known) error
	if s.fills(sv) {
		fill = func(next *known) error { return s.fill(ctx, sv, next) }
	}
	if err := s.commit(ctx, sv, fill); err != nil {
		return err
	}
	s.emptyLog(ctx)
	return nil
}

func (s *Store) checkMove(to checkpoint.LSN) error {
	switch {
	case s.known.ck == nil || s.known.ck.LSN == 0:
		return errors.New("a position without a slot: the slot was never identified")
	case to < s.known.ck.LSN:
		return fmt.Errorf("the position goes back from %s to %s", s.known.ck.LSN, to)
	case to > math.MaxInt64:
		return fmt.Errorf("position %s is not possible", to)
	}
	return nil
}

// fills reports whether sv may have something for fill to write.
func (s *Store) fills(sv *checkpoint.Save) bool {
	return min(s.known.oldest, s.known.settledTo) < int64(sv.Checkpoint) || sv.SettledTo != nil || sv.Follow != nil || sv.Lags != nil || len(sv.Settled)+len(sv.Parked)+len(sv.Resolved)+len(sv.Lacking)+len(sv.Deletions)+len(sv.Cursors)+len(sv.Refused)+len(sv.Unrefused)+len(sv.Accepted) > 0
}

// fill writes what is not in the row of the table state.
func (s *Store) fill(ctx context.Context, sv *checkpoint.Save, next *known) error {
	if sv.Checkpoint != 0 {
		if err := s.prune(ctx, sv.Checkpoint, next); err != nil {
			return fmt.Errorf("drop settled: %w", err)
		}
	}
	if sv.Follow != nil {
		if err := s.identify(ctx, *next.ck); err != nil {
			return fmt.Errorf("follow the server: %w", err)
		}
	}
	if err := s.saveAccepted(ctx, sv.Accepted); err != nil {
		return fmt.Errorf("save what is given up: %w", err)
	}
	if err := s.saveSettled(ctx, sv, next); err != nil {
		return fmt.Errorf("save settled: %w", err)
	}
	if err := s.saveDeletions(ctx, sv.Deletions); err != nil {
		return fmt.Errorf("save deletions: %w", err)
	}
	if err := s.saveLags(ctx, sv.Lags); err != nil {
		return fmt.Errorf("save lags: %w", err)
	}
	if err := s.saveCursors(ctx, sv.Cursors); err != nil {
		return fmt.Errorf("save cursors: %w", err)
	}
	if err := s.saveRefused(ctx, sv); err != nil {
		return fmt.Errorf("save refused rows: %w", err)
	}
	return s.saveParked(ctx, sv)
}

// oldestSQL and settledToSQL give their argument where nothing is settled.
const (
	oldestSQL    = `SELECT coalesce(min(max_commit), ?) FROM settled`
	settledToSQL = `SELECT coalesce(min(position), ?) FROM settled_to`
)

// prune drops the settled changes below the new position, if there are any.
func (s *Store) prune(ctx context.Context, to checkpoint.LSN, next *known) error {
	if next.settledTo < int64(to) {
		s.grown += pageSize
		if _, err := s.stmts.pruneTo.ExecContext(ctx, int64(to)); err != nil {
			return err
		}
		next.settledTo = noneSettled
	}
	if next.oldest >= int64(to) {
		return nil
	}
	s.grown += 2 * pageSize
	if _, err := s.stmts.prune.ExecContext(ctx, int64(to)); err != nil {
		return err
	}
	return s.stmts.oldest.QueryRowContext(ctx, int64(noneSettled)).Scan(&next.oldest)
}

// saveSettled writes one row for all settled changes that the server may still
// send again.
func (s *Store) saveSettled(ctx context.Context, sv *checkpoint.Save, next *known) error {
	floor := floorOf(next.ck)
	entries := sv.Settled
	if sv.SettledTo != nil {
		if err := s.saveSettledTo(ctx, sv.SettledTo, next); err != nil {
			return err
		}
		entries = behindOf(entries, sv.SettledTo)
	}
	if needed := countFrom(entries, floor); needed < len(entries) {
		entries = keepFrom(entries, floor, needed)
	}
	if len(entries) == 0 {
		return nil
	}
	var last checkpoint.LSN
	for i := range entries {
		last = max(last, entries[i].Through.Commit)
	}
	s.buf = appendSettled(s.buf, entries)
	s.grown += 2*pageSize + len(s.buf)
	next.oldest = min(next.oldest, int64(last))
	_, err := s.stmts.settle.ExecContext(ctx, int64(last), len(entries), s.buf)
	return err
}

// countFrom counts the entries whose commit is not below floor.
func countFrom(entries []checkpoint.Settled, floor checkpoint.LSN) int {
	n := 0
	for i := range entries {
		if entries[i].Through.Commit >= floor {
			n++
		}
	}
	return n
}

func keepFrom(entries []checkpoint.Settled, floor checkpoint.LSN, n int) []checkpoint.Settled {
	kept := make([]checkpoint.Settled, 0, n)
	for i := range entries {
		if entries[i].Through.Commit >= floor {
			kept = append(kept, entries[i])
		}
	}
	return kept
}

// emptyLog moves a log that has grown into the database file. What was saved
// stays saved when this fails: a full disk is tried again, a failed sync
// closes the store.
func (s *Store) emptyLog(ctx context.Context) {
	if s.grown < logLimit {
		return
	}
	var busy, frames, moved int
	err := s.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &frames, &moved)
	if err != nil {
		_ = s.notice(err)
		return
	}
	s.grown = 0
}

// Count writes how the limits of Marketo were used, for whoever makes calls
// beside the daemon while that does not run. It changes nothing else, so that
// the next start finds how the last life ended.
func (s *Store) Count(ctx context.Context, q checkpoint.Quota) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.write.ExecContext(ctx, `UPDATE state SET day = ?, day_calls = ?, exhausted = ?, starts = ?`,
		q.Day, q.Calls, q.Exhausted, string(appendStarts(nil, q.Starts)))
	if err != nil {
		return fmt.Errorf("count calls: %w", explain(err))
	}
	return nil
}

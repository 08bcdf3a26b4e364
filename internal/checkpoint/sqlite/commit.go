package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/failpoint"
)

// commit writes the row of the table state as sv wants it, and what fill adds,
// unless it is nil, in one transaction. Every commit changes the row, so there
// is always something to sync. What the store knows changes when all is
// committed.
func (s *Store) commit(ctx context.Context, sv *checkpoint.Save, fill func(next *known) error) error {
	full := sv.Sync || sv.Clean || !s.begun
	if err := s.open(full); err != nil {
		return err
	}
	next, err := s.after(sv)
	if err != nil {
		return err
	}
	if err := s.setSync(ctx, full); err != nil {
		return err
	}
	if err := s.put(ctx, sv, &next, fill); err != nil {
		return s.notice(err)
	}
	if next.calls != s.known.calls {
		s.spare = s.known.calls
	}
	s.known, s.begun, s.ended = next, true, sv.Clean
	return nil
}

// put does what commit is for. One statement is a transaction by itself.
func (s *Store) put(ctx context.Context, sv *checkpoint.Save, next *known, fill func(*known) error) error {
	if fill == nil {
		failpoint.Hit("save.before_commit")
		err := s.update(ctx, sv, next)
		failpoint.Hit("save.after_commit")
		return err
	}
	return s.transact(ctx, func() error {
		if err := s.update(ctx, sv, next); err != nil {
			return err
		}
		return fill(next)
	})
}

// after is what the store will know when sv is saved.
func (s *Store) after(sv *checkpoint.Save) (known, error) {
	next := s.known
	if !s.begun {
		next.life++
	}
	if next.sent.Compare(sv.Sent) < 0 {
		next.sent = sv.Sent
	}
	if sv.Checkpoint != 0 {
		ck := *next.ck
		ck.LSN = sv.Checkpoint
		next.ck = &ck
	}
	if sv.Follow != nil {
		ck, err := followed(next.ck, *sv.Follow)
		if err != nil {
			return next, err
		}
		if ck != nil {
			next.ck = ck
		}
	}
	if len(sv.Started) > 0 || len(sv.Ended) > 0 || sv.Clean {
		next.calls = s.spare
		return next, next.calls.change(s.known.calls, sv, next.life)
	}
	return next, nil
}

// transact runs fill in a transaction of the store's own connection.
func (s *Store) transact(ctx context.Context, fill func() error) error {
	if _, err := s.stmts.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := fill()
	if err == nil {
		failpoint.Hit("save.before_commit")
		if _, err = s.stmts.commit.ExecContext(ctx); err != nil {
			err = fmt.Errorf("commit: %w", err)
		}
		failpoint.Hit("save.after_commit")
	}
	if err != nil {
		// SQLite has rolled back by itself after some errors, and this fails then.
		_, _ = s.stmts.rollback.ExecContext(ctx)
	}
	return err
}

// update writes the row of the table state.
func (s *Store) update(ctx context.Context, sv *checkpoint.Save, next *known) error {
	s.buf = appendSent(s.buf, next.sent)
	args := [14]any{next.life, sv.Clean, s.boot, formatTime(time.Now()), s.buf}
	if sv.Checkpoint != 0 {
		args[5], args[6] = int64(sv.Checkpoint), storedChecksum(*next.ck)
	}
	if sv.Latest != nil {
		args[13] = appendLatest(nil, *sv.Latest)
	}
	if q := sv.Quota; q != nil {
		args[7], args[8], args[9], args[10] = q.Day, q.Calls, q.Exhausted, string(appendStarts(nil, q.Starts))
	}
	if next.calls != s.known.calls {
		args[11], args[12] = len(next.calls.spans), next.calls.record
	}
	s.grown += pageSize + len(next.calls.record)
	result, err := s.stmts.update.ExecContext(ctx, args[:]...)
	if err != nil {
		return fmt.Errorf("update state: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(s.notUpdated(sv), err)
	}
	return nil
}

func (s *Store) notUpdated(sv *checkpoint.Save) error {
	if sv.Checkpoint == 0 {
		return fmt.Errorf("the row of the table state is missing: %w", errDamaged)
	}
	return fmt.Errorf("the position on disk is ahead of %s", sv.Checkpoint)
}

// setSync chooses between commits that survive a loss of power and commits
// that survive only the process.
func (s *Store) setSync(ctx context.Context, full bool) error {
	if full == s.full {
		return nil
	}
	level := `PRAGMA synchronous = NORMAL`
	if full {
		level = `PRAGMA synchronous = FULL`
	}
	if _, err := s.write.ExecContext(ctx, level); err != nil {
		return fmt.Errorf("set synchronous: %w", err)
	}
	s.full = full
	return nil
}

package checkpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// callBits is the width of a call's number; the number of its life is above.
const callBits = 40

// Save writes sv as one group commit. When it returns nil, all of sv survives
// the death of the process, and with sv.Sync the loss of power, together with
// everything saved before. When it returns an error, nothing of sv was saved
// and a later Save may succeed; but after a disk that could not be synced all
// or nothing of sv may be found by the next process, and the store is closed
// to saves.
//
// The first Save of a process is always synced, so that the mark of an unclean
// end is on disk before anything else can happen. A Save that has begun is not
// cut short by ctx: it ends by itself, within the 5 seconds it waits for locks
// of other programs.
func (s *Store) Save(ctx context.Context, sv Save) error {
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

func (s *Store) save(ctx context.Context, sv *Save) error {
	if sv.Checkpoint != 0 {
		if err := s.checkMove(sv.Checkpoint); err != nil {
			return err
		}
	}
	sent := s.sent
	if sent.Compare(sv.Sent) < 0 {
		s.sent = sv.Sent
	}
	err := s.commit(ctx, sv.Sync || sv.Clean, sv.Clean, func(tx *sql.Tx) error {
		return s.fill(ctx, tx, sv)
	})
	if err != nil {
		s.sent = sent
		return err
	}
	if sv.Checkpoint != 0 {
		s.ck.LSN = sv.Checkpoint
	}
	s.emptyLog(ctx)
	return nil
}

// commit runs fill in a transaction that also marks the life it belongs to.
// The mark changes with every commit, so there is always something to sync.
func (s *Store) commit(ctx context.Context, sync, clean bool, fill func(*sql.Tx) error) error {
	if s.broken != nil {
		return s.broken
	}
	if err := s.setSync(ctx, sync || !s.begun); err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	life := s.life
	if !s.begun {
		life++
	}
	_, err = tx.StmtContext(ctx, s.stmts.touch).ExecContext(ctx, life, clean, s.boot, formatTime(time.Now()), s.sentRecord())
	if err != nil {
		return fmt.Errorf("mark life: %w", err)
	}
	previous := s.life
	s.life = life
	if err = fill(tx); err == nil {
		failpoint.Hit("save.before_commit")
		if err = tx.Commit(); err != nil {
			err = fmt.Errorf("commit: %w", err)
		}
		failpoint.Hit("save.after_commit")
	}
	if err != nil {
		s.life = previous
		s.notice(err)
		return err
	}
	s.begun = true
	return nil
}

// sentRecord is s.sent as a record; empty while nothing was sent.
func (s *Store) sentRecord() []byte {
	if s.sent == (replication.Position{}) {
		return []byte{}
	}
	s.buf = sealRecord(appendPosition(startRecord(s.buf), s.sent))
	return s.buf
}

// notice closes the store to saves after a sync that failed: the kernel may
// have dropped what was to be written and will report the next sync as fine.
func (s *Store) notice(err error) {
	switch code(err) {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		s.broken = fmt.Errorf("the store is closed to saves, its disk could not be synced: %w", err)
	}
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

func (s *Store) checkMove(to LSN) error {
	switch {
	case s.ck == nil || s.ck.LSN == 0:
		return errors.New("a position without a slot: the slot was never identified")
	case to < s.ck.LSN:
		return fmt.Errorf("the position goes back from %s to %s", s.ck.LSN, to)
	case to > math.MaxInt64:
		return fmt.Errorf("position %s is not possible", to)
	}
	return nil
}

// fill writes the parts of sv.
func (s *Store) fill(ctx context.Context, tx *sql.Tx, sv *Save) error {
	s.grown += 8 * 4096
	if sv.Checkpoint != 0 {
		if err := s.move(ctx, tx, sv.Checkpoint); err != nil {
			return err
		}
	}
	if err := s.saveCalls(ctx, tx, sv); err != nil {
		return err
	}
	if err := s.saveSettled(ctx, tx, sv); err != nil {
		return err
	}
	if err := s.saveParked(ctx, tx, sv); err != nil {
		return err
	}
	if sv.Quota == nil {
		return nil
	}
	return s.saveQuota(ctx, tx, sv.Quota)
}

// move writes the new position and drops the settled changes below it. It
// compares with what is on disk, not only with what this process remembers.
func (s *Store) move(ctx context.Context, tx *sql.Tx, to LSN) error {
	next := *s.ck
	next.LSN = to
	result, err := tx.StmtContext(ctx, s.stmts.move).ExecContext(ctx, int64(to), next.checksum())
	if err != nil {
		return fmt.Errorf("move position: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("the position on disk is ahead of %s", to), err)
	}
	if _, err := tx.StmtContext(ctx, s.stmts.prune).ExecContext(ctx, int64(to)); err != nil {
		return fmt.Errorf("drop settled: %w", err)
	}
	return nil
}

func (s *Store) saveCalls(ctx context.Context, tx *sql.Tx, sv *Save) error {
	for _, call := range sv.Started {
		s.buf = appendKeys(s.buf, call.Keys)
		s.grown += len(s.buf)
		if _, err := tx.StmtContext(ctx, s.stmts.start).ExecContext(ctx, s.callID(call.ID), len(call.Keys), s.buf); err != nil {
			return fmt.Errorf("save call: %w", err)
		}
	}
	for _, id := range sv.Ended {
		if _, err := tx.StmtContext(ctx, s.stmts.end).ExecContext(ctx, s.callID(id)); err != nil {
			return fmt.Errorf("end call: %w", err)
		}
	}
	if !sv.Clean {
		return nil
	}
	if _, err := tx.StmtContext(ctx, s.stmts.endAll).ExecContext(ctx); err != nil {
		return fmt.Errorf("end calls: %w", err)
	}
	return nil
}

// callID puts the number of this life above a call's, unless it has one.
func (s *Store) callID(id uint64) int64 {
	if id>>callBits == 0 {
		id |= uint64(s.life) << callBits
	}
	return int64(id)
}

// saveSettled writes one row for all settled changes that the server may still
// send again.
func (s *Store) saveSettled(ctx context.Context, tx *sql.Tx, sv *Save) error {
	floor := sv.Checkpoint
	if floor == 0 && s.ck != nil {
		floor = s.ck.LSN
	}
	var last LSN
	entries := sv.Settled
	if needed := countFrom(entries, floor); needed < len(entries) {
		entries = keepFrom(entries, floor, needed)
	}
	if len(entries) == 0 {
		return nil
	}
	for i := range entries {
		last = max(last, entries[i].Through.Commit)
	}
	s.buf = appendSettled(s.buf, entries)
	s.grown += len(s.buf)
	if _, err := tx.StmtContext(ctx, s.stmts.settle).ExecContext(ctx, int64(last), len(entries), s.buf); err != nil {
		return fmt.Errorf("save settled: %w", err)
	}
	return nil
}

// countFrom counts the entries whose commit is not below floor.
func countFrom(entries []Settled, floor LSN) int {
	n := 0
	for i := range entries {
		if entries[i].Through.Commit >= floor {
			n++
		}
	}
	return n
}

func keepFrom(entries []Settled, floor LSN, n int) []Settled {
	kept := make([]Settled, 0, n)
	for i := range entries {
		if entries[i].Through.Commit >= floor {
			kept = append(kept, entries[i])
		}
	}
	return kept
}

func (s *Store) saveQuota(ctx context.Context, tx *sql.Tx, q *Quota) error {
	starts := make([]int64, len(q.Starts))
	for i, t := range q.Starts {
		starts[i] = t.UnixNano()
	}
	text, err := json.Marshal(starts)
	if err != nil {
		return fmt.Errorf("save quota: %w", err)
	}
	if _, err := tx.StmtContext(ctx, s.stmts.quota).ExecContext(ctx, q.Day, q.Calls, q.Exhausted, string(text)); err != nil {
		return fmt.Errorf("save quota: %w", err)
	}
	return nil
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
		s.notice(err)
		return
	}
	s.grown = 0
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// backfillTable has the backfills that were asked for.
const backfillTable = `
CREATE TABLE backfill (        -- sendings of the rows that a table has
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  mapping  TEXT    NOT NULL,
  schema   TEXT    NOT NULL,
  name     TEXT    NOT NULL,   -- of the table
  object   TEXT    NOT NULL,
  state    TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'paused', 'failed', 'done', 'cancelled')),
  filter   TEXT    NOT NULL,   -- an expression; empty: every row
  keys     TEXT    NOT NULL,   -- JSON; []: every row
  force    INTEGER NOT NULL,   -- 1: although known to be so; + 2: objects that no row wants are deleted
  added    TEXT    NOT NULL,
  changed  TEXT    NOT NULL,
  started  TEXT    NOT NULL,
  ended    TEXT    NOT NULL,
  rows     INTEGER NOT NULL DEFAULT 0,  -- read
  objects  INTEGER NOT NULL DEFAULT 0,  -- handed in to be sent
  refused  INTEGER NOT NULL DEFAULT 0,  -- of these
  estimate INTEGER NOT NULL,            -- of all rows; 0: not known
  error    TEXT    NOT NULL DEFAULT ''
);
`

const backfillColumns = `id, mapping, schema, name, object, state, filter, keys, force, added, changed, started, ended, rows, objects, refused, estimate, error`

// keptBackfills is how many that have ended are kept, beside the last whole one
// of each mapping, and those that have refused rows.
const keptBackfills = 100

// Backfills lists all that were asked for, the oldest first. It may be called
// while saves run.
func (s *Store) Backfills(ctx context.Context) ([]checkpoint.Backfill, error) {
	all, err := listBackfills(ctx, s.read, 0)
	if err != nil {
		return nil, fmt.Errorf("list backfills: %w", explain(err))
	}
	return all, nil
}

// AddBackfill records one that waits, durably, and returns its ID. Of b it takes
// what says which rows to send, Added and Estimate.
func (s *Store) AddBackfill(ctx context.Context, b checkpoint.Backfill) (id int64, err error) {
	if b.Keys == nil {
		b.Keys = []string{}
	}
	keys, err := json.Marshal(b.Keys)
	if err != nil {
		return 0, fmt.Errorf("add backfill: %w", err)
	}
	err = s.change(ctx, true, func(ctx context.Context) error {
		added := formatTime(b.Added)
		result, err := s.write.ExecContext(ctx, `INSERT INTO backfill (mapping, schema, name, object, state, filter, keys, force, added, changed, started, ended, estimate)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', ?)`,
			b.Mapping, b.Schema, b.Table, b.Object, string(checkpoint.BackfillWaiting), b.Where, string(keys), forceOf(b), added, added, b.Estimate)
		if err != nil {
			return err
		}
		if id, err = result.LastInsertId(); err != nil {
			return err
		}
		_, err = s.write.ExecContext(ctx, `DELETE FROM backfill WHERE state IN ('done', 'cancelled')
			AND id NOT IN (SELECT id FROM backfill ORDER BY id DESC LIMIT ?)
			AND id NOT IN (SELECT max(id) FROM backfill WHERE filter = '' AND keys = '[]' GROUP BY schema, name, object)
			AND NOT EXISTS (SELECT 1 FROM refused WHERE feed = ? || backfill.id)`, keptBackfills, checkpoint.BackfillFeed)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add backfill: %w", explain(err))
	}
	return id, nil
}

// MoveBackfill gives a backfill another state, durably, and returns it as it is
// then; why replaces its Err. One that has ended has no cursor any more, and the
// mapping of a whole one that is done counts as loaded. A move that
// BackfillState.May does not allow is an error.
func (s *Store) MoveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (checkpoint.Backfill, error) {
	var b checkpoint.Backfill
	err := s.change(ctx, true, func(ctx context.Context) (err error) {
		b, err = s.moveBackfill(ctx, id, to, at, why)
		return err
	})
	if err != nil {
		return checkpoint.Backfill{}, fmt.Errorf("backfill %d: %w", id, explain(err))
	}
	return b, nil
}

func (s *Store) moveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (checkpoint.Backfill, error) {
	found, err := listBackfills(ctx, s.write, id)
	switch {
	case err != nil:
		return checkpoint.Backfill{}, err
	case len(found) == 0:
		return checkpoint.Backfill{}, checkpoint.ErrNoBackfill
	case !found[0].State.May(to):
		return checkpoint.Backfill{}, fmt.Errorf("it is %s, and cannot be %s then", found[0].State, to)
	}
	b := found[0]
	if b.State != to {
		b.Changed = at
	}
	b.State, b.Err = to, why
	if to == checkpoint.BackfillRunning && b.Started.IsZero() {
		b.Started = at
	}
	if to.Ended() && b.Ended.IsZero() {
		b.Ended = at
	}
	_, err = s.write.ExecContext(ctx, `UPDATE backfill SET state = ?, error = ?, changed = ?, started = ?, ended = ? WHERE id = ?`,
		string(b.State), b.Err, formatTime(b.Changed), formatTime(b.Started), formatTime(b.Ended), id)
	if err == nil && to.Ended() {
		_, err = s.write.ExecContext(ctx, `DELETE FROM cursors WHERE feed = ?`, b.Feed())
	}
	if err == nil && to == checkpoint.BackfillDone && b.Whole() {
		_, err = s.write.ExecContext(ctx, `UPDATE known_mapping SET loaded = 1 WHERE schema = ? AND name = ? AND object = ?`, b.Schema, b.Table, b.Object)
		if err == nil {
			err = s.forgetRefused(ctx, &b)
		}
	}
	if err == nil && to.Ended() {
		err = s.recountRefused(ctx, &b)
	}
	return b, err
}

// recountRefused counts what is left of the refused rows of the backfills of b's
// mapping that have ended: it may have sent some of them.
func (s *Store) recountRefused(ctx context.Context, b *checkpoint.Backfill) error {
	_, err := s.write.ExecContext(ctx, `UPDATE backfill SET refused = (SELECT count(*) FROM refused WHERE feed = ?1 || backfill.id)
		WHERE ended <> '' AND refused <> 0 AND schema = ?2 AND name = ?3 AND object = ?4 AND id <> ?5`, checkpoint.BackfillFeed, b.Schema, b.Table, b.Object, b.ID)
	return err
}

// forgetRefused forgets what earlier backfills of a mapping could not send: b has
// sent all of its rows anew, and has what it could not.
func (s *Store) forgetRefused(ctx context.Context, b *checkpoint.Backfill) error {
	const earlier = `schema = ?2 AND name = ?3 AND object = ?4 AND id < ?5`
	arguments := []any{checkpoint.BackfillFeed, b.Schema, b.Table, b.Object, b.ID}
	_, err := s.write.ExecContext(ctx, `DELETE FROM refused WHERE feed IN (SELECT ?1 || id FROM backfill WHERE `+earlier+`)`, arguments...)
	return err
}

// NoteProgress replaces what is counted of a backfill. It survives the death of
// the process, and the loss of power with the next synced Save.
func (s *Store) NoteProgress(ctx context.Context, id int64, p checkpoint.Progress) error {
	err := s.change(ctx, false, func(ctx context.Context) error {
		_, err := s.write.ExecContext(ctx, `UPDATE backfill SET rows = ?, objects = ?, refused = ?, estimate = ? WHERE id = ?`,
			p.Rows, p.Objects, p.Refused, p.Estimate, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("note progress of backfill %d: %w", id, explain(err))
	}
	return nil
}

// listBackfills lists the backfill id; all for 0.
func listBackfills(ctx context.Context, db querier, id int64) ([]checkpoint.Backfill, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+backfillColumns+` FROM backfill WHERE ?1 = 0 OR id = ?1 ORDER BY id`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Backfill
	for rows.Next() {
		b, err := scanBackfill(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
}

func scanBackfill(rows *sql.Rows) (checkpoint.Backfill, error) {
	var b checkpoint.Backfill
	var state, keys string
	var force int
	var times [4]string
	err := rows.Scan(&b.ID, &b.Mapping, &b.Schema, &b.Table, &b.Object, &state, &b.Where, &keys, &force,
		&times[0], &times[1], &times[2], &times[3], &b.Rows, &b.Objects, &b.Progress.Refused, &b.Estimate, &b.Err)
	if err != nil {
		return b, err
	}
	b.State, b.Force, b.Remove = checkpoint.BackfillState(state), force&1 != 0, force&2 != 0
	if err := json.Unmarshal([]byte(keys), &b.Keys); err != nil {
		return b, fmt.Errorf("keys: %w", errDamaged)
	}
	if len(b.Keys) == 0 {
		b.Keys = nil
	}
	for i, to := range []*time.Time{&b.Added, &b.Changed, &b.Started, &b.Ended} {
		if *to, err = parseTime(times[i]); err != nil {
			return b, err
		}
	}
	return b, nil
}

// forceOf is what the column force has.
func forceOf(b checkpoint.Backfill) (force int) {
	if b.Force {
		force |= 1
	}
	if b.Remove {
		force |= 2
	}
	return force
}

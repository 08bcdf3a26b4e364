package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// undone are the steps back, the newest version first: undone[0] makes a store of
// schemaVersion-1. What an older version does not know is taken away; its
// position, its parked objects, and what was settled, in flight and sent stay.
var undone = []string{undoVersionSix, undoVersionFive}

const (
	// undoVersionSix takes away what backfills need and what is paused, which that
	// release has not, and what identifies the latest transaction. What stands for settled changes goes,
	// too, where a mapping was stopped: that release would take it for all of them.
	undoVersionSix = `DROP TABLE cursors; DROP TABLE refused; DROP TABLE backfill; DROP TABLE known_mapping; DROP TABLE paused; DROP TABLE mapping_change; ALTER TABLE state DROP COLUMN latest;
		DELETE FROM settled_to WHERE stopped != ''; ALTER TABLE settled_to DROP COLUMN stopped; DROP TABLE lags`
	// undoVersionFive takes away the tables as they were seen, the gaps that were
	// accepted, what mappings have deleted lately, what stands for many settled
	// changes, and the transactions of parked objects.
	undoVersionFive = `DROP TABLE relations; DROP TABLE accepted; DROP TABLE deletions; DROP TABLE settled_to; ALTER TABLE parked DROP COLUMN xid`
)

// Downgrade rewrites the store at path for an older release, whose stores have
// version to, all the way or not at all. What that release does not know is lost,
// except in the copy of the store as it was, <file>.v6. Nothing that was
// delivered goes again, and nothing is left out.
//
// The store must not be in use. Errors say what to do.
func Downgrade(ctx context.Context, path string, to int64) error {
	if oldest := schemaVersion - int64(len(undone)); to < oldest || to >= schemaVersion {
		return fmt.Errorf("rewrite state file for store version %d: this release rewrites version %d for %d to %d only; give --to %d",
			to, schemaVersion, oldest, schemaVersion-1, schemaVersion-1)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("rewrite state file: %w", explain(err))
	}
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	err = s.downgrade(ctx, to)
	if err = errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("rewrite state file for store version %d: %w", to, explain(err))
	}
	return nil
}

func (s *Store) downgrade(ctx context.Context, to int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := copyBeside(ctx, s.write, s.path, schemaVersion); err != nil {
		return fmt.Errorf("keep a copy as %s: %w", copyPath(s.path, schemaVersion), err)
	}
	return inTransaction(ctx, s.write, func(tx *sql.Tx) error {
		for _, step := range undone[:schemaVersion-to] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", to))
		return err
	})
}

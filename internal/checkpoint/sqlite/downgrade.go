package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// undoVersionFive takes away what version 4 does not know: the tables as they
// were seen, the gaps that were accepted, what mappings have deleted lately, and
// the transactions of parked objects. Its position, its parked objects, and what
// was settled, in flight and sent are as version 4 has them.
const undoVersionFive = `DROP TABLE relations; DROP TABLE accepted; DROP TABLE deletions; DROP TABLE settled_to; ALTER TABLE parked DROP COLUMN xid`

// Downgrade rewrites the store at path for the release before this one, whose
// stores have version to, all the way or not at all. What that release does not
// know is lost, except in the copy of the store as it was, <file>.v5. Nothing
// that was delivered goes again, and nothing is left out.
//
// The store must not be in use. Errors say what to do.
func Downgrade(ctx context.Context, path string, to int64) error {
	if to != schemaVersion-1 {
		return fmt.Errorf("rewrite state file for store version %d: this release rewrites version %d for %d only; give --to %d",
			to, schemaVersion, schemaVersion-1, schemaVersion-1)
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
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version = %d", undoVersionFive, to))
		return err
	})
}

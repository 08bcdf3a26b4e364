package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// copyBeside keeps the store as it is, before a migration, in a file of its
// own: <file>.v4 for one of version 4. A release of that version takes it as
// its state file. A copy of an earlier migration from that version gives way: it
// is older than what is about to be changed.
func copyBeside(ctx context.Context, db *sql.Conn, path string, version int64) error {
	kept := copyPath(path, version)
	part := kept + ".part" // a kill may leave one
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// SQLite writes into an empty file, and leaves its mode as it is.
	if err := createFile(part); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, part); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := syncPath(part); err != nil {
		return err
	}
	if err := os.Rename(part, kept); err != nil {
		return fmt.Errorf("%w: move it away", err)
	}
	return syncPath(filepath.Dir(kept))
}

func copyPath(path string, version int64) string { return fmt.Sprintf("%s.v%d", path, version) }

// syncPath makes a file, or the entries of a directory, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

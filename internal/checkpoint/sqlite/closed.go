package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// notice closes the store to saves after an error that no later save of this
// life can fix. After a sync that failed the kernel may have dropped what was to
// be written, and will report the next sync as fine; a file that is damaged takes
// nothing until it is restored. It returns what the save ends with.
func (s *Store) notice(err error) error {
	switch c := code(err); {
	case c == sqlite3.SQLITE_IOERR_FSYNC, c == sqlite3.SQLITE_IOERR_DIR_FSYNC:
		s.broken = fmt.Errorf("%w, its disk could not be synced: %w", checkpoint.ErrClosed, err)
	case c&0xff == sqlite3.SQLITE_CORRUPT, c&0xff == sqlite3.SQLITE_NOTADB, errors.Is(err, errDamaged):
		s.broken = fmt.Errorf("%w: %w", checkpoint.ErrClosed, err)
	default:
		return err
	}
	return s.broken
}

// open returns an error when the store is closed to saves. What is to survive a
// loss of power has to be where the next process looks for it: a file that was
// moved away takes saves as before, and nobody ever finds them.
func (s *Store) open(sync bool) error {
	if s.broken != nil || !sync {
		return s.broken
	}
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.broken = fmt.Errorf("%w: the file was moved away or removed while it is in use: put it back, or restore it from a copy, and start again", checkpoint.ErrClosed)
	case err == nil && !os.SameFile(info, s.file):
		s.broken = fmt.Errorf("%w: another file was put in its place while it is in use: see that the right one is there, and start again", checkpoint.ErrClosed)
	}
	return s.broken
}

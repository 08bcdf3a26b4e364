package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// writeLogAnew writes the log that an earlier life has left once more, as it is,
// and syncs it. That life may have ended as a sync failed. The log reads well
// then, out of memory, and the kernel reports any later sync as fine, but what was
// lost on its way to the disk is not there, and nothing that is saved behind it
// would be found after a loss of power. What is written anew is.
func (s *Store) writeLogAnew(ctx context.Context) error {
	if leftLog(s.path) == 0 {
		return nil
	}
	// Nobody else writes to the log meanwhile.
	if _, err := s.write.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("lock the file: %w", err)
	}
	err := writeAnew(s.path + "-wal")
	if _, rollback := s.write.ExecContext(ctx, `ROLLBACK`); err == nil {
		err = rollback
	}
	if err != nil {
		return fmt.Errorf("write the log anew: %w", err)
	}
	writtenAnew(s.path + "-wal")
	return nil
}

// writtenAnew lets tests know.
var writtenAnew = func(string) {}

// writeAnew puts the bytes of a file in their own place, and syncs them.
func writeAnew(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for at := int64(0); ; {
		n, err := f.ReadAt(buf, at)
		if n > 0 {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		at += int64(n)
	}
}

// leftLog returns the size of the log that a killed life has left: lives that are
// killed again and again must not each add to it.
func leftLog(path string) int {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0
	}
	return int(info.Size())
}

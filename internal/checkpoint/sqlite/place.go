package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Place reports whether a store can be kept at path, without making one: its
// directory must be there and take files, and a file that is there must be
// ours to write. The error says what to do.
func Place(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist: create it, or correct `state`", dir)
	case err != nil:
		return fmt.Errorf("%w: let this user into the directory %s, or correct `state`", err, dir)
	case !info.IsDir():
		return fmt.Errorf("%s is no directory: correct `state`", dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("this user may not write in the directory %s (%w): change its owner or mode, or correct `state`", dir, err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := prepareFile(path); err != nil {
		return err
	}
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("this user may not write the file %s (%w): change its owner or mode, or correct `state`", path, err)
	}
	return nil
}

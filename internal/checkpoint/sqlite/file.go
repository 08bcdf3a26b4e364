package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// prepareFile makes sure that path is a file only its owner can read, and
// creates it empty where it is missing.
func prepareFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return createFile(path)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory: give the path of a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: give the path of a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s holds row values and may be read by others (mode %04o): run chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	return nil
}

// createFile creates path, and makes its directory entry durable: SQLite syncs
// the file and its log, but not the directory of a file that it finds.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster; the lock decides
	}
	if err != nil {
		return explainCreate(path, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

func explainCreate(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: create the directory %s first", err, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let this user write in the directory %s", err, dir)
	}
	return err
}

// lock is held while a Store is open. It is advisory (flock) and goes with the
// process, however that ends, so it never has to be removed by hand.
type lock struct{ file *os.File }

// ErrInUse is of a file that another process has open.
var ErrInUse = errors.New("in use by another cdcsync")

// takeLock locks path, a file beside the store that is never removed: removing
// it would let two processes hold locks on two files of one name.
func takeLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explainCreate(path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w%s: stop that one, or give this one a state file of its own", ErrInUse, holder(f))
	}
	if err == nil {
		err = writeHolder(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &lock{file: f}, nil
}

// release gives the lock up.
func (l *lock) release() error { return l.file.Close() }

// holder names the process that holds the lock, as far as it left its name.
func holder(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

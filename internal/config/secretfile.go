package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSecret is the largest file of a secret, in bytes.
const maxSecret = 64 << 10

// secretFile returns a Secret that is read from path each time. credentials
// is $CREDENTIALS_DIRECTORY, where the service manager guards the files and
// their modes do not matter; "" for none.
func secretFile(path, credentials string) Secret {
	return Secret{func() (string, error) { return readSecret(path, credentials) }}
}

func readSecret(path, credentials string) (string, error) {
	data, info, err := readRegular(path, maxSecret)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && !within(path, credentials) {
		return "", fmt.Errorf("%s has mode %04o, so that others can read or write it; run: chmod 600 %s (or keep it under $CREDENTIALS_DIRECTORY)", path, mode, path)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		return "", fmt.Errorf("%s is empty; write the secret into it", path)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", fmt.Errorf("%s holds a zero byte; write the secret as text", path)
	}
	return string(data), nil
}

// within reports whether path lies under directory.
func within(path, directory string) bool {
	if directory == "" {
		return false
	}
	relative, err := filepath.Rel(directory, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

// readRegular reads a regular file of at most limit bytes. Anything else, a
// FIFO for one, is refused without waiting for it.
func readRegular(path string, limit int) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("stat %s: %w", path, err)
	}
	switch {
	case info.IsDir():
		return nil, nil, fmt.Errorf("%s is a directory; name a file", path)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is no regular file; name a file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > limit {
		return nil, nil, fmt.Errorf("%s is larger than %d KiB; is it the right file?", path, limit>>10)
	}
	return data, info, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist; correct the path or create the file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user; correct its owner or mode", path)
	}
	return fmt.Errorf("open %s: %w", path, errors.Unwrap(err))
}

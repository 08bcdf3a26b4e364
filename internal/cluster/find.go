package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is returned by Find and Start when this machine has no
// PostgreSQL server programs.
var ErrNotInstalled = errors.New("no PostgreSQL server programs (initdb, postgres) found; " +
	"install them with `apt-get install postgresql` or `brew install postgresql`, " +
	"or name their directory in CDCSYNC_PG_BIN")

// places are the directories, as glob patterns, where packages put the server
// programs without putting them on PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/usr/pgsql-*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Find returns the directory of the server programs: the one named by
// CDCSYNC_PG_BIN, else the one on PATH, else the newest in the usual places.
func Find() (string, error) {
	if dir := os.Getenv("CDCSYNC_PG_BIN"); dir != "" {
		if !complete(dir) {
			return "", fmt.Errorf("CDCSYNC_PG_BIN names %s, which does not hold initdb and postgres; correct or unset it", dir)
		}
		return dir, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil && complete(filepath.Dir(path)) {
		return filepath.Dir(path), nil
	}
	found, err := installed()
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", ErrNotInstalled
	}
	return newest(found), nil
}

// installed returns the directories in the usual places that hold server
// programs.
func installed() ([]string, error) {
	var found []string
	for _, pattern := range places {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("look for server programs in %s: %w", pattern, err)
		}
		found = append(found, slices.DeleteFunc(dirs, func(dir string) bool { return !complete(dir) })...)
	}
	return found, nil
}

// complete reports whether dir holds both programs that a Cluster needs.
func complete(dir string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		info, err := os.Stat(filepath.Join(dir, program))
		if err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// newest returns the directory whose path holds the highest version.
func newest(dirs []string) string {
	return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
}

// version reads the number out of paths such as /usr/lib/postgresql/15/bin and
// /opt/homebrew/opt/postgresql@17/bin; 0 when there is none.
func version(dir string) float64 {
	name := filepath.Base(filepath.Dir(dir))
	start := strings.IndexAny(name, "0123456789")
	if start < 0 {
		return 0
	}
	v, err := strconv.ParseFloat(name[start:], 64)
	if err != nil {
		return 0
	}
	return v
}

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// FindVersion returns the directory of the server programs of one major
// version: the usual places of packages, then the cache of scripts/postgres.
// An error is ErrNotInstalled, with how to get them.
func FindVersion(major int) (string, error) {
	dirs, err := installed()
	if err != nil {
		return "", err
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return int(version(dir)) != major })
	if len(dirs) > 0 {
		return dirs[0], nil
	}
	if dir := cached(major); dir != "" && complete(dir) {
		return dir, nil
	}
	return "", fmt.Errorf("PostgreSQL %d: %w; or run scripts/postgres %d", major, ErrNotInstalled, major)
}

// cached returns where scripts/postgres puts the programs of a version; empty
// when there is no home.
func cached(major int) string {
	root := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if root, err = os.UserCacheDir(); err != nil {
			return ""
		}
	}
	return filepath.Join(root, "cdcsync", "postgres", strconv.Itoa(major), "bin")
}

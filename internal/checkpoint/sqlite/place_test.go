package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func TestPlace(t *testing.T) {
	directory := t.TempDir()
	file, readOnly, open := filepath.Join(directory, "file"), filepath.Join(directory, "read-only"), filepath.Join(directory, "open")
	for path, mode := range map[string]os.FileMode{file: 0o600, open: 0o644} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{filepath.Join(directory, "new.db"), ""},
		{file, ""},
		{filepath.Join(directory, "none", "new.db"), "none does not exist: create it, or correct `state`"},
		{filepath.Join(file, "new.db"), "file is no directory: correct `state`"},
		{directory, "is a directory: give the path of a file in it"},
		{open, "run chmod 600"},
	}
	if os.Geteuid() != 0 { // root may write anywhere
		tests = append(tests, struct{ path, want string }{filepath.Join(readOnly, "new.db"), "may not write in the directory"})
	}
	for _, tt := range tests {
		err := sqlite.Place(tt.path)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.path, err, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(directory, "new.db")); !os.IsNotExist(err) {
		t.Error("looking has made a file")
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func TestStateDowngrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"state", "downgrade", path}, 2, "--to"},
		{[]string{"state", "downgrade", "--to", "4"}, 2, "the state file"},
		{[]string{"state", "downgrade", "--to", "3", path}, 1, "give --to 5"},
		{[]string{"state", "downgrade", "--to", "4", path + ".none"}, 1, "no such file"},
		{[]string{"state", "downgrade", "--to", "5", path}, 0, "has store version 5 now"},
	} {
		output, mistake, code := command(t, tt.args...)
		if code != tt.code || !strings.Contains(output+mistake, tt.want) {
			t.Errorf("%q: exit code %d, want %d with %q: %s", tt.args, code, tt.code, tt.want, output+mistake)
		}
	}
	if _, err := os.Stat(path + ".v6"); err != nil {
		t.Errorf("no copy was kept: %v", err)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// There is a page for each command, with its flags and its examples.
func TestMan(t *testing.T) {
	dir := t.TempDir()
	if output, mistake, code := command(t, "man", dir); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, output, mistake)
	}
	each(rootCommand(), func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c.Name() != "cdcsync" || strings.Contains(c.CommandPath(), " completion") {
			return
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		want := []string{".TH ", c.Short[:8]}
		if c.Example != "" {
			want = append(want, ".SH EXAMPLE")
		}
		if c.HasAvailableFlags() {
			want = append(want, ".SH OPTIONS")
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s has no %q", name, w)
			}
		}
	})
	if _, mistake, code := command(t, "man", filepath.Join(dir, "none")); code != 2 || !strings.Contains(mistake, "no directory") {
		t.Errorf("exit code %d of a directory that is not there: %s", code, mistake)
	}
}

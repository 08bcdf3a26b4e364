package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
)

func readme(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The configuration in the README is one.
func TestReadmeConfiguration(t *testing.T) {
	_, text, _ := strings.Cut(readme(t), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("the README has no configuration")
	}
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, func(name string) (string, bool) {
		value, ok := map[string]string{"DATABASE_URL": "postgres://cdcsync@localhost/shop", "MARKETO_CLIENT_ID": "id", "MARKETO_CLIENT_SECRET": "s"}[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

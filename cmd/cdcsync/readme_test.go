package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// The README lists the commands there are, and its links lead somewhere.
func TestReadmeCommandsAndLinks(t *testing.T) {
	text := readme(t)
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(text, -1) {
		got = append(got, m[1])
	}
	for _, c := range rootCommand().Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			want = append(want, c.Name())
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the README lists the commands %v, there are %v", got, want)
	}
	for _, m := range regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
			t.Errorf("the README links to %s: %v", m[1], err)
		}
	}
}

// Every page of the documentation is linked, its links lead somewhere, and no
// place is left to be filled in.
func TestDocumentationIsWhole(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	text := readme(t)
	for _, file := range files {
		if !strings.Contains(text, "](docs/"+filepath.Base(file)+")") {
			t.Errorf("the README does not link %s", filepath.Base(file))
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`@@\w*@@|TODO|FIXME|XXX`).FindAllString(string(data), -1) {
			t.Errorf("%s has %s", filepath.Base(file), m)
		}
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(data), -1) {
			if _, err := os.Stat(filepath.Join("..", "..", "docs", m[1])); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(file), m[1], err)
			}
		}
	}
}

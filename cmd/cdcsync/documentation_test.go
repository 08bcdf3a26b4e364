package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is where the README is.
var root = filepath.Join("..", "..")

// page reads a page of the documentation, named as seen from the README.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages lists the pages of the documentation without the runbooks, as seen from
// the README.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	names := []string{"README.md"}
	for _, file := range files {
		names = append(names, "docs/"+filepath.Base(file))
	}
	return names
}

// docs/commands.md lists the commands there are.
func TestCommandsAreDocumented(t *testing.T) {
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(page(t, "docs/commands.md"), -1) {
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
		t.Errorf("docs/commands.md lists the commands %v, there are %v", got, want)
	}
}

// Every page is in the index, every link leads to a file and a heading that are
// there, and no place is left to be filled in.
func TestDocumentationIsWhole(t *testing.T) {
	index := page(t, "docs/README.md")
	names := pages(t)
	for _, name := range names {
		if base := filepath.Base(name); base != "README.md" && !strings.Contains(index, "]("+base+")") {
			t.Errorf("docs/README.md does not link %s", base)
		}
	}
	if readme := page(t, "README.md"); strings.Count(readme, "\n") > 120 || !strings.Contains(readme, "](docs/README.md)") {
		t.Errorf("the README has %d lines, and links to the index, or not", strings.Count(readme, "\n"))
	}
	runbooks, err := filepath.Glob(filepath.Join(root, "docs", "runbooks", "*.md"))
	if err != nil || runbooks == nil {
		t.Fatal(runbooks, err)
	}
	for _, file := range runbooks {
		names = append(names, "docs/runbooks/"+filepath.Base(file))
	}
	for _, name := range append(names, "CHANGELOG.md", "CONTRIBUTING.md") {
		text := page(t, name)
		for _, m := range regexp.MustCompile(`@@\w*@@|TODO|FIXME|XXX`).FindAllString(text, -1) {
			t.Errorf("%s has %s", name, m)
		}
		for _, m := range regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(text, -1) {
			target := name
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(name), m[1])
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			} else if m[2] != "" && !slices.Contains(headings(page(t, target)), m[2]) {
				t.Errorf("%s links to %s, which has no heading %s", name, target, m[2])
			}
		}
	}
}

// headings lists what links may name in a page, as GitHub makes it of headings.
func headings(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

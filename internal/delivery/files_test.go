package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryFileIsInTheArchitecture: docs/architecture.md says where each rule is.
func TestEveryFileIsInTheArchitecture(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## The machine, file by file")
	table, _, _ = strings.Cut(table, "\n## ")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, name := range files {
		have[name] = true
		if !strings.HasSuffix(name, "_test.go") && !strings.Contains(table, "`"+name+"`") {
			t.Errorf("docs/architecture.md does not say what %s is for", name)
		}
	}
	for _, word := range strings.Split(table, "`") {
		if strings.HasSuffix(word, ".go") && !have[word] {
			t.Errorf("docs/architecture.md names %s, which is not there", word)
		}
	}
}

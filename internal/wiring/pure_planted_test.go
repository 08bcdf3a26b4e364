package wiring_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What must not be is planted in pure packages, and in packages of ours below
// them, and found there: the same two lists that the tests above go by.
func TestPlantedImpurityIsFound(t *testing.T) {
	const other = "internal/planted/planted.go" // a package that there is not
	driver, network := `import _ "github.com/jackc/pgx/v5"`, `import _ "net/http"`
	clock := `import "time"; func Planted() time.Time { return time.Now() }`
	through := `import _ "` + module + `planted"`
	for _, test := range []struct {
		name string
		// in is the pure package that must not be any more.
		in      string
		planted map[string]string // code by file
		want    string
	}{
		{"a driver", "delivery", map[string]string{"internal/delivery/planted.go": driver}, module + "delivery imports github.com/jackc/pgx/v5"},
		{"a metrics library", "checkpoint", map[string]string{"internal/checkpoint/planted.go": `import _ "github.com/prometheus/client_golang/prometheus"`},
			module + "checkpoint imports github.com/prometheus/client_golang/prometheus"},
		{"the network", "marketo", map[string]string{"internal/marketo/planted.go": network}, module + "marketo imports net/http"},
		{"a driver in a package of ours", "delivery", map[string]string{"internal/spelling/planted.go": driver}, module + "spelling imports github.com/jackc/pgx/v5"},
		{"a driver in a new package of ours", "delivery", map[string]string{"internal/delivery/planted.go": through, other: driver}, module + "planted imports github.com/jackc/pgx/v5"},
		{"a package of ours that carries out", "mapping", map[string]string{"internal/mapping/planted.go": `import _ "` + module + `replication"`}, module + "replication imports net"},
		{"a clock", "delivery", map[string]string{"internal/delivery/planted.go": clock}, module + "delivery/planted.go: line 1 uses time.Now"},
		{"a clock in a package of ours", "delivery", map[string]string{"internal/spelling/planted.go": clock}, module + "spelling/planted.go: line 1 uses time.Now"},
		{"a clock in a new package of ours", "delivery", map[string]string{"internal/delivery/planted.go": through, other: clock}, module + "planted/planted.go: line 1 uses time.Now"},
		{"a goroutine", "pgoutput", map[string]string{"internal/pgoutput/planted.go": `func init() { go func() {}() }`}, module + "pgoutput/planted.go: line 1 starts a goroutine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flag, texts := overlay(t, test.planted)
			made := madeOf(t, test.in, flag)
			found := append(leaks(made), stainsOf(t, made, texts)...)
			if all := strings.Join(found, "\n"); !strings.Contains(all+"\n", test.want+"\n") {
				t.Errorf("no %q in:\n%s", test.want, all)
			}
		})
	}
}

// overlay returns the flag by which the go command takes code for files of the
// module, and what stands in each.
func overlay(t *testing.T, planted map[string]string) (flag string, texts map[string]string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, texts := t.TempDir(), make(map[string]string)
	replace := make(map[string]string)
	for file, code := range planted {
		full := filepath.Join(root, file)
		texts[full] = "package " + filepath.Base(filepath.Dir(file)) + "; " + code
		replace[full] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(replace[full], []byte(texts[full]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return "-overlay=" + list, texts
}

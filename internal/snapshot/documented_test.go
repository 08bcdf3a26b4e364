package snapshot_test

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// The list for operators is as true as the code: no metric and no state is
// missing from it, and none is there that does not exist.
func TestMetricsAndStatesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range []string{"metrics.go", "calls.go", "source.go", "mapping.go", "backfill.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	names := func(pattern, text string) []string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, cmp.Or(m[1:]...))
		}
		slices.Sort(found)
		return found
	}
	build, err := os.ReadFile("../version/version.go")
	if err != nil {
		t.Fatal(err)
	}
	want := append(names(`(?:gauge|counter|flag|labelled|ofMapping)\("([a-z_]+)"|NewDesc\("cdcsync_"\+"([a-z_]+)"`, code.String()), names(`Name: "cdcsync_([a-z_]+)"`, string(build))...)
	slices.Sort(want)
	got := names("(?m)^\\| `cdcsync_([a-z_]+)` \\|", string(docs))
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("metrics: in docs/metrics.md are %q,\nthere are %q", got, want)
	}
	for _, c := range delivery.Conditions {
		if !strings.Contains(string(page), "\n| `"+string(c)+"` | ") {
			t.Errorf("state %s is not in docs/status.md", c)
		}
	}
}

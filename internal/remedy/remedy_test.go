package remedy

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Whatever docs/parked.md names as a code of parked objects has words here.
func TestEveryDocumentedCode(t *testing.T) {
	docs, err := os.ReadFile("../../docs/parked.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "\n| code | means | what to do |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows, codes := 0, regexp.MustCompile("`([a-z_0-9-]+)`")
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for _, m := range codes.FindAllStringSubmatch(cell, -1) {
			rows++
			if _, ok := remedies[m[1]]; !ok {
				t.Errorf("no words on %s", m[1])
			}
		}
	}
	if rows < 8 {
		t.Errorf("only %d codes in the table", rows)
	}
}

// Marketo's codes of single records that are not refusals are told so.
func TestMarketosCodes(t *testing.T) {
	for n := 1001; n <= 1036; n++ {
		code := strconv.Itoa(n)
		r, known := remedies[code]
		outcome, _ := marketo.RecordOutcome(marketo.Upsert, code)
		switch {
		case outcome == marketo.Wait && r.Who != Nobody:
			t.Errorf("%s is tried again by itself, and %s has to do something", code, r.Who)
		case outcome == marketo.Retry && !known:
			t.Errorf("no words on %s", code)
		}
	}
	for code, r := range remedies {
		if r.Do == "" || strings.HasSuffix(r.Do, ".") || !strings.ContainsAny(r.Do, ":;") {
			t.Errorf("%s: %q", code, r.Do)
		}
	}
	if For("") != remedies["-"] || For("1999").Who != Marketo {
		t.Error("codes that are not known, or not there")
	}
}

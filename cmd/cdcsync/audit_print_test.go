package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/audit"
)

// TestAuditTellsWhatItDoesNotLookFor: what was not looked for is not told as none.
func TestAuditTellsWhatItDoesNotLookFor(t *testing.T) {
	none := 0
	a := audited{Mappings: []audit.Tally{
		{Mapping: "asked", Method: audit.ByQuery, ExtraUnknown: "only an extract shows them (--by extract)"},
		{Mapping: "taken", Method: audit.ByExtract, Extra: &none},
	}}
	text := a.text()
	for _, want := range []string{
		"asked    query       0         0        0          0      -        0        0\n",
		"taken    extract     0         0        0          0      0        0        0\n",
		"asked: objects without any row were not looked for: only an extract shows them (--by extract)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "taken: objects without") {
		t.Errorf("an extract looks for them:\n%s", text)
	}
	encoded, err := json.Marshal(a.Mappings)
	if err != nil || !strings.Contains(string(encoded), `"extra":null`) || !strings.Contains(string(encoded), `"extra":0`) {
		t.Errorf("%v: %s", err, encoded)
	}
}

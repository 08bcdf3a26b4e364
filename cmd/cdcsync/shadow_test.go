package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/shadow"
)

// TestShadowSaysWhatItDoesNotKnow: without statistics the changes of a day are not
// known, and of a time without changes nothing follows.
func TestShadowSaysWhatItDoesNotKnow(t *testing.T) {
	text := func(changes int64, counted time.Duration) string {
		return shadowText(shadow.Of([]shadow.Seen{{Mapping: "visits", Changes: changes}}, noon, time.Minute, counted, 300, marketo.Limits{}, 0))
	}
	const unknown, none = "how many changes a day has is not known, as PostgreSQL does not say since when it counts", "no mapped row changed in that time: watch for longer"
	if got := text(0, 0); !strings.Contains(got, unknown) || !strings.Contains(got, none) || strings.Contains(got, "?") {
		t.Errorf("without statistics and changes:\n%s", got)
	}
	if got := text(7, time.Hour); strings.Contains(got, unknown) || strings.Contains(got, none) {
		t.Errorf("with both:\n%s", got)
	}
}

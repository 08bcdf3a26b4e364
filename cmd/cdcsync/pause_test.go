package main

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// TestPauseTellsNothingTwice: what was paused just now is named once; of what was
// paused before it is said since when.
func TestPauseTellsNothingTwice(t *testing.T) {
	before := admin.PausedMapping{Name: "items", Since: noon.Add(-2 * time.Hour), Command: "cdcsync pause items", Reason: "type is fixed"}
	answer := admin.Paused{Changed: []string{"orders"}, Paused: []admin.PausedMapping{before, {Name: "orders", Since: noon, Command: "cdcsync pause orders"}}}
	const want = "paused: orders\nitems is paused since 2026-03-01 10:00:00 UTC (2h 0m), by cdcsync pause items: type is fixed\n"
	if got := changedText(answer, "paused", noon); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	answer.Changed = nil
	const none = "nothing was changed\nitems is paused since 2026-03-01 10:00:00 UTC (2h 0m), by cdcsync pause items: type is fixed\n" +
		"orders is paused since 2026-03-01 12:00:00 UTC, by cdcsync pause orders\n"
	if got := changedText(answer, "paused", noon.Add(2*time.Millisecond)); got != none {
		t.Errorf("got %q, want %q", got, none)
	}
}

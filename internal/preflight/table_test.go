package preflight_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/preflight"
)

func TestRowsAreGrouped(t *testing.T) {
	for estimate, want := range map[float64]string{-1: "never analysed", 0: "about 0 rows", 1: "about 1 row", 999: "about 999 rows", 5000: "about 5,000 rows", 1234567: "about 1,234,567 rows"} {
		if got := preflight.Rows(estimate); got != want {
			t.Errorf("%v: got %q, want %q", estimate, got, want)
		}
	}
}

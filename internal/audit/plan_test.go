package audit

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// What was changed at any moment since the type was made is in a window, fractions of
// a second included.
func TestWindowsLeaveNoMomentOut(t *testing.T) {
	created := time.Date(2024, 2, 29, 12, 0, 0, 500, time.UTC)
	now := created.AddDate(0, 7, 3)
	all := windows(created, now)
	if len(all) < 7 || all[0].from.After(created) || all[len(all)-1].to.Before(now) {
		t.Fatalf("%d windows, %v", len(all), all)
	}
	for i, w := range all {
		if w.to.Sub(w.from) > marketo.LongestExtract || i > 0 && w.from.After(all[i-1].to) {
			t.Errorf("window %d: %v", i, w)
		}
	}
}

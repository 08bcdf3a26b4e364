package daemon

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Calls that a killed life left under way on another day may have left today:
// they count before the pipeline is there, too.
func TestLimiterCountsCallsOfTheLastLife(t *testing.T) {
	now := time.Now()
	state := checkpoint.State{
		Quota:    checkpoint.Quota{Day: marketo.QuotaDay(now.Add(-48 * time.Hour)), Calls: 7},
		InFlight: []checkpoint.Call{{ID: 1}, {ID: 2}},
	}
	quota := Limiter(config.Default().Marketo, state, now).Snapshot()
	if quota.Calls != 2 || len(quota.Starts) != 2 {
		t.Errorf("got %d calls of the day and %d in the window, want 2 and 2", quota.Calls, len(quota.Starts))
	}
}

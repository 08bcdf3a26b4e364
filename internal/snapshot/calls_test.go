package snapshot

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

func TestForecast(t *testing.T) {
	noon := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC) // in US Central, where the day has 12 hours left
	resets := noon.Add(12 * time.Hour)
	for _, tt := range []struct {
		name         string
		calls, limit int
		resets       time.Time
		want         time.Duration // after noon; 0 for none
	}{
		{"half a day, half of them", 5000, 10000, resets, 0},
		{"half a day, four fifths of them", 8000, 10000, resets, 3 * time.Hour},
		{"used up", 10000, 10000, resets, 0},
		{"no limit", 8000, 0, resets, 0},
		{"none yet", 0, 10000, resets, 0},
		{"too early to say", 800, 10000, noon.Add(24*time.Hour - 20*time.Minute), 0},
	} {
		got := usedUp(tt.calls, tt.limit, noon, tt.resets)
		if (got != nil) != (tt.want != 0) || got != nil && !got.Equal(noon.Add(tt.want)) {
			t.Errorf("%s: %v, want %s after noon", tt.name, got, tt.want)
		}
	}
	others := 5500
	c := Calls{Today: 2500, Limit: 10000, Resets: resets}
	c.forecast(Settings{Instance: 10000, Others: &others, OthersAt: noon.Add(-time.Minute)}, noon)
	if c.UsedUp != nil || c.InstanceUsedUp == nil || !c.InstanceUsedUp.Equal(noon.Add(3*time.Hour)) || *c.Others != 5500 {
		t.Errorf("with those of others: %+v", c)
	}
	c = Calls{Today: 2500, Limit: 10000, Resets: resets}
	c.forecast(Settings{Instance: 10000, Others: &others, OthersAt: noon.Add(-13 * time.Hour)}, noon)
	if c.Others != nil || c.InstanceUsedUp != nil {
		t.Errorf("what others made on the day before counts: %+v", c)
	}
}

// Calls that carry rows of a backfill, or parked objects again, are not the cost of the
// few changes beside them.
func TestCallsPerChange(t *testing.T) {
	r := delivery.Report{Mappings: make([]delivery.MappingReport, 1), Source: delivery.SourceReport{Rows: make([]delivery.RowReport, 1)}}
	r.Calls, r.Source.Rows[0].Updates = 24, 3
	r.Mappings[0].Offered, r.Mappings[0].Retried = 4790, 7
	if got := callsOf(r, Settings{}, time.Now()).PerChange; got == nil || *got != 5 {
		t.Errorf("calls for 1,000 changes: %v, want 5", got)
	}
}

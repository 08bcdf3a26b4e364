package shadow

import (
	"math"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// An hour is watched of days whose calls are known.
func TestEstimate(t *testing.T) {
	changes := func(n float64) *float64 { return &n }
	for _, tt := range []struct {
		name string
		seen Seen
		want float64
	}{
		{"nothing", Seen{}, 0},
		{"an even day, without statistics", Seen{Changes: 3600, Calls: Calls{Calls: 3600, Objects: 3600}}, 86400},
		{"an even day", Seen{Changes: 3600, Calls: Calls{Calls: 3600, Objects: 3600}, Day: changes(86400)}, 86400},
		{"hot keys: ten changes to an object, a call a second", Seen{Changes: 360_000, Merged: 324_000, Calls: Calls{Calls: 3600, Objects: 36_000}, Day: changes(8_640_000)}, 86400},
		{"appends that fill their calls", Seen{Changes: 1_080_000, Calls: Calls{Calls: 3600, Objects: 1_080_000, Full: 3600, FullObjects: 1_080_000}, Day: changes(25_920_000)}, 86400},
		{"a load at night that was not seen", Seen{Changes: 3600, Calls: Calls{Calls: 3600, Objects: 3600}, Day: changes(86_400 + 300_000)}, 86_400 + 1000},
		{"a load at night that was seen", Seen{Changes: 303_600, Calls: Calls{Calls: 4600, Objects: 303_600, Full: 1000, FullObjects: 300_000}, Day: changes(86_400 + 300_000)}, 86_400 + 1000},
		{"a load at night, and nothing else", Seen{Day: changes(300_000)}, 1000},
		{"half of a load is left out by where", Seen{Changes: 100, Filtered: 50, Calls: Calls{Calls: 50, Objects: 50}, Day: changes(2400 + 300_000)}, 1200 + 500},
		{"the busy hour of a quiet day", Seen{Changes: 3600, Calls: Calls{Calls: 3600, Objects: 3600}, Day: changes(7200)}, 7200},
	} {
		e := Of([]Seen{tt.seen}, time.Now(), time.Hour, 7*day, 300, marketo.Limits{CallsPer20s: 50}, 50_000)
		if math.Abs(e.CallsDay-tt.want) > 0.001*tt.want {
			t.Errorf("%s: %.0f calls a day, want %.0f", tt.name, e.CallsDay, tt.want)
		}
		if math.Abs(e.Share-e.CallsDay/50_000) > 1e-9 || math.Abs(e.Hours-e.CallsDay/9000) > 1e-9 {
			t.Errorf("%s: share %v, hours %v of %v", tt.name, e.Share, e.Hours, e.CallsDay)
		}
	}
}

package pipeline

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestDistanceTellsTheRates(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name string
		// ends, saved and safe are per ten seconds.
		ends, saved, safe []int64
		want              delivery.SlotLag
	}{
		{"nothing known yet", []int64{10}, []int64{0}, []int64{5}, delivery.SlotLag{}},
		{"catching up", []int64{100, 100, 100}, []int64{0, 10, 20}, []int64{50, 50, 50}, delivery.SlotLag{CatchUp: 80 * time.Second}},
		{"catching up with more", []int64{100, 105, 110}, []int64{0, 10, 20}, []int64{50, 45, 40}, delivery.SlotLag{CatchUp: 180 * time.Second, Drop: 80 * time.Second}},
		{"growing", []int64{100, 120, 140}, []int64{0, 10, 20}, []int64{50, 55, 60}, delivery.SlotLag{Growing: true}},
		{"as fast as it grows", []int64{100, 110, 120}, []int64{0, 10, 20}, nil, delivery.SlotLag{}},
		{"no lag", []int64{100, 110, 120}, []int64{100, 110, 120}, nil, delivery.SlotLag{}},
		{"standing", []int64{100, 100, 100}, []int64{50, 50, 50}, nil, delivery.SlotLag{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d slotLag
			var saved delivery.LSN
			for i := range tt.ends {
				l := sample{at: began.Add(time.Duration(i) * 10 * time.Second), end: delivery.LSN(tt.ends[i] * mib), saved: delivery.LSN(tt.saved[i] * mib)}
				if tt.safe != nil {
					safe := tt.safe[i] * mib
					l.safe = &safe
				}
				saved = l.saved
				d.add(l)
			}
			got := d.report(saved)
			got.At, got.Safe = time.Time{}, nil
			if got.CatchUp = got.CatchUp.Round(time.Second); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What the server had at a look is current once it was received; while more is
// known to be there, and nothing comes, it is silent.
func TestDistanceFollowsTheServer(t *testing.T) {
	var d slotLag
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	check := func(now int, received, wantEnd delivery.LSN, wantCurrent, wantSilent time.Time) {
		t.Helper()
		end, current, silent := d.advance(at(now), received)
		if end != wantEnd || !current.Equal(wantCurrent) || !silent.Equal(wantSilent) {
			t.Errorf("after %d s: got %s, %s, %s; want %s, %s, %s", now, end, current, silent, wantEnd, wantCurrent, wantSilent)
		}
	}
	never := time.Time{}
	check(0, 10, 10, never, never)
	d.add(sample{at: at(1), end: 20})
	check(2, 10, 20, never, at(1))
	check(3, 15, 20, never, at(3))
	d.add(sample{at: at(30), end: 30})
	check(31, 15, 30, never, at(3))
	check(32, 25, 30, at(1), at(32))
	check(33, 40, 40, at(30), never)

	report := delivery.Report{Source: delivery.SourceReport{Connected: true, Silent: at(0)}}
	for now, want := range map[int]int{29: 0, 31: 1} {
		if got := len(silentObstacles(report, at(now))); got != want {
			t.Errorf("after %d s of silence: %d obstacles, want %d", now, got, want)
		}
	}
	report.Pending = 1
	if silentObstacles(report, at(100)) != nil {
		t.Error("the machine has work, which says what is waited for")
	}
}

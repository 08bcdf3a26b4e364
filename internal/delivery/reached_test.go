package delivery

import "testing"

func TestReached(t *testing.T) {
	well := Report{Settled: 100, Source: SourceReport{Connected: true, Timeline: 2}}
	tests := []struct {
		name   string
		place  Place
		change func(*Report)
		want   Reach
	}{
		{"settled", Place{LSN: 100}, nil, Reached},
		{"settled, on the same timeline", Place{LSN: 99, Timeline: 2}, nil, Reached},
		{"not settled", Place{LSN: 101}, nil, NotYet},
		{"of a timeline that is not the server's any more", Place{LSN: 50, Timeline: 1}, nil, OtherHistory},
		{"of a timeline that the server does not have yet", Place{LSN: 50, Timeline: 3}, nil, NotYet},
		{"before the first connection", Place{LSN: 50}, func(r *Report) { r.Source = SourceReport{} }, NotYet},
		{"connected, to nobody knows what", Place{LSN: 50}, func(r *Report) { r.Source.Timeline = 0 }, NotYet},
		{"not connected", Place{LSN: 50, Timeline: 2}, func(r *Report) { r.Source.Connected = false }, NotYet},
		{"not connected, and of another timeline", Place{LSN: 50, Timeline: 1}, func(r *Report) { r.Source.Connected = false }, NotYet},
		{"a table is not published", Place{LSN: 50}, func(r *Report) { r.Misfits = []Obstacle{{Condition: Unfit}} }, NotYet},
		{"rows were taken without a word", Place{LSN: 50}, func(r *Report) { r.Misfits = []Obstacle{{Condition: Halted}} }, NotYet},
		{"commits wait for this program", Place{LSN: 50}, func(r *Report) { r.Misfits = []Obstacle{{Condition: Synchronous}} }, Reached},
		{"reading has halted behind it", Place{LSN: 50}, func(r *Report) { r.Source.Halted = true }, Reached},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := well
			if tt.change != nil {
				tt.change(&r)
			}
			if got := r.Reached(tt.place); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

package delivery

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

func TestConditionAndFreshness(t *testing.T) {
	commit, lost := epoch.Add(-time.Minute), epoch.Add(-time.Hour)
	read := SourceReport{Connected: true, Received: 20, Server: 20}
	tests := []struct {
		name      string
		report    Report
		want      Condition
		ready     bool
		freshness time.Time
	}{
		{"all read and settled", Report{Source: read}, Current, true, epoch},
		{"changes pending", Report{Source: read, Pending: 3, Through: commit}, Delivering, true, commit},
		{"a transaction half received", Report{Source: read, Through: commit}, Delivering, true, commit},
		{"the server has more", Report{Source: SourceReport{Connected: true, Received: 10, Server: 20}}, Delivering, true, time.Time{}},
		{"the server has more after a loss", Report{Source: SourceReport{Connected: true, Received: 10, Server: 20, Current: lost}}, Delivering, true, lost},
		{"never connected", Report{}, Disconnected, false, time.Time{}},
		{"connection lost", Report{Source: SourceReport{Problem: "gone", Received: 20, Server: 20, Current: lost}}, Disconnected, false, lost},
		{"connection lost with changes pending", Report{Source: SourceReport{Problem: "gone", Current: lost}, Pending: 1, Through: commit}, Disconnected, false, commit},
		{"reading halted", Report{Source: SourceReport{Connected: true, Halted: true, Problem: "truncated", Received: 20, Server: 20, Current: lost}}, Halted, false, lost},
		{"reading halted and the connection lost", Report{Source: SourceReport{Halted: true, Problem: "truncated", Received: 20, Server: 20, Current: lost}}, Halted, false, lost},
		{"a stall comes first", Report{Stalled: []Obstacle{{Condition: QuotaUsed, Reason: "used up"}}, Source: SourceReport{Connected: true, Server: 20}}, QuotaUsed, false, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.report.Condition(); got != tt.want {
				t.Errorf("condition: got %s, want %s", got, tt.want)
			}
			if got := tt.report.Reason() == ""; got != tt.ready {
				t.Errorf("ready: got %v (%q), want %v", got, tt.report.Reason(), tt.ready)
			}
			if got := tt.report.Freshness(epoch); !got.Equal(tt.freshness) {
				t.Errorf("freshness: got %s, want %s", got, tt.freshness)
			}
		})
	}
}

func TestAllObstaclesAreToldTheWorstFirst(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Machine)
		want   []Condition
	}{
		{"nothing", func(*Machine) {}, nil},
		{"halted before all else", func(m *Machine) { m.pauses.outage.failures, m.ledger.failures, m.end.halted = 1, 1, "x" }, []Condition{Halted, StoreFailing, MarketoFailing}},
		{"store before marketo", func(m *Machine) { m.ledger.failures, m.pauses.outage.failures = 1, 1 }, []Condition{StoreFailing, MarketoFailing}},
		{"marketo", func(m *Machine) { m.pauses.outage.failures, m.pauses.outage.fault = 1, marketo.Fault{Code: "503"} }, []Condition{MarketoFailing}},
		{"unclean start", func(m *Machine) { m.holds.all = epoch.Add(time.Second) }, []Condition{Holding}},
		{"quota", func(m *Machine) { m.memory.items, m.count.Limited = 1, marketo.WhyQuota }, []Condition{QuotaUsed}},
		{"quota without work", func(m *Machine) { m.count.Limited = marketo.WhyQuota }, nil},
		{"every mapping", func(m *Machine) { m.states[0].block.reason, m.states[1].block.reason = "refused", "refused" }, []Condition{MappingBlocked, MappingBlocked}},
		{"stopping", func(m *Machine) { m.end.stopping, m.pauses.outage.failures = true, 1 }, []Condition{Stopping, MarketoFailing}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			tt.change(r.m)
			report := r.m.Report(r.now)
			report.Source = SourceReport{Connected: true}
			var got []Condition
			for _, o := range report.Obstacles() {
				got = append(got, o.Condition)
				if o.Reason == "" {
					t.Errorf("%s has no reason", o.Condition)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What may lose changes hides behind nothing.
func TestAMisfitComesBeforeABlockedMapping(t *testing.T) {
	report := Report{
		Stalled: []Obstacle{{Condition: MappingBlocked, Reason: "refused"}}, Source: SourceReport{Problem: "gone"},
		Misfits: []Obstacle{{Condition: Unfit, Reason: "not in the publication"}},
	}
	if report.Condition() != Unfit || report.Reason() != "not in the publication" {
		t.Errorf("got %s, %q", report.Condition(), report.Reason())
	}
	var got []Condition
	for _, o := range report.Obstacles() {
		got = append(got, o.Condition)
	}
	if want := []Condition{Unfit, Disconnected, MappingBlocked}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuantile(t *testing.T) {
	counted := func(seconds ...float64) *Latency {
		var l Latency
		for _, s := range seconds {
			l.observe(time.Duration(s * float64(time.Second)))
		}
		return &l
	}
	tests := []struct {
		name    string
		latency *Latency
		q, want float64
	}{
		{"nothing", counted(), 0.5, 0},
		{"half way into a bucket", counted(0.02, 0.02), 0.5, 0.0175},
		{"the end of a bucket", counted(0.02, 0.02), 1, 0.025},
		{"the first bucket begins at zero", counted(0.001, 0.001), 0.5, 0.005},
		{"buckets without any are passed", counted(0.001, 20), 0.99, 29.6},
		{"beyond the last bucket", counted(4000), 0.5, 3600},
		{"partly beyond", counted(0.02, 4000), 0.99, 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.latency.Quantile(tt.q); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

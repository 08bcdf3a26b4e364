package snapshot_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

var update = flag.Bool("update", false, "write testdata/* instead of comparing with it")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var settings = snapshot.Settings{Slot: "cdcsync", CallsPerDay: 10000, MaxRetainedWAL: 10 << 30, MaxPendingBytes: 64 << 20}

// report is a picture in which every number is another.
func report() delivery.Report {
	r := delivery.Report{
		Pending: 5, Bytes: 4096, InFlight: 2, Parked: 6, Held: 1, Backpressure: true,
		Saved: 0x10, Synced: 0x0f, Through: noon.Add(-90 * time.Second),
		Quota: marketo.Quota{Day: marketo.QuotaDay(noon), Calls: 7000}, Pace: 30 * time.Second,
		Source: delivery.SourceReport{
			Connected: true, Connects: 3, Received: 0x30, Server: 0x40,
			Lag:  delivery.SlotLag{At: noon, Retained: 4096, Safe: new(int64), CatchUp: 2 * time.Minute, Drop: time.Hour},
			Rows: []delivery.RowReport{{Inserts: 1000, Updates: 900, Deletes: 100, Filtered: 50}},
		},
	}
	r.Calls, r.Objects, r.Unknown, r.Limited = 20, 1500, 4, "rate"
	r.Faults = map[delivery.FaultKey]uint64{{Class: marketo.FaultRetry, Code: "http_503"}: 8}
	m := delivery.MappingReport{Mapping: delivery.Mapping{Name: "roadshow", Object: "RoadShow"}, Pending: 5, Blocked: "refused"}
	m.Coalesced, m.Confirmed, m.Retries, m.Gone = 11, 1400, 12, 13
	m.Statuses[marketo.Created], m.Statuses[marketo.Failed] = 1390, 14
	m.Latency.Count, m.Latency.Buckets[5] = 1400, 1400
	r.Mappings = []delivery.MappingReport{m}
	return r
}

func TestReportInTheWordsOfTheAPI(t *testing.T) {
	text, err := json.MarshalIndent(snapshot.Of(report(), settings, noon), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/report.json"
	if *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text) + "\n"; got != string(want) {
		t.Errorf("got:\n%s\nwant, as in %s:\n%s", got, file, want)
	}
}

func TestNothingYet(t *testing.T) {
	r := delivery.Report{
		Quota:    marketo.Quota{Day: marketo.QuotaDay(noon.Add(-24 * time.Hour)), Calls: 7000, Exhausted: true},
		Mappings: make([]delivery.MappingReport, 1),
		Source:   delivery.SourceReport{Rows: make([]delivery.RowReport, 1)},
	}
	r.Limited = "quota"
	got := snapshot.Of(r, settings, noon)
	if got.Through != nil || got.Behind != nil {
		t.Errorf("through: got %v, %v, want none while it is not known", got.Through, got.Behind)
	}
	if c := got.Calls; c.Today != 0 || c.Exhausted || c.Limited != "" || c.PerCall != nil || c.PerChange != nil {
		t.Errorf("calls: got %+v, want none of today", c)
	}
	if got.Source.Confirmed != "" || got.Source.Lag != 0 {
		t.Errorf("source: got %+v, want nothing confirmed", got.Source)
	}
	if got.Mappings[0].Latency != nil {
		t.Errorf("latency: got %+v, want none", got.Mappings[0].Latency)
	}
}

// Every state that is not ready says what to do.
func TestEveryStateHasItsAdvice(t *testing.T) {
	for _, c := range delivery.Conditions {
		calm := c == delivery.Current || c == delivery.Delivering
		var s snapshot.Status
		if got := s.Without(string(c), "").Advice; got == "" != calm {
			t.Errorf("%s: advice %q", c, got)
		}
	}
}

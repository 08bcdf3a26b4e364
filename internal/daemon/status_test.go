package daemon

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/version"
)

var update = flag.Bool("update", false, "write testdata/*.json instead of comparing with it")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newDaemon(t *testing.T) (*Daemon, *sqlite.Store) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &Daemon{Config: config.Default(), Log: slog.New(slog.DiscardHandler), Version: version.Info{Version: "1.2.3"}}, store
}

func TestStatusBeforeThePipeline(t *testing.T) {
	d, store := newDaemon(t)
	reason := "not connected to postgresql: refused"
	d.starting.Store(&reason)
	s := d.status(t.Context(), store)
	if s.State != "starting" || s.Ready || s.Reason != reason || s.Advice == "" || s.Report != nil {
		t.Errorf("got %+v, want starting with its reason", s)
	}
	if _, err := d.act(t.Context(), nil, false); err == nil || !strings.Contains(err.Error(), "starting") {
		t.Errorf("act: got %v, want an error that says it is starting", err)
	}
}

func TestStatusOfAPipelineThatHangs(t *testing.T) {
	d, store := newDaemon(t)
	d.runner.Store(&pipeline.Runner{
		Mappings: &mapping.Set{}, State: checkpoint.State{Checkpoint: &checkpoint.Checkpoint{}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := d.status(ctx, store)
	if s.State != "unresponsive" || s.Ready || s.Reason == "" || s.Advice == "" {
		t.Errorf("got %+v, want unresponsive", s)
	}
}

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
	d, _ := newDaemon(t)
	text, err := json.MarshalIndent(d.translate(report(), noon), "", "  ")
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
	d, _ := newDaemon(t)
	r := delivery.Report{
		Quota:    marketo.Quota{Day: marketo.QuotaDay(noon.Add(-24 * time.Hour)), Calls: 7000, Exhausted: true},
		Mappings: make([]delivery.MappingReport, 1),
		Source:   delivery.SourceReport{Rows: make([]delivery.RowReport, 1)},
	}
	r.Limited = "quota"
	got := d.translate(r, noon)
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
		if got := advice[string(c)] == ""; got != calm {
			t.Errorf("%s: advice %q", c, advice[string(c)])
		}
	}
}

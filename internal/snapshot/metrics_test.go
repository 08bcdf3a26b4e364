package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// everything is report with what metrics alone show.
func everything() delivery.Report {
	r := report()
	r.Splits, r.Resolved, r.Transactions, r.SavedAt, r.Paused = 21, 22, 23, noon.Add(-time.Second), true
	s := &r.Source
	s.Bytes, s.Messages, s.Disconnects, s.Transaction.Changes = 24, 25, map[string]uint64{"network": 26, "unheard_of": 1}, 27
	s.Rows[0].WithoutOldKey = 28
	m := &r.Mappings[0]
	m.Received, m.Replayed, m.MappingCounts.Parked, m.Unmappable, m.Kept, m.Respelled, m.Incomplete = 29, 31, 32, 33, 34, 35, 36
	m.Waits, m.Braked, m.Latency.Sum = true, true, 37
	return r
}

func exposition(t *testing.T, ask func(context.Context) (*snapshot.Report, error)) []byte {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(snapshot.Metrics{Ask: ask}); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.Bytes()
}

// Names, labels and values of the metrics stay as they are: dashboards and alerts
// rely on them.
func TestMetrics(t *testing.T) {
	got := exposition(t, func(context.Context) (*snapshot.Report, error) { return snapshot.Of(everything(), settings, noon), nil })
	const file = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant, as in %s:\n%s", got, file, want)
	}
}

func TestMetricsWithoutAnAnswer(t *testing.T) {
	got := exposition(t, func(context.Context) (*snapshot.Report, error) { return nil, errors.New("hangs") })
	if want := "# HELP cdcsync_up 1 when the pipeline answers, 0 when it is stuck.\n# TYPE cdcsync_up gauge\ncdcsync_up 0\n"; string(got) != want {
		t.Errorf("got:\n%s", got)
	}
}

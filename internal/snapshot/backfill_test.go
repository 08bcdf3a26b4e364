package snapshot_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

func TestBackfillMetrics(t *testing.T) {
	shown := func(all []checkpoint.Backfill, err error) string {
		registry := prometheus.NewRegistry()
		registry.MustRegister(snapshot.BackfillMetrics{Mappings: []string{"orders", "visits"}, Ask: func(context.Context) ([]checkpoint.Backfill, error) { return all, err }})
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		return answer.Body.String()
	}
	got := shown([]checkpoint.Backfill{
		{ID: 2, Mapping: "orders", State: checkpoint.BackfillRunning, Progress: checkpoint.Progress{Rows: 70, Estimate: 100, Refused: 3}},
		{ID: 1, Mapping: "orders", State: checkpoint.BackfillDone, Progress: checkpoint.Progress{Rows: 9, Refused: 4}},
		{ID: 3, Mapping: "gone", State: checkpoint.BackfillFailed},
	}, nil)
	for _, want := range []string{
		`cdcsync_backfill_state{mapping="orders",state="running"} 1`, `cdcsync_backfill_state{mapping="orders",state="done"} 0`,
		`cdcsync_backfill_state{mapping="visits",state="failed"} 0`, `cdcsync_backfill_rows{mapping="orders"} 70`, `cdcsync_backfill_rows{mapping="visits"} 0`,
		`cdcsync_backfill_rows_estimate{mapping="orders"} 100`, `cdcsync_backfill_refused_objects{mapping="orders"} 7`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "gone") {
		t.Error("a mapping that is not there any more is shown")
	}
	if got := shown(nil, errors.New("starting")); got != "" {
		t.Errorf("without an answer: %s", got)
	}
}

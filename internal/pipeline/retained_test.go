package pipeline

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// The slot keeps too much beyond its limit, and also when PostgreSQL may drop it
// at any moment. The log has a line for each change of that.
func TestTooMuchWAL(t *testing.T) {
	const mib = 1 << 20
	safe := func(n int64) *int64 { return &n }
	steps := []struct {
		retained int64
		safe     *int64
		want     string // "" for no obstacle
		remedy   string
		lines    int
	}{
		{100 * mib, nil, "", "", 0},
		{100*mib + 1, nil, "keep 100 MiB of WAL; delivery.max_retained_wal allows 100 MiB; it goes on to keep it", "", 1},
		{95 * mib, nil, "keep 95 MiB", "", 1}, // it moves in steps
		{90 * mib, nil, "", "", 2},
		{200 * mib, safe(50 * mib), "keep 200 MiB of WAL; delivery.max_retained_wal allows 100 MiB; after 50 MiB more it may drop the slot", "", 3},
		{200 * mib, safe(0), "may drop the slot, and with it changes, at its next checkpoint", "ALTER SYSTEM", 3},
		{10 * mib, safe(-1), "may drop the slot, and with it changes, at its next checkpoint", "ALTER SYSTEM", 3},
		{10 * mib, safe(1), "", "", 4},
		{11 * mib, safe(-1), "may drop the slot", "ALTER SYSTEM", 5},
	}
	var log bytes.Buffer
	r := &Runner{Source: &replication.Source{Slot: "s"}, MaxRetainedWAL: 100 * mib, Log: slog.New(slog.NewTextHandler(&log, nil))}
	for i, step := range steps {
		r.noteServer(replication.Server{Flushed: 1000 * mib, Slot: &catalog.Slot{RetainedBytes: step.retained, SafeBytes: step.safe}})
		report := delivery.Report{Source: delivery.SourceReport{Connected: true, Server: 1000 * mib, Lag: r.slotLag.report(0)}}
		all := r.retainedObstacles(report)
		switch {
		case step.want == "":
			if len(all) > 0 {
				t.Errorf("step %d: %v, want none", i, all)
			}
		case len(all) != 1 || all[0].Condition != delivery.WALRetained || !strings.Contains(all[0].Reason, step.want) || !strings.Contains(all[0].Remedy, step.remedy):
			t.Errorf("step %d: %v, want %s, %s", i, all, step.want, step.remedy)
		}
		if n := strings.Count(log.String(), "\n"); n != step.lines {
			t.Errorf("step %d: %d lines in the log, want %d", i, n, step.lines)
		}
	}
	// What a transaction of the application keeps is not ours to fix.
	report := delivery.Report{Saved: 999 * mib, Source: delivery.SourceReport{Server: 1000 * mib, Lag: delivery.SlotLag{Retained: 500 * mib}}}
	if all := r.retainedObstacles(report); len(all) != 1 || !strings.Contains(all[0].Remedy, "pg_prepared_xacts") {
		t.Errorf("an open transaction is not named: %v", all)
	}
	r.MaxRetainedWAL = 0
	r.noteServer(replication.Server{Slot: &catalog.Slot{RetainedBytes: 1 << 50}})
	if r.retainsTooMuch.Load() {
		t.Error("0 does not lift the limit")
	}
}

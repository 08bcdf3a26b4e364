package pipeline_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// The endpoints ask before Run has begun, and while it begins.
func TestRunnerMayBeAskedBeforeItRuns(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ck := checkpoint.Checkpoint{System: "1", Timeline: 1, Database: "d", Slot: "s", LSN: 100}
	if err := store.Identify(t.Context(), ck); err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Compile([]mapping.Definition{visits})
	if err != nil {
		t.Fatal(err)
	}
	runner := &pipeline.Runner{
		Source:   &replication.Source{URL: "postgres://127.0.0.1:1/nowhere", Slot: "s", Publication: "p"},
		Mappings: set, Store: store, State: checkpoint.State{Checkpoint: &ck, Clean: true},
		Config: delivery.DefaultConfig(), Log: slog.New(slog.DiscardHandler),
	}
	runner.Config.Mappings = []delivery.Mapping{{Name: "visits", Object: "Visit", Shape: set.Shape(0)}}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runner.Report(over); err == nil {
		t.Error("report before the run: got one, want none")
	}
	if _, err := runner.Act(over, nil, false); err == nil {
		t.Error("act before the run: got an answer, want none")
	}
	asked := make(chan error, 1)
	ctx, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	go func() {
		_, err := runner.Report(ctx)
		asked <- err
	}()
	life, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(life) }()
	if err := <-asked; err != nil {
		t.Errorf("asked before it ran: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

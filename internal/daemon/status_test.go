package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/version"
)

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

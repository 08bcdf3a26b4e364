// Package daemon puts the rooms together: configuration, source, store,
// client, delivery and the HTTP endpoints, from start to orderly end.
//
// It decides nothing about changes. What it promises is the start: nothing is
// sent and no position moves before the server, the slot, the publication and
// the store have been held against each other and against the mappings, and
// nothing is created on the server but a missing slot and publication.
package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/snapshot"
	"github.com/cdcsync/cdcsync/internal/supervisor"
	"github.com/cdcsync/cdcsync/internal/version"
)

// Daemon is one life of cdcsync. It runs once.
type Daemon struct {
	Config  *config.Config
	Log     *slog.Logger
	Version version.Info
	// Supervisor is told how the process is; nil for nobody.
	Supervisor *supervisor.Supervisor
	// AcceptTables names tables, as schema.name, of which changes may be missing
	// and delivery goes on all the same; EveryTable stands for all.
	AcceptTables []string
	// AcceptMappings names mappings that may write other objects than they did.
	AcceptMappings []string
	// AcceptGap is what to go on without; nil for nothing. It must be what a
	// refused start, or halted reading, has named.
	AcceptGap *checkpoint.Span

	// Load, when set, reads the configuration anew, for a reload, and makes the log
	// that it asks for.
	Load func() (*config.Config, *slog.Logger, error)

	// passOver is the transaction of which what halts reading is left out.
	passOver pgoutput.LSN
	// passUnpublished is what is left out as there was no publication.
	passUnpublished checkpoint.Span

	accepted atomic.Pointer[[]checkpoint.Accepted]
	tables   tables
	pauses   pauses
	usage    usage
	runner   atomic.Pointer[pipeline.Runner]
	starting atomic.Pointer[string]
	house    atomic.Pointer[house]
	// hungUp is set by a Hangup, which Run may not have begun to heed.
	hungUp atomic.Bool
}

// deliver starts the pipeline and runs it to its end.
func (d *Daemon) deliver(ctx context.Context, source *replication.Source, client marketo.Client, store *sqlite.Store, registry prometheus.Registerer) error {
	f, err := d.start(ctx, source, store)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.settleMappings(ctx, store, &f.state); err != nil {
		return err
	}
	paused, err := d.loadPauses(ctx, store)
	if err != nil {
		return err
	}
	d.describe(ctx, client, store, &f.state)
	remembered, err := d.openRecord(ctx, store, &f.state)
	if err != nil {
		return err
	}
	if remembered != nil {
		defer remembered.Close()
	}
	runner := &pipeline.Runner{
		Source: source, Mappings: d.Config.Set, Client: client, Store: store, Backfills: store,
		State:           f.state,
		Pauses:          paused,
		PassOver:        d.passOver,
		PassUnpublished: d.passUnpublished,
		PassedOver:      d.passedOver,
		Identities:      d.identities(),
		Config:          d.delivery(client.Capacity()),
		Record:          remembered,
		ShutdownTimeout: d.Config.Delivery.ShutdownTimeout,
		LookAgain: func(ctx context.Context) (replication.Server, []delivery.Obstacle, error) {
			return d.lookAgain(ctx, source, store)
		},
		StateFile:      d.Config.State.Path(),
		ConfigFile:     d.Config.File,
		MaxRetainedWAL: int64(d.Config.Delivery.MaxRetainedWAL),
		Log:            d.Log,
		Pulse:          pipeline.Pulse{Every: d.Supervisor.Every(), Beat: d.Supervisor.Alive},
	}
	if remembered != nil {
		runner.Config.Digest = remembered.Digest
	}
	f.state.Settled, f.state.SettledTo = nil, nil // the runner lets go of it, too
	if err := registry.Register(snapshot.Metrics{Ask: d.snapshot}); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := registry.Register(d.backfillMetrics(runner)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	unsent, err := d.beginBackfills(ctx, source, store, runner, &f.state)
	if err != nil && ctx.Err() == nil {
		return err
	}
	telling, stopTelling := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { d.tellUnsent(telling, source, runner, unsent) })
	defer told.Wait()
	defer stopTelling()
	d.runner.Store(runner)
	told.Go(func() { d.watchUsage(telling, client) })
	return runner.Run(ctx)
}

// delivery translates the configuration.
func (d *Daemon) delivery(capacity marketo.Capacity) delivery.Config {
	c := delivery.DefaultConfig()
	for i := range d.Config.Set.Len() {
		m := d.Config.Set.Definition(i)
		c.Mappings = append(c.Mappings, delivery.Mapping{Name: m.Name, Object: m.Object, Shape: d.Config.Set.Shape(i), Operation: m.Operation, Separate: m.Separate, Deletes: m.OnDelete.Delete, Rules: m.Rules(d.Config.Source.Publication)})
	}
	in := d.Config.Delivery
	c.Capacity = capacity
	c.Limits = Limits(d.Config.Marketo)
	c.MaxWait, c.MaxPending, c.MaxPendingBytes = in.MaxWait, in.MaxPending, in.MaxPendingBytes
	c.MaxParked, c.MaxDeletes, c.UnknownHold = in.MaxParked, in.MaxDeletes, in.UnknownHold
	c.BackfillShare, c.LiveReserve = in.BackfillShare, in.LiveReserve
	c.HaltOnReject = in.OnReject == config.Halt
	c.Seed = rand.Uint64()
	return c
}

// Report asks the pipeline for a picture of itself. It is an error while the
// daemon is starting, and when the pipeline does not answer before ctx ends.
func (d *Daemon) Report(ctx context.Context) (delivery.Report, error) {
	runner := d.runner.Load()
	if runner == nil {
		return delivery.Report{}, fmt.Errorf("%s: %s", snapshot.Starting, d.startingReason())
	}
	return runner.Report(ctx)
}

func (d *Daemon) alive(ctx context.Context) error {
	if d.runner.Load() == nil {
		return nil
	}
	_, err := d.Report(ctx)
	return err
}

func (d *Daemon) ready(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	report, err := d.Report(ctx)
	if err != nil {
		return false, err.Error()
	}
	var lines []string
	for _, o := range report.Obstacles() {
		lines = append(lines, string(o.Condition)+": "+o.Reason)
	}
	return len(lines) == 0, strings.Join(lines, "\n")
}

package daemon

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// house is the process around its lives: a reload ends one in order and begins
// another, behind the same endpoints.
type house struct {
	current atomic.Pointer[life]
	// turn is held between two lives, when there is none to ask: requests wait.
	turn      sync.RWMutex
	reloading sync.Mutex
	next      chan *Daemon
	hangups   chan struct{}
	// serving ends with the process.
	serving context.Context
	record  snapshot.Record
}

// life is a Daemon with what it has opened.
type life struct {
	*Daemon
	client   marketo.Client
	source   *replication.Source
	store    *sqlite.Store
	registry *prometheus.Registry
	handler  http.Handler
	// ended is closed when nothing more is to be told of it.
	ended chan struct{}
}

// Run delivers until ctx ends, and then ends in order. It returns nil after an
// orderly end, a *checkpoint.Refusal when going on would lose data, a
// *preflight.Error when database and mappings do not fit, and otherwise what
// ended it.
func (d *Daemon) Run(ctx context.Context) error {
	// The endpoints outlive the pipeline: its end is worth watching too.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	h := &house{next: make(chan *Daemon), hangups: make(chan struct{}, 1), serving: serving}
	first, err := h.open(ctx, d)
	if err != nil {
		return err
	}
	h.current.Store(first)
	d.house.Store(h)
	if d.hungUp.Load() {
		h.hangUp()
	}
	group, failed := errgroup.WithContext(serving)
	group.Go(func() error {
		return admin.Serve(serving, d.Config.HTTP.Listen, d.Config.HTTP.WebConfig, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.turn.RLock()
			l := h.current.Load()
			h.turn.RUnlock()
			l.handler.ServeHTTP(w, r)
		}))
	})
	group.Go(func() error {
		tuneMemory(serving)
		return nil
	})
	group.Go(func() error {
		h.remember(serving)
		return nil
	})
	group.Go(func() error {
		h.heed(serving)
		return nil
	})
	defer context.AfterFunc(ctx, d.Supervisor.Stopping)()
	if d.Supervisor != nil {
		group.Go(func() error {
			h.tellSupervisor(serving, d.Supervisor)
			return nil
		})
	}
	group.Go(func() error {
		defer stopServing()
		all, stop := context.WithCancel(ctx)
		defer context.AfterFunc(failed, stop)()
		defer stop()
		return h.live(all, first)
	})
	return group.Wait()
}

// open opens what a life needs.
func (h *house) open(ctx context.Context, d *Daemon) (*life, error) {
	d.announce()
	l := &life{Daemon: d, registry: prometheus.NewRegistry(), ended: make(chan struct{})}
	var err error
	if l.client, err = Client(d.Config.Marketo, nil); err != nil {
		return nil, err
	}
	if l.source, err = Source(d.Config.Source); err != nil {
		return nil, err
	}
	l.source.Needs = func(table catalog.TableName, column string) bool {
		return d.Config.Set.Needs(mapping.Table(table), column)
	}
	l.source.Renamed = d.renamed
	l.source.Messages = true // those that mark chunks of tables
	l.source.PublishNeeded = d.Config.Source.PublishMapped
	if l.store, err = sqlite.Open(ctx, d.Config.State.SQLite); err != nil {
		return nil, err
	}
	if from, to, kept, ok := l.store.Migrated(); ok {
		d.Log.Info("state file brought up to this release", "from", from, "to", to, "copy", kept)
	}
	l.registry.MustRegister(d.Version.Collector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	l.handler = h.endpoints(l)
	return l, nil
}

func (h *house) endpoints(l *life) http.Handler {
	d, store := l.Daemon, l.store
	return admin.New(admin.Options{
		Metrics: l.registry, Alive: d.alive, Ready: d.ready, Version: d.Version.String(),
		Listen: d.Config.HTTP.Listen, Login: login(d.Config.HTTP), Ending: l.ended, History: h.record.After,
		Status:     func(ctx context.Context) snapshot.Status { return d.status(ctx, store) },
		EachParked: store.EachParked, Act: d.act, Release: d.release, Reserve: d.reserve, Deleting: d.deleting, Backfills: d.backfills,
		Pause:  func(ctx context.Context, ask admin.PauseAsk) (admin.Paused, error) { return h.pause(ctx, l, ask) },
		Reload: func(ctx context.Context) (admin.Reloaded, error) { return h.reload(ctx, l) },
		Underway: func(ctx context.Context, ask admin.UnderwayAsk) (admin.Underway, error) {
			return d.underway(ctx, store, ask)
		},
		Erase: func(ctx context.Context, ask admin.EraseAsk) (admin.Erased, error) {
			return d.erase(ctx, store, ask)
		},
		Trace: func(ctx context.Context, mapping, key string) (admin.Traced, error) {
			return d.trace(ctx, store, mapping, key)
		},
		TraceMarketo: func(ctx context.Context, ask admin.TraceAsk) (admin.InMarketo, error) {
			return d.traceMarketo(ctx, l.client, ask)
		},
		Wait: func(ctx context.Context, ask admin.WaitAsk) (admin.Waited, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(h.serving, cancel)()
			return d.wait(ctx, l.source, store, ask)
		},
	})
}

// live runs one life after the other. One that cannot begin with a new
// configuration is followed by one with that of before.
func (h *house) live(ctx context.Context, l *life) error {
	var before *Daemon
	for {
		next, err := h.run(ctx, l)
		close(l.ended)
		if next == nil && err != nil && before != nil && l.runner.Load() == nil && ctx.Err() == nil {
			l.Log.Error("the new configuration cannot begin; the one of before goes on", "err", err)
			next, err = before.anew(before.Config, before.Log), nil
			before = nil
		} else {
			before = l.Daemon
		}
		if next == nil {
			return errors.Join(err, l.store.Close())
		}
		if err != nil {
			l.Log.Warn("the end was not in order", "err", err)
		}
		if l, err = h.follow(ctx, l, next); err != nil {
			return err
		}
	}
}

// follow has a life take the place of one that has ended.
func (h *house) follow(ctx context.Context, l *life, next *Daemon) (*life, error) {
	h.turn.Lock()
	defer h.turn.Unlock()
	if err := l.store.Close(); err != nil {
		return nil, err
	}
	l.runner.Store(nil)
	opened, err := h.open(ctx, next)
	if err == nil {
		h.current.Store(opened)
	}
	return opened, err
}

// run runs a life until it ends, or until another configuration takes its place.
func (h *house) run(ctx context.Context, l *life) (next *Daemon, err error) {
	alive, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- l.deliver(alive, l.source, l.client, l.store, l.registry) }()
	select {
	case err := <-done:
		return nil, err
	case next := <-h.next:
		end()
		return next, <-done
	}
}

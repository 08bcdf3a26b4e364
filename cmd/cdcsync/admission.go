package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// admission counts the calls of a command with those of the daemon: the limits
// are of both together. The daemon counts them while it runs. Otherwise they go
// into its state file, if there is one.
type admission struct {
	config  *config.Config
	asked   bool
	daemon  *admin.Client
	store   *sqlite.Store
	limiter *marketo.Limiter
	problem error
}

// admit waits until a call may be made.
func (a *admission) admit(ctx context.Context) error {
	if !a.asked {
		a.asked = true
		a.problem = a.open(ctx)
	}
	switch {
	case a.daemon != nil:
		return a.daemon.Reserve(ctx)
	case a.store != nil:
		return a.count(ctx)
	}
	return nil
}

// open finds who counts.
func (a *admission) open(ctx context.Context) error {
	path := a.config.State.SQLite
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil // nothing was ever sent
	}
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		client, unknown := clientOf(a.config.HTTP.Listen, a.config.HTTP, "")
		if unknown != nil {
			return err
		}
		if _, gone := client.Status(ctx); gone != nil {
			return err
		}
		a.daemon = client
		return nil
	}
	state, err := store.Load(ctx)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	a.store, a.limiter = store, daemon.Limiter(a.config.Marketo, state, time.Now())
	return nil
}

// count waits for leave and notes the call in the state file before it is made.
func (a *admission) count(ctx context.Context) error {
	started, err := daemon.WaitForLeave(ctx, a.limiter)
	if err != nil {
		return err
	}
	a.limiter.Done(started, started)
	return a.store.Count(ctx, checkpoint.Quota(a.limiter.Snapshot()))
}

// close ends it, and says why calls were not counted, if they were not.
func (a *admission) close() error {
	if a.store != nil {
		return errors.Join(a.problem, a.store.Close())
	}
	return a.problem
}

package daemon

import (
	"context"
	"time"
)

// statusEvery is how often the supervisor is told how the daemon is.
const statusEvery = 2 * time.Second

// tellSupervisor tells the state and its reason, until ctx ends.
func (d *Daemon) tellSupervisor(ctx context.Context) {
	every := time.NewTicker(statusEvery)
	defer every.Stop()
	for {
		if ok, reason := d.ready(ctx); ok {
			d.Supervisor.Status("ready")
		} else {
			d.Supervisor.Status("NOT READY: " + reason)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

package daemon

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/internal/supervisor"
)

// statusEvery is how often the supervisor is told how the daemon is.
const statusEvery = 2 * time.Second

// tellSupervisor tells the state and its reason, until ctx ends.
func (h *house) tellSupervisor(ctx context.Context, to *supervisor.Supervisor) {
	every := time.NewTicker(statusEvery)
	defer every.Stop()
	for {
		l := h.current.Load()
		if ok, reason := l.ready(ctx); ok {
			to.Status("ready")
		} else {
			to.Status("NOT READY: " + reason)
		}
		if l.runner.Load() == nil {
			to.Reloading(time.Now())
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

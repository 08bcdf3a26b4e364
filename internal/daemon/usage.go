package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	// usageFirst is how long after the start Marketo is asked how many calls the day
	// has had, and usageEvery how often after that.
	usageFirst, usageEvery = 5 * time.Second, 15 * time.Minute
	// usageReserve is how many calls of a day must be left to spend one on that.
	usageReserve = 100
	// usageTimeout bounds one question.
	usageTimeout = 30 * time.Second
)

// usage is what others have made of the calls of a day.
type usage struct {
	mu    sync.Mutex
	count int
	at    time.Time
}

// others returns the calls of others, as of a time; nil before any was heard.
func (u *usage) others() (*int, time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at.IsZero() {
		return nil, time.Time{}
	}
	n := u.count
	return &n, u.at
}

func (u *usage) note(n int, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count, u.at = n, at
}

// watchUsage asks Marketo how many calls of the day all integrations have made, until
// ctx ends. It is for people to see: our own count is never changed by it, as how
// fresh Marketo's is nobody says.
func (d *Daemon) watchUsage(ctx context.Context, client marketo.Client) {
	asks, ok := client.(interface {
		Usage(ctx context.Context) (int, error)
	})
	if !ok {
		return
	}
	for pause := usageFirst; ; pause = usageEvery {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		d.askUsage(ctx, asks.Usage)
	}
}

// askUsage spends one call, where all is well and there are enough.
func (d *Daemon) askUsage(ctx context.Context, ask func(context.Context) (int, error)) {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	if ok, _ := d.ready(ctx); !ok {
		return
	}
	ours, known := d.ours(ctx)
	limit := d.Config.Marketo.Limits.CallsPerDay
	if !known || limit > 0 && limit-ours < usageReserve {
		return
	}
	if err := d.leave(ctx); err != nil {
		return
	}
	total, err := ask(ctx)
	if err != nil {
		d.Log.Debug("marketo does not say how many calls the day has had", "err", err)
		return
	}
	if ours, known = d.ours(ctx); known {
		d.usage.note(max(total-ours, 0), time.Now())
	}
}

// ours is how many calls of today we have counted.
func (d *Daemon) ours(ctx context.Context) (int, bool) {
	report, err := d.Report(ctx)
	if err != nil {
		return 0, false
	}
	if report.Quota.Day != marketo.QuotaDay(time.Now()) {
		return 0, true
	}
	return report.Quota.Calls, true
}

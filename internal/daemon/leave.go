package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// WaitForLeave waits until a call to Marketo may be made that no pipeline makes,
// and counts it as started. It is an error at once when ctx, or the quota of the
// day, leaves no time for that.
func WaitForLeave(ctx context.Context, limiter *marketo.Limiter) (started time.Time, err error) {
	for {
		now := time.Now()
		ok, at, why := limiter.Ready(now)
		if ok {
			limiter.Start(now)
			return now, nil
		}
		if end, bounded := ctx.Deadline(); why == marketo.WhyQuota || at.IsZero() || bounded && end.Before(at) {
			until := ""
			if !at.IsZero() {
				until = " until " + at.Format(time.TimeOnly)
			}
			return now, fmt.Errorf("no call to marketo is allowed%s: what the limit (%s) allows is used up", until, why)
		}
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// leave waits until the pipeline allows one call, and has it counted.
func (d *Daemon) leave(ctx context.Context) error {
	runner := d.runner.Load()
	if runner == nil {
		return errStarting
	}
	return runner.Leave(ctx)
}

package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// Who asks a daemon that is starting is told what it waits for.

const (
	// holdUpsAfter is how long the creation of a slot takes before that is worth
	// a look at what it waits for, holdUpsEvery the time between two looks.
	holdUpsAfter, holdUpsEvery = time.Second, 5 * time.Second
	// holdUpsTimeout bounds a look.
	holdUpsTimeout = 5 * time.Second
)

func (d *Daemon) startingReason() string {
	if reason := d.starting.Load(); reason != nil {
		return *reason
	}
	return "the start has begun"
}

// tellStarting notes why an attempt to start has failed.
func (d *Daemon) tellStarting(err error) {
	reason := "not connected to postgresql: " + err.Error()
	if replication.Diagnose(err) == replication.SlotWait {
		reason = err.Error()
	}
	d.starting.Store(&reason)
}

// holdUps says which transactions are open, as the end of a sentence; "" when
// that is not known.
func holdUps(ctx context.Context, source *replication.Source) string {
	ctx, cancel := context.WithTimeout(ctx, holdUpsTimeout)
	defer cancel()
	names, err := source.HoldUps(ctx)
	if err != nil || names == "" {
		return ""
	}
	return ": " + names
}

// tellHoldUps says, until the returned function is called, for which transactions
// the creation of the slot waits.
func (d *Daemon) tellHoldUps(ctx context.Context, source *replication.Source) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for pause, logged := holdUpsAfter, false; ; pause = holdUpsEvery {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			names := holdUps(ctx, source)
			if names == "" || ctx.Err() != nil {
				continue
			}
			reason := "creating the slot waits for the end of transactions that were open before" + names
			d.starting.Store(&reason)
			if !logged {
				logged = true
				d.Log.Warn("creating the slot waits for the end of open transactions", "slot", source.Slot, "transactions", names[len(": "):])
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// holdSlot holds the slot while reading has halted: one that nobody uses may be
// invalidated (idle_replication_slot_timeout). What was read before is handed
// over, and nothing more is read. It returns an error only when there is nothing
// to hold any more.
func (r *reader) holdSlot(life context.Context, stop <-chan struct{}) error {
	return r.holdSlotOver(life, stop, func() (breakable, error) {
		if stream := r.stream.Load(); stream != nil {
			return stream, nil // the one that has halted
		}
		stream, err := r.connect(life)
		if err != nil {
			return nil, err
		}
		return stream, nil
	})
}

// holdSlotOver is keep over the connections that next gives.
func (r *reader) holdSlotOver(life context.Context, stop <-chan struct{}, next func() (breakable, error)) error {
	for failures := 0; ; {
		began := time.Now()
		stream, err := next()
		if err == nil {
			err = r.idle(life, stop, stream)
		}
		var refused *checkpoint.Refusal
		switch {
		case errors.Is(err, errStopped):
			<-life.Done() // the end closes the stream
			return nil
		case stream == nil && (errors.As(err, &refused) || replication.Classify(err) == replication.Fatal):
			return err
		}
		failures = countFailure(failures, false, time.Since(began))
		r.disconnected(err, failures)
		if stream := r.stream.Load(); stream != nil {
			r.drop(stream)
		}
		if !r.wait(life, stop, pause(err, failures)) {
			return nil
		}
	}
}

// breakable is a connection that may end by itself.
type breakable interface {
	Broken() <-chan struct{}
	Cause() error
}

// idle hands over what was read, and waits until the stream breaks. It returns
// why, or errStopped.
func (r *reader) idle(life context.Context, stop <-chan struct{}, stream breakable) error {
	for {
		select {
		case r.ready() <- entryBuffer{entries: r.entries}:
			r.handedOver()
		case <-stream.Broken():
			return stream.Cause()
		case <-stop:
			return errStopped
		case <-life.Done():
			return errStopped
		}
	}
}

// ready is where what was read goes; nil where that is nothing.
func (r *reader) ready() chan<- entryBuffer {
	if len(r.entries) == 0 {
		return nil
	}
	r.runner.backfills.overtake(r.entries)
	return r.runner.read
}

// wait waits for d, or for other credentials, and hands over meanwhile what the
// last connection brought. It reports whether to go on.
func (r *reader) wait(life context.Context, stop <-chan struct{}, d time.Duration) bool {
	over := time.After(d)
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case r.ready() <- entryBuffer{entries: r.entries}:
			r.handedOver()
		case <-over:
			return true
		case <-look.C:
			if r.runner.Source.Changed() {
				return true
			}
		case <-stop:
			return false
		case <-life.Done():
			return false
		}
	}
}

// countFailure counts one more failure in a row. A connection that brought something,
// or stood for a minute, was not one: what ends it is not fixed by waiting.
func countFailure(failures int, progress bool, lasted time.Duration) int {
	if progress || lasted > time.Minute {
		return 1
	}
	return failures + 1
}

// pause returns how long to wait before the next connection: 250 ms doubling
// to 30 s, with jitter, and longer where trying often does harm. A server that
// is stopping or starting refuses at once and at no cost, and may be back soon.
func pause(err error, failures int) time.Duration {
	longest := 30 * time.Second
	if reason := replication.Diagnose(err); reason == replication.Stopping || reason == replication.Unavailable {
		longest = 2 * time.Second
	}
	d := min(250*time.Millisecond<<min(failures-1, 10), longest)
	if replication.Classify(err) == replication.RetrySlowly {
		d = max(d, slowRetry)
		if replication.Diagnose(err) == replication.Credentials {
			d = max(d, 30*time.Second)
		}
	}
	return d/2 + rand.N(d/2+1) + d/2
}

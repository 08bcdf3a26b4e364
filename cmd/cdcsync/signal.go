package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// ended is why a context of withSignals is over.
type ended struct{ signal os.Signal }

func (e ended) Error() string { return fmt.Sprintf("signal: %s", e.signal) }

// hangup is what SIGHUP does; while nothing is set it ends in order, as when a
// terminal is closed.
var hangup atomic.Pointer[func()]

// endings are the signals that end in order. SIGHUP is one of them unless the
// process was started with nohup, or hangup is set.
func endings() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// withSignals returns a context that the first signal ends, with ended as its
// cause. A second SIGINT or SIGTERM ends the process at once: nothing is lost
// by it. A second SIGHUP does not, as shells send one after the terminal did.
func withSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endings()...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			select {
			case s := <-signals:
				if do := hangup.Load(); s == syscall.SIGHUP && do != nil {
					(*do)()
					continue
				}
				signal.Reset(syscall.SIGINT, syscall.SIGTERM)
				cancel(ended{s})
			case <-ctx.Done():
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
		signal.Stop(signals)
	}
}

package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

const (
	// shortest is the shortest duration that has room for an outage.
	shortest = 15 * time.Second
	// outageLength is how long it lasts.
	outageLength = 3 * time.Second
)

// outage has Marketo refuse every call for a while, in the middle of the
// workload, or after 15 seconds of one without an end.
func (a *act) outage(ctx context.Context, stop <-chan struct{}, tidings chan<- string) error {
	middle := a.options.Duration/2 - outageLength/2
	switch {
	case a.options.Duration == 0:
		middle = shortest
	case a.options.Duration < shortest:
		return nil
	}
	if !waited(ctx, stop, middle) {
		return nil
	}
	if err := a.stage.marketo.Fail(simulator.Rule{Name: "outage", Status: http.StatusServiceUnavailable}); err != nil {
		return fmt.Errorf("begin the outage: %w", err)
	}
	defer a.stage.marketo.Heal()
	tidings <- fmt.Sprintf("%s  Marketo is away for %s: it answers every call with 503.", a.board.clock(time.Now()), outageLength)
	if waited(ctx, stop, outageLength) {
		tidings <- fmt.Sprintf("%s  Marketo is back. Nothing was confirmed meanwhile, so nothing is lost.", a.board.clock(time.Now()))
	}
	return nil
}

// waited waits for d, and reports whether it could.
func waited(ctx context.Context, stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-stop:
	case <-ctx.Done():
	}
	return false
}

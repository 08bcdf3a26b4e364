package delivery

import (
	"context"
	"fmt"
)

// Act passes an Act on: parked objects are tried again, or given up.
func (r *Runner) Act(ctx context.Context, keys []string, discard bool) (Acted, error) {
	reply := make(chan Acted, 1)
	return ask(ctx, r, Act{Keys: keys, Discard: discard, Reply: reply}, reply)
}

// Release passes a Release on. No names are all mappings, and the calls.
func (r *Runner) Release(ctx context.Context, mappings []string) (Acted, error) {
	reply := make(chan Acted, 1)
	return ask(ctx, r, Release{Mappings: mappings, Reply: reply}, reply)
}

// Reserve passes a Reserve on.
func (r *Runner) Reserve(ctx context.Context) (Reserved, error) {
	reply := make(chan Reserved, 1)
	return ask(ctx, r, Reserve{Reply: reply}, reply)
}

// ask hands an event in and waits for its answer.
func ask[T any](ctx context.Context, r *Runner, ev Event, reply <-chan T) (answer T, err error) {
	r.prepared.Do(r.prepare)
	select {
	case r.asked <- ev:
	case <-ctx.Done():
		return answer, fmt.Errorf("ask the pipeline: %w", ctx.Err())
	}
	select {
	case answer = <-reply:
		return answer, nil
	case <-ctx.Done():
		return answer, fmt.Errorf("ask the pipeline: %w", ctx.Err())
	}
}

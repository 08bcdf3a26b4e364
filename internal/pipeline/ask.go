package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// Act passes an Act on: parked objects are tried again, or given up.
func (r *Runner) Act(ctx context.Context, keys []string, discard bool) (delivery.Acted, error) {
	reply := make(chan delivery.Acted, 1)
	return ask(ctx, r, delivery.Act{Keys: keys, Discard: discard, Reply: reply}, reply)
}

// Release passes a Release on. No names are all mappings, and the calls.
func (r *Runner) Release(ctx context.Context, mappings []string) (delivery.Acted, error) {
	reply := make(chan delivery.Acted, 1)
	return ask(ctx, r, delivery.Release{Mappings: mappings, Reply: reply}, reply)
}

// Reserve passes a Reserve on.
func (r *Runner) Reserve(ctx context.Context) (delivery.Reserved, error) {
	reply := make(chan delivery.Reserved, 1)
	return ask(ctx, r, delivery.Reserve{Reply: reply}, reply)
}

// Deleting passes a Deleting on.
func (r *Runner) Deleting(ctx context.Context, mapping string, objects int) (delivery.Acted, error) {
	reply := make(chan delivery.Acted, 1)
	return ask(ctx, r, delivery.Deleting{Mapping: mapping, Objects: objects, Reply: reply}, reply)
}

// Leave waits until a call may be made, and has it counted. It is an error at once
// when ctx leaves no time for that.
func (r *Runner) Leave(ctx context.Context) error {
	for {
		leave, err := r.Reserve(ctx)
		if err != nil || leave.OK {
			return err
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < leave.Wait {
			return fmt.Errorf("no call to marketo is allowed for %s, as the limit (%s) is used up", leave.Wait.Round(time.Second), leave.Why)
		}
		select {
		case <-time.After(leave.Wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Erase passes an Erase on.
func (r *Runner) Erase(ctx context.Context, key string) (delivery.Erased, error) {
	reply := make(chan delivery.Erased, 1)
	return ask(ctx, r, delivery.Erase{Key: key, Reply: reply}, reply)
}

// ask hands an event in and waits for its answer.
func ask[T any](ctx context.Context, r *Runner, ev delivery.Event, reply <-chan T) (answer T, err error) {
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

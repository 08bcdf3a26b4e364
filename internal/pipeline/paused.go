package pipeline

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// Pause has mappings wait, with what is left of their backfills, or go on. Who
// asks for it asks again in the next life, as Runner.Pauses.
func (r *Runner) Pause(ctx context.Context, pauses []delivery.Pause) error {
	r.prepared.Do(r.prepare)
	for _, pause := range pauses {
		select {
		case r.asked <- pause:
			r.backfills.hold(pause)
		case <-ctx.Done():
			return fmt.Errorf("ask the pipeline: %w", ctx.Err())
		}
	}
	return nil
}

// hold has the backfills of a mapping wait, whatever state they are in, or go on.
func (b *backfiller) hold(pause delivery.Pause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[pause.Mapping] = pause.Reason != ""
	if b.held[pause.Mapping] && b.running != nil && b.running.mapping == pause.Mapping {
		b.interrupt()
	}
	signal(b.wake)
}

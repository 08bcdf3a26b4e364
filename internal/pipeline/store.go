package pipeline

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Store is where a Runner's state is kept. Save is called by several goroutines,
// and makes a Save durable as a whole, or not at all. After an error it is called
// again, but after checkpoint.ErrClosed, which ends the run.
type Store interface {
	Save(ctx context.Context, sv checkpoint.Save) error
}

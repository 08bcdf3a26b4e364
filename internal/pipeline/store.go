package pipeline

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Store is what a Runner needs of the place where its state is kept. It is used by
// several goroutines.
type Store interface {
	// Save makes a Save durable as a whole, or not at all. After an error it is
	// tried again, but after checkpoint.ErrClosed, which ends the run.
	Save(ctx context.Context, sv checkpoint.Save) error
	// Follow notes that the server is on a later timeline, or that the database
	// is called something else now.
	Follow(ctx context.Context, timeline int32, database string) error
	// PassOver notes what was left out of the stream because somebody said so.
	PassOver(ctx context.Context, a checkpoint.Accepted) error
}

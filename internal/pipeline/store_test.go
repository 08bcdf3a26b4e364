package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// faultyStore refuses saves while it has an error.
type faultyStore struct {
	pipeline.Store
	fault atomic.Pointer[error]
	saves atomic.Int64
}

func (s *faultyStore) Save(ctx context.Context, sv checkpoint.Save) error {
	s.saves.Add(1)
	if err := s.fault.Load(); err != nil {
		return *err
	}
	return s.Store.Save(ctx, sv)
}

// TestStoreThatIsClosedEndsTheRun: nothing that is sent after it could be kept,
// and no later save would be taken. Any other error is waited out.
func TestStoreThatIsClosedEndsTheRun(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault error
		ends  bool
	}{
		{"closed", fmt.Errorf("save state: %w, its disk could not be synced", checkpoint.ErrClosed), true},
		{"full", errors.New("save state: database or disk is full"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, "rest", simulator.Options{})
			var store *faultyStore
			l := b.start(func(r *pipeline.Runner) {
				store = &faultyStore{Store: r.Store}
				r.Store = store
			})
			b.exec(`INSERT INTO visits VALUES (1, 'a', 'n')`)
			l.settle(time.Minute)
			store.fault.Store(&test.fault)
			refused := store.saves.Load()
			b.exec(`INSERT INTO visits VALUES (2, 'b', 'n')`)
			if !test.ends {
				for deadline := time.Now().Add(time.Minute); store.saves.Load() < refused+2; {
					if time.Now().After(deadline) {
						t.Fatal("the save is not tried again")
					}
					time.Sleep(20 * time.Millisecond)
				}
				store.fault.Store(nil)
				l.settle(time.Minute)
				l.end()
				b.agree()
				return
			}
			select {
			case err := <-l.ended:
				if !errors.Is(err, checkpoint.ErrClosed) {
					t.Errorf("the run ended with %v, want that the store is closed", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the run goes on with a store that takes nothing any more")
			}
		})
	}
}

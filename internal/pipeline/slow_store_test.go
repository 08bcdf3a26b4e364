package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// slowStore takes its time for every save, as one does over a network, or on a
// disk that is slow to sync.
type slowStore struct {
	pipeline.Store
	each time.Duration
}

func (s *slowStore) Save(ctx context.Context, sv checkpoint.Save) error {
	time.Sleep(s.each)
	return s.Store.Save(ctx, sv)
}

// A store that takes its time costs no calls: each counts once, however long its
// record takes, so that all that the 20 seconds allow are made; and those of
// others are let through.
func TestSlowStore(t *testing.T) {
	const calls = 60
	for _, each := range []time.Duration{20 * time.Millisecond, 80 * time.Millisecond} {
		for _, api := range apis {
			t.Run(each.String()+" "+api, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, api, simulator.Options{Latency: simulator.Latency{Fixed: 30 * time.Millisecond}})
				l := b.start(func(r *pipeline.Runner) {
					r.Store = &slowStore{r.Store, each}
					r.Config.Capacity.Objects = 1
					r.Config.Limits.CallsPer20s = calls + 10
				})
				began := time.Now()
				b.exec(`INSERT INTO visits SELECT i, 'city', 'note' FROM generate_series(1, $1::int) i`, calls)
				report := l.settle(time.Minute)
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("%d calls took %s: some count more than once", report.Calls, took)
				}
				granted := 0
				for range 5 {
					answer, err := l.runner.Reserve(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if answer.OK {
						granted++
					}
				}
				if granted == 0 {
					t.Error("no call of somebody else is let through")
				}
				l.end()
				b.agree()
			})
		}
	}
}

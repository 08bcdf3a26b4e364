package pipeline_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// holding is a log that holds up who writes one message.
type holding struct {
	slog.Handler
	message string
	until   chan struct{}
}

func (h holding) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.message {
		<-h.until
	}
	return h.Handler.Handle(ctx, r)
}

// An idle loop gives signs of life, and so does one whose Marketo is away. One
// that hangs gives none, whatever else goes on.
func TestPulseIsThatOfTheLoop(t *testing.T) {
	b := newBench(t, "rest", simulator.Options{})
	var beats atomic.Int64
	until := make(chan struct{})
	l := b.start(func(r *pipeline.Runner) {
		r.Pulse = pipeline.Pulse{Every: 20 * time.Millisecond, Beat: func(time.Time) { beats.Add(1) }}
		r.Log = slog.New(holding{r.Log.Handler(), "stopping", until})
	})
	more := func(when string) {
		t.Helper()
		for before, end := beats.Load(), time.Now().Add(20*time.Second); beats.Load() < before+5; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no signs of life %s", when)
			}
		}
	}
	l.settle(20 * time.Second)
	more("while it is idle")
	b.sim.Close()
	b.exec(`INSERT INTO visits VALUES (1, 'city', 'note')`)
	more("without a Marketo")
	l.stop()
	time.Sleep(100 * time.Millisecond) // the loop comes to its log
	before := beats.Load()
	time.Sleep(200 * time.Millisecond)
	if n := beats.Load() - before; n != 0 {
		t.Errorf("%d signs of life of a loop that hangs", n)
	}
	close(until)
	<-l.ended
}

package pipeline_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// What is known of the position is held against the server at every connection,
// over the connection that would stream: what Stream does not look at by itself
// must end the run, too.
func TestRefusalAtAConnectionEndsTheRun(t *testing.T) {
	tests := map[string]func(ck *checkpoint.Checkpoint){
		checkpoint.WrongSystem:   func(ck *checkpoint.Checkpoint) { ck.System = "1" },
		checkpoint.WrongTimeline: func(ck *checkpoint.Checkpoint) { ck.Timeline++ },
	}
	for code, change := range tests {
		t.Run(code, func(t *testing.T) {
			b := newBench(t, "rest", simulator.Options{})
			l := b.start(func(r *pipeline.Runner) { change(r.State.Checkpoint) })
			defer l.stop()
			select {
			case err := <-l.ended:
				var refused *checkpoint.Refusal
				if !errors.As(err, &refused) || refused.Code != code {
					t.Errorf("the run ended with %v, want the refusal %s", err, code)
				}
			case <-time.After(20 * time.Second):
				t.Error("the run goes on")
			}
		})
	}
}

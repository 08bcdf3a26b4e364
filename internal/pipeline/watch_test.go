package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Looks that fail do not take back what was found, and are a reason themselves
// when they go on.
func TestLooksThatFail(t *testing.T) {
	w := &databaseWatch{}
	w.passed([]delivery.Obstacle{{Condition: delivery.Unfit, Reason: "a table is out"}})
	var found []delivery.Obstacle
	for i := 1; i < 10; i++ {
		found = w.failed(errors.New("lock timeout"))
		want := 1
		if i >= blindAfter {
			want = 2
		}
		if len(found) != want || found[0].Reason != "a table is out" {
			t.Fatalf("after %d looks: %+v", i, found)
		}
	}
	if o := found[1]; o.Condition != delivery.Unfit || !strings.Contains(o.Reason, "lock timeout") || o.Remedy == "" {
		t.Errorf("got %+v", o)
	}
}

// A server that answers no look, and ends no connection either, does not end all
// looking: each is given up, and it is told that nobody sees what the stream
// leaves out.
func TestLooksThatHang(t *testing.T) {
	runner := newTestReader(t, nil).runner
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(context.Background())
		defer end()
		looks := 0
		var answers atomic.Bool
		runner.LookAgain = func(ctx context.Context) (replication.Server, []delivery.Obstacle, error) {
			if answers.Load() {
				return replication.Server{}, nil, nil
			}
			looks++
			<-ctx.Done()
			return replication.Server{}, nil, context.Cause(ctx)
		}
		done := make(chan error)
		go func() { done <- runner.watchDatabase(life) }()
		time.Sleep(blindAfter*(watchEvery+watchTimeout) + time.Second)
		synctest.Wait()
		found := runner.misfits()
		if looks != blindAfter || len(found) != 1 || found[0].Condition != delivery.Unfit || !strings.Contains(found[0].Reason, "deadline exceeded") {
			t.Errorf("%d looks, found %+v; want %d looks, and that nobody sees anything", looks, found, blindAfter)
		}
		answers.Store(true)
		time.Sleep(watchEvery + watchTimeout)
		synctest.Wait()
		if found := runner.misfits(); len(found) != 0 {
			t.Errorf("found %+v after a look that passed", found)
		}
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Every misfit is told once when it begins and once when it ends.
func TestWatchTellsOfEveryChange(t *testing.T) {
	var out strings.Builder
	w := databaseWatch{log: slog.New(slog.NewTextHandler(&out, nil))}
	a, b := delivery.Obstacle{Condition: delivery.Unfit, Reason: "first"}, delivery.Obstacle{Condition: delivery.Unfit, Reason: "second"}
	for i, found := range [][]delivery.Obstacle{nil, {a}, {a, b}, {a, b}, {b}, nil} {
		w.tell(found, began.Add(time.Duration(i)*watchEvery))
	}
	for text, want := range map[string]int{"no longer fits": 2, "for another reason than before": 1, "fits the mappings again": 1, "reason=first": 2, "reason=second": 2} {
		if got := strings.Count(out.String(), text); got != want {
			t.Errorf("%q: got %d, want %d in\n%s", text, got, want, out.String())
		}
	}
}

// What takes nothing from the stream is not told as if it did, neither at its
// begin nor at its end, nor does it stand beside a misfit as another one.
func TestWhatTakesNothingFromTheStream(t *testing.T) {
	for condition, want := range map[delivery.Condition][2]string{
		delivery.Unreadable:  {"rows cannot be read", "rows can be read again"},
		delivery.Synchronous: {"database waits for this program", "database waits for this program no more"},
	} {
		var out strings.Builder
		w := databaseWatch{log: slog.New(slog.NewTextHandler(&out, nil))}
		misfit, other := delivery.Obstacle{Condition: delivery.Unfit, Reason: "a misfit"}, delivery.Obstacle{Condition: condition, Reason: "another"}
		for i, found := range [][]delivery.Obstacle{{other}, nil} {
			w.tell(found, began.Add(time.Duration(i)*watchEvery))
		}
		if text := out.String(); strings.Contains(text, "missing") || !strings.Contains(text, want[0]) || !strings.Contains(text, want[1]) {
			t.Errorf("%s: got\n%s", condition, text)
		}
		w.tell([]delivery.Obstacle{misfit, other}, began)
		w.tell([]delivery.Obstacle{other}, began)
		if text := out.String(); !strings.Contains(text, "fits the mappings again") || strings.Contains(text, "for another reason") {
			t.Errorf("%s beside a misfit: got\n%s", condition, text)
		}
	}
}

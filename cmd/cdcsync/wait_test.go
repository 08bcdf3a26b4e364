package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// answers are what a daemon says, one after the other, each after the time that it
// may hold; nil is no answer, at once. The last one stays.
type answers struct {
	all  []*admin.Waited
	asks []admin.WaitAsk
}

func (a *answers) Wait(_ context.Context, ask admin.WaitAsk) (admin.Waited, error) {
	a.asks = append(a.asks, ask)
	next := a.all[0]
	if len(a.all) > 1 {
		a.all = a.all[1:]
	}
	switch {
	case next == nil:
		return admin.Waited{}, fmt.Errorf("%w from here", admin.ErrUnreachable)
	case !next.Reached && next.Lost == "":
		time.Sleep(ask.Hold)
	}
	return *next, nil
}

func TestWaiting(t *testing.T) {
	down := &admin.Waited{LSN: "0/10", Timeline: 1, WaitsFor: []snapshot.Obstacle{{State: "marketo_failing", Reason: "calls fail\x1b[2J", Advice: "wait"}, {State: "stuck"}, {State: "delivering"}}}
	yes := &admin.Waited{LSN: "0/10", Timeline: 1, Reached: true}
	but := &admin.Waited{LSN: "0/10", Timeline: 1, Reached: true, Parked: 9}
	lost := &admin.Waited{LSN: "0/10", Timeline: 1, Lost: "the server is on timeline 2 now"}
	tests := []struct {
		name       string
		answers    []*admin.Waited
		failParked bool
		code       int
		took       time.Duration
		out, log   string
		mistake    string
	}{
		{name: "at once", answers: []*admin.Waited{yes}, out: "everything committed before 0/10 is in Marketo\n"},
		{name: "but for some", answers: []*admin.Waited{but}, out: "everything committed before 0/10 is in Marketo, except 9 objects that are parked; see cdcsync parked list\n"},
		{name: "but for some, which is too many", answers: []*admin.Waited{but}, failParked: true, code: exitParked, mistake: "9 objects of what was committed before 0/10 are parked"},
		{name: "in the end", answers: []*admin.Waited{nil, down, down, yes}, took: 20500*time.Millisecond + 20*time.Second, out: "everything committed before 0/10 is in Marketo\n",
			log: "waits: calls fail\uFFFD[2J; wait (and 1 more; see cdcsync status)\n"},
		{name: "not in time", answers: []*admin.Waited{down}, code: exitNotYet, took: time.Minute, mistake: "not in marketo within 1m0s: calls fail",
			log: "waits: calls fail\uFFFD[2J; wait (and 1 more; see cdcsync status)\n"},
		{name: "never", answers: []*admin.Waited{down, lost}, code: 1, took: 2 * time.Second, mistake: "timeline 2 now", log: "waits: calls fail\uFFFD[2J; wait (and 1 more; see cdcsync status)\n"},
		{name: "nobody", answers: []*admin.Waited{nil}, code: exitNotYet, took: time.Minute, mistake: "start the daemon with cdcsync run", log: "waits: no answer from here; start the daemon with cdcsync run, or name its address with -c or --address\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out, log bytes.Buffer
				source := &answers{all: tt.answers}
				w := waitRun{timeout: time.Minute, failParked: tt.failParked}
				begin := time.Now()
				err := w.run(t.Context(), source, &out, &log)
				if took := time.Since(begin); exitCode(err) != tt.code || took != tt.took || out.String() != tt.out || log.String() != tt.log {
					t.Errorf("exit code %d after %s, %v\nout: %slog: %swant %d after %s\nout: %slog: %s", exitCode(err), took, err, &out, &log, tt.code, tt.took, tt.out, tt.log)
				}
				if tt.mistake != "" && (err == nil || !strings.Contains(err.Error(), tt.mistake)) {
					t.Errorf("got %v, want %q in it", err, tt.mistake)
				}
				// What now was at first stays what is waited for.
				for i, ask := range source.asks {
					if i > 0 && tt.answers[0] != nil && (ask.LSN != 0x10 || ask.Timeline != 1) {
						t.Errorf("question %d is for %s of timeline %d", i, ask.LSN, ask.Timeline)
					}
				}
			})
		})
	}
	w := waitRun{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.run(ctx, &answers{all: []*admin.Waited{yes}}, &bytes.Buffer{}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v", err)
	}
}

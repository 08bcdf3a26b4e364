package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// serve shows how the run is where the daemon would; another one that is there
// already keeps the address.
func (s *Shadow) serve(ctx context.Context) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Version.Collector(), snapshot.Metrics{Ask: s.picture})
	refused := func() error { return errors.New("a shadow run sends nothing, and has nothing to act on") }
	err := admin.Serve(ctx, s.Config.HTTP.Listen, s.Config.HTTP.WebConfig, admin.New(admin.Options{
		Login: login(s.Config.HTTP), Ending: ctx.Done(),
		Metrics: registry, Version: s.Version.String(), Listen: s.Config.HTTP.Listen,
		Alive:        func(ctx context.Context) error { _, err := s.runner.Report(ctx); return err },
		Ready:        func(context.Context) (bool, string) { return false, shadowState + ": nothing is sent" },
		Status:       s.status,
		EachParked:   func(context.Context, checkpoint.Filter, func(checkpoint.Parked)) error { return nil },
		Act:          func(context.Context, []string, bool) (admin.Acted, error) { return admin.Acted{}, refused() },
		Release:      func(context.Context, []string) (admin.Acted, error) { return admin.Acted{}, refused() },
		Reserve:      func(context.Context) (admin.Reserved, error) { return admin.Reserved{}, refused() },
		Wait:         func(context.Context, admin.WaitAsk) (admin.Waited, error) { return admin.Waited{}, refused() },
		Trace:        func(context.Context, string, string) (admin.Traced, error) { return admin.Traced{}, refused() },
		TraceMarketo: func(context.Context, admin.TraceAsk) (admin.InMarketo, error) { return admin.InMarketo{}, refused() },
		History:      func(time.Time) snapshot.History { return snapshot.History{} },
		Deleting:     func(context.Context, admin.Deleting) (admin.Acted, error) { return admin.Acted{}, refused() },
		Underway:     func(context.Context, admin.UnderwayAsk) (admin.Underway, error) { return admin.Underway{}, refused() },
		Backfills:    func(context.Context, admin.BackfillAsk) (admin.Backfills, error) { return admin.Backfills{}, refused() },
		Pause:        func(context.Context, admin.PauseAsk) (admin.Paused, error) { return admin.Paused{}, refused() },
		Reload:       func(context.Context) (admin.Reloaded, error) { return admin.Reloaded{}, refused() },
	}))
	if err != nil && ctx.Err() == nil {
		s.Log.Info("the shadow run is not shown over HTTP; the log tells how it goes", "reason", err.Error())
	}
}

// shadowState is the state of a shadow run in its status.
const shadowState = "shadow"

func (s *Shadow) picture(ctx context.Context) (*snapshot.Report, error) {
	report, err := s.runner.Report(ctx)
	if err != nil {
		return nil, err
	}
	settings := s.settings()
	settings.Slot = s.runner.Source.Slot
	return snapshot.Of(report, settings, time.Now()), nil
}

func (s *Shadow) status(ctx context.Context) snapshot.Status {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	out := snapshot.Status{Version: s.Version.String(), Time: time.Now().UTC()}
	report, err := s.picture(ctx)
	if err != nil {
		return out.Without(snapshot.Unresponsive, "the pipeline does not answer")
	}
	e, _ := s.estimate(ctx)
	out = out.With(report)
	out.State, out.Ready, out.Advice = shadowState, false, ""
	out.Reason = fmt.Sprintf("nothing is sent; by the %s so far a day takes about %.0f calls", time.Since(s.began).Round(time.Second), e.CallsDay)
	return out
}

// tell keeps what was seen last, and tells the log of it, until ctx ends.
func (s *Shadow) tell(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for told := time.Now(); ; {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		e, err := s.estimate(ctx)
		if err != nil {
			continue
		}
		s.last.Store(&e)
		if time.Since(told) >= shadowEvery {
			told = time.Now()
			s.Log.Info("shadow run", "seconds", int(e.Seconds), "calls", e.Calls.Calls, "objects", e.Calls.Objects, "calls_a_day", int64(e.CallsDay))
		}
	}
}

package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// waitPoll is the longest time between two looks at what is settled: saves wake
// who waits before, other people's WAL moves the position without one.
const waitPoll = 250 * time.Millisecond

// waiter answers one who waits for a commit.
type waiter struct {
	daemon *Daemon
	source *replication.Source
	store  *sqlite.Store
	ask    admin.WaitAsk
	answer admin.Waited
}

// wait says whether everything committed before a place is in Marketo, as soon as
// it is, or when the time to hold has passed.
func (d *Daemon) wait(ctx context.Context, source *replication.Source, store *sqlite.Store, ask admin.WaitAsk) (admin.Waited, error) {
	w := waiter{daemon: d, source: source, store: store, ask: ask}
	end := time.Now().Add(ask.Hold)
	for {
		var moved <-chan struct{}
		runner := d.runner.Load()
		if runner != nil {
			moved = runner.Moved()
		}
		pause, err := w.look(ctx, runner)
		left := time.Until(end)
		if err != nil || w.answer.Reached || w.answer.Lost != "" || left <= 0 || ctx.Err() != nil {
			return w.answer, err
		}
		if pause > waitPoll {
			moved = nil // what is waited for is not what a save brings
		}
		select {
		case <-moved:
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
		}
	}
}

// look fills in the answer as it is now, and says when it is worth looking again.
func (w *waiter) look(ctx context.Context, runner *pipeline.Runner) (time.Duration, error) {
	w.answer = admin.Waited{Timeline: w.ask.Timeline}
	if runner == nil {
		w.answer.WaitsFor = snapshot.Status{}.Without(snapshot.Starting, w.daemon.startingReason()).Obstacles
		return waitPoll, nil
	}
	if w.ask.LSN == 0 {
		if err := w.askNow(ctx, runner); err != nil {
			w.unknown(delivery.Disconnected, "it is not known where the server's WAL ends: "+err.Error())
			return time.Second, nil
		}
	}
	w.answer.LSN, w.answer.Timeline = w.ask.LSN.String(), w.ask.Timeline
	if span, lost := w.daemon.inAcceptedGap(w.ask.LSN); lost {
		w.answer.Lost = fmt.Sprintf("changes up to there were given up: somebody accepted the gap %s; send their rows again with cdcsync backfill start", span)
		return 0, nil
	}
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	report, err := w.daemon.Report(asking)
	if err != nil {
		w.answer.WaitsFor = snapshot.Status{}.Without(snapshot.Unresponsive, "the pipeline does not answer").Obstacles
		return waitPoll, nil
	}
	return w.judge(ctx, report)
}

// askNow takes what is committed now for the place that is waited for.
func (w *waiter) askNow(ctx context.Context, runner *pipeline.Runner) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	session, err := w.source.Catalog(ctx)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	lsn, err := session.Committed(ctx)
	if err != nil {
		return err
	}
	server, err := session.Inspect(ctx)
	if err != nil {
		return err
	}
	if server.System != runner.State.Checkpoint.System {
		return fmt.Errorf("another cluster answers (system identifier %s); let source.url name the hosts of one cluster", server.System)
	}
	w.ask.LSN, w.ask.Timeline = lsn, server.Timeline
	return nil
}

// lookTimeout bounds a look at the server.
const lookTimeout = 10 * time.Second

// judge holds a report against what is waited for.
func (w *waiter) judge(ctx context.Context, r delivery.Report) (time.Duration, error) {
	place := delivery.Place{LSN: w.ask.LSN, Timeline: w.ask.Timeline}
	if place.Timeline == 0 && r.Source.Connected {
		place.Timeline = r.Source.Timeline
		w.ask.Timeline, w.answer.Timeline = place.Timeline, place.Timeline
	}
	w.answer.Settled = r.Settled.String()
	switch r.Reached(place) {
	case delivery.OtherHistory:
		w.answer.Lost = fmt.Sprintf("the server is on timeline %d now, after a failover or a restore, and %s is a place of timeline %d: that commit may be lost; see whether its rows are there, and wait anew with --now",
			r.Source.Timeline, place.LSN, place.Timeline)
		return 0, nil
	case delivery.NotYet:
		w.answer.WaitsFor = w.daemon.waitsFor(r, place)
		return waitPoll, nil
	}
	// The stream is looked at every half minute alone. What has left it since is
	// not in Marketo, whatever the position says.
	if reason := w.daemon.misfit(ctx, w.source); reason != "" {
		w.unknown(delivery.Unfit, reason)
		return 5 * time.Second, nil
	}
	again, err := w.daemon.Report(ctx)
	if err != nil || again.Reached(place) != delivery.Reached {
		return waitPoll, nil
	}
	parked := 0
	if err := w.store.EachParked(ctx, checkpoint.Filter{}, func(p checkpoint.Parked) {
		if p.At.Commit < place.LSN {
			parked++
		}
	}); err != nil {
		return 0, fmt.Errorf("count parked objects: %w", err)
	}
	w.answer.Reached, w.answer.Parked = true, parked
	return 0, nil
}

// unknown says what stands against a yes.
func (w *waiter) unknown(condition delivery.Condition, reason string) {
	w.answer.WaitsFor = []snapshot.Obstacle{{State: string(condition), Reason: reason, Advice: snapshot.Advice(condition)}}
}

// misfit looks whether the stream has all changes of mapped tables, and says why
// it may not; "" when it has.
func (d *Daemon) misfit(ctx context.Context, source *replication.Source) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	x, err := Examine(ctx, d.Config, source, Known{Tables: d.knownTables()})
	if err = cmp.Or(err, x.SourceErr, x.TablesErr); err != nil {
		return "the tables and the publication cannot be looked at: " + err.Error()
	}
	for _, o := range obstacles(x.Source.Findings) {
		if o.Condition == delivery.Unfit {
			return o.Reason
		}
	}
	if refusal := x.Tables.Refusal(nil, d.Config.File, ""); refusal != nil {
		return refusal.Reason
	}
	return ""
}

// waitsFor is what stands against everything before a place being in Marketo.
func (d *Daemon) waitsFor(r delivery.Report, place delivery.Place) []snapshot.Obstacle {
	all := snapshot.Status{}.With(snapshot.Of(r, d.settings(), time.Now())).Obstacles
	add := func(condition delivery.Condition, format string, args ...any) {
		all = append(all, snapshot.Obstacle{State: string(condition), Reason: fmt.Sprintf(format, args...)})
	}
	switch end := max(r.Source.Received, r.Source.Server); {
	case place.Timeline > r.Source.Timeline && r.Source.Timeline != 0:
		add(delivery.Delivering, "the stream is on timeline %d, and %s is a place of timeline %d", r.Source.Timeline, place.LSN, place.Timeline)
	case r.Pending > 0:
		add(delivery.Delivering, "%d objects are on their way; everything before %s is done with, of %s", r.Pending, r.Settled, place.LSN)
	case r.Source.Connected && end < place.LSN:
		add(delivery.Delivering, "the server's WAL ended at %s when it was asked last, which is before %s", end, place.LSN)
	case r.Settled < place.LSN:
		add(delivery.Delivering, "the stream has been read up to %s, of %s", r.Source.Received, place.LSN)
	}
	return all
}

// inAcceptedGap reports whether a place is in a gap that somebody accepted.
func (d *Daemon) inAcceptedGap(lsn delivery.LSN) (string, bool) {
	known := d.accepted.Load()
	if known == nil {
		return "", false
	}
	for _, a := range *known {
		if span, err := checkpoint.ParseSpan(a.Span); err == nil && a.Code != checkpoint.PassedOver && !span.New && span.From < lsn && lsn <= span.To {
			return a.Span, true
		}
	}
	return "", false
}

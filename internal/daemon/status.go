package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// answerTimeout bounds the wait for a report. The pipeline takes milliseconds.
const answerTimeout = 2 * time.Second

// States that are not the pipeline's own.
const (
	stateStarting     = "starting"
	stateUnresponsive = "unresponsive"
)

// advice says what to do about a state.
var advice = map[string]string{
	stateStarting:                   "wait; if it stays so, cdcsync check says what is missing",
	stateUnresponsive:               "look at the log; if it stays so, restart the daemon: nothing is lost by that",
	string(delivery.Disconnected):   "it tries again by itself; cdcsync check says what stands against a connection",
	string(delivery.Halted):         "mend what the reason says, then start the daemon again",
	string(delivery.StoreFailing):   "the log says what the state file lacks, mostly room on its disk; it goes on by itself then",
	string(delivery.MarketoFailing): "it tries again by itself; cdcsync check looks at the endpoint and the credentials",
	string(delivery.Holding):        "wait; it takes no longer than delivery.unknown_hold",
	string(delivery.QuotaUsed):      "wait, or raise marketo.limits.calls_per_day if Marketo allows this integration more, and restart",
	string(delivery.Throttled):      "see in Marketo which integration makes the calls (Admin > Web Services), and have it make fewer, or lower marketo.limits; sending goes on by itself",
	string(delivery.QuotaShort):     "raise marketo.limits.calls_per_day if Marketo allows this integration more; else changes arrive later until midnight US Central",
	string(delivery.Unreadable):     "mend what the reason names; reading goes on by itself within 15 seconds",
	string(delivery.Stuck):          "the reason names what is waited for; if the log has an error on it, mend that, else restart the daemon: nothing is lost by that",
	string(delivery.Synchronous):    "run the statement in the reason: it names the real standbys alone",
	string(delivery.WALRetained):    "do what the other reasons say: what holds delivery up keeps the WAL; raise delivery.max_retained_wal if the server's disk has room for more",
	string(delivery.Unfit):          "do what the reason says; the log tells the time in which changes may have been missed",
	string(delivery.Stopping):       "wait: it takes no longer than delivery.shutdown_timeout; what is left is sent at the next start",
	string(delivery.DeletesHeld):    "see whether these rows were to be deleted; cdcsync release MAPPING lets it go on",
	string(delivery.MappingPaused):  "resume the mapping once the reason is mended",
	string(delivery.MappingBlocked): "cdcsync parked list shows what Marketo says; once the cause is mended the next probe, within five minutes, opens the mapping, and cdcsync parked retry probes at once",
}

// status is what /api/v1/status shows.
func (d *Daemon) status(ctx context.Context, store *sqlite.Store) admin.Status {
	s := admin.Status{Version: d.Version.String(), Time: time.Now().UTC()}
	if d.runner.Load() == nil {
		return notReady(s, admin.Obstacle{State: stateStarting, Reason: d.startingReason(), Advice: advice[stateStarting]})
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	d.runner.Load().AskServer(ctx)
	report, err := d.Report(ctx)
	if err != nil {
		return notReady(s, admin.Obstacle{State: stateUnresponsive, Reason: "the pipeline does not answer", Advice: advice[stateUnresponsive]})
	}
	s.State, s.Ready, s.Notices = string(report.Condition()), true, d.notices(s.Time)
	var obstacles []admin.Obstacle
	for _, o := range report.Obstacles() {
		obstacles = append(obstacles, admin.Obstacle{
			State: string(o.Condition), Reason: o.Reason, Advice: cmp.Or(o.Remedy, advice[string(o.Condition)]),
		})
	}
	s = notReady(s, obstacles...)
	s.Report = d.translate(report, s.Time)
	// Without the counts the rest is still worth knowing.
	if counts, err := store.CountParked(ctx); err == nil {
		for i := range s.Report.Mappings {
			s.Report.Mappings[i].Parked = counts[s.Report.Mappings[i].Name]
		}
	}
	return s
}

// notices are what people should know though delivery goes on.
func (d *Daemon) notices(now time.Time) []string {
	return slices.Concat(d.acceptedNotes(now), d.notes())
}

// notReady puts what stands, the worst first, into a status.
func notReady(s admin.Status, obstacles ...admin.Obstacle) admin.Status {
	if len(obstacles) > 0 {
		worst := obstacles[0]
		s.State, s.Reason, s.Advice, s.Ready = worst.State, worst.Reason, worst.Advice, false
		s.Obstacles = obstacles
	}
	return s
}

// translate puts a report into the words of the API.
func (d *Daemon) translate(r delivery.Report, now time.Time) *admin.Report {
	out := &admin.Report{
		Pending: r.Pending, PendingBytes: r.Bytes, Held: r.Held, Parked: r.Parked, Backpressure: r.Backpressure,
		Calls: d.calls(r, now), Source: d.source(r),
	}
	if through := r.Freshness(now); !through.IsZero() {
		through, behind := through.UTC(), max(now.Sub(through), 0).Seconds()
		out.Through, out.Behind = &through, &behind
	}
	for i, m := range r.Mappings {
		out.Mappings = append(out.Mappings, translateMapping(m, r.Source.Rows[i]))
	}
	return out
}

func (d *Daemon) calls(r delivery.Report, now time.Time) admin.Calls {
	c := admin.Calls{
		InFlight: r.InFlight, Today: r.Quota.Calls, Limit: d.Config.Marketo.Limits.CallsPerDay,
		Resets: marketo.NextReset(now).UTC(), Exhausted: r.Quota.Exhausted, Pace: r.Pace.Seconds(),
		Sent: r.Calls, Objects: r.Objects, Unknown: r.Unknown, Faults: map[string]uint64{},
	}
	if r.Quota.Day != marketo.QuotaDay(now) {
		c.Today, c.Exhausted = 0, false // no call since midnight
	}
	if r.Pending > 0 {
		c.Limited = r.Limited
	}
	for key, n := range r.Faults {
		c.Faults[key.Class.String()+" "+key.Code] += n
	}
	var changes uint64
	for _, rows := range r.Source.Rows {
		changes += rows.Inserts + rows.Updates + rows.Deletes
	}
	c.PerCall = ratio(r.Objects, r.Calls, 1)
	c.PerChange = ratio(r.Calls, changes, 1000)
	return c
}

// ratio returns a for each unit of b, nil when there is no b.
func ratio(a, b uint64, unit float64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b) * unit
	return &v
}

func (d *Daemon) source(r delivery.Report) admin.Source {
	s := admin.Source{
		Slot: d.Config.Source.Slot, Connected: r.Source.Connected, Connects: r.Source.Connects,
		Received: r.Source.Received.String(), Checkpoint: r.Saved.String(),
	}
	if r.Synced != 0 {
		s.Confirmed = r.Synced.String()
	}
	end := max(r.Source.Received, r.Source.Server)
	if s.Server = end.String(); end > r.Saved {
		s.Lag = uint64(end - r.Saved)
	}
	far := r.Source.Lag
	s.Retained, s.Safe, s.Growing = far.Retained, far.Safe, far.Growing
	s.MostRetained = int64(d.Config.Delivery.MaxRetainedWAL)
	s.CatchUp, s.Drop = far.CatchUp.Seconds(), far.Drop.Seconds()
	if t, now := r.Source.Transaction, time.Now(); t.Large(now) {
		s.Transaction = &admin.Transaction{
			Commit: t.Commit.String(), Committed: t.Committed, XID: t.XID, Changes: t.Changes, Seconds: now.Sub(t.Since).Seconds(),
		}
	}
	return s
}

func translateMapping(m delivery.MappingReport, rows delivery.RowReport) admin.Mapping {
	out := admin.Mapping{
		Name: m.Name, Object: m.Object,
		Rows: rows.Inserts + rows.Updates + rows.Deletes, Filtered: rows.Filtered,
		Coalesced: m.Coalesced, Confirmed: m.Confirmed, Statuses: map[string]uint64{},
		Retries: m.Retries, Gone: m.Gone, Pending: m.Pending, Blocked: m.Blocked, DeletesHeld: m.Braked,
	}
	for status, n := range m.Statuses {
		if n > 0 {
			out.Statuses[marketo.Status(status).String()] = n
		}
	}
	if m.Latency.Count > 0 {
		out.Latency = &admin.Latency{P50: m.Latency.Quantile(0.5), P99: m.Latency.Quantile(0.99)}
	}
	return out
}

// errStarting answers what needs the pipeline before there is one.
var errStarting = errors.New("the daemon is still starting; try again when cdcsync status says it is ready")

// act passes an action on to the pipeline, and leaves a trace of it.
func (d *Daemon) act(ctx context.Context, keys []string, discard bool) (admin.Acted, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Acted{}, errStarting
	}
	acted, err := runner.Act(ctx, keys, discard)
	if err != nil {
		return admin.Acted{}, err
	}
	counts := []any{"objects", acted.Done, "missing", acted.Missing, "problems", len(acted.Problems)}
	if discard {
		d.Log.Info("parked objects discarded", counts...)
	} else {
		d.Log.Info("parked objects retried", counts...)
	}
	return admin.Acted(acted), nil
}

// release passes a release on, and leaves a trace of it.
func (d *Daemon) release(ctx context.Context, mappings []string) (admin.Acted, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Acted{}, errStarting
	}
	acted, err := runner.Release(ctx, mappings)
	if err == nil {
		d.Log.Info("released by an operator", "mappings", mappings, "released", acted.Done, "problems", len(acted.Problems))
	}
	return admin.Acted(acted), err
}

// reserve counts a call that a command of ours is about to make.
func (d *Daemon) reserve(ctx context.Context) (admin.Reserved, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Reserved{}, errStarting
	}
	r, err := runner.Reserve(ctx)
	return admin.Reserved{OK: r.OK, Wait: r.Wait.Seconds(), Why: r.Why}, err
}

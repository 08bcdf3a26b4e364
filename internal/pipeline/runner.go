package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// DefaultShutdownTimeout is how long Run takes at most to end in order.
const DefaultShutdownTimeout = 30 * time.Second

// Runner is the shell around a Machine. It owns these goroutines: one reads the
// replication connection, one runs the machine, one saves, one for each of the
// calls under way carries a batch out and its reply back, and one watches the
// database; those that read rows from their tables are rowread's.
// (The connection's status messages are its Stream's own.) A Runner runs once.
type Runner struct {
	Source   *replication.Source
	Mappings *mapping.Set
	Client   marketo.Client
	Store    Store
	// Backfills keeps which backfills there are; nil where there are none.
	Backfills BackfillStore
	// State is what the store held at start; its Checkpoint must be set.
	State checkpoint.State
	// Identities are the mapped tables as the start has seen them. Without them
	// tables are known by their names alone.
	Identities []Identity
	Config     delivery.Config
	// Pauses are the mappings that wait from the start on, by somebody's word.
	Pauses []delivery.Pause
	// PassOver is the start of the commit record of a transaction of which what
	// halts reading is left out, once; zero for none. PassedOver, when set, is
	// told of it.
	PassOver delivery.LSN
	// PassUnpublished is what may be left out where the server cannot send it, as
	// there was no publication then; zero for nothing.
	PassUnpublished checkpoint.Span
	PassedOver      func(checkpoint.Accepted)
	// ShutdownTimeout bounds the orderly end. Zero means
	// DefaultShutdownTimeout.
	ShutdownTimeout time.Duration
	// LookAgain, when set, says why database and mappings do not fit any more;
	// nothing when they do, and what the server says of itself. It is asked
	// every half minute.
	LookAgain func(context.Context) (replication.Server, []delivery.Obstacle, error)
	// StateFile and ConfigFile are named in what an operator is told to do.
	StateFile, ConfigFile string
	// MaxRetainedWAL is how many bytes of WAL the slot may make the server keep
	// before that is a reason not to be ready; 0 lifts the limit.
	MaxRetainedWAL int64
	Log            *slog.Logger
	// Record is what is remembered of confirmed objects, for Config.Digest; nil
	// for nothing.
	Record *Record
	// Pulse is told of the turns of the machine's loop.
	Pulse Pulse

	// prepared guards what prepare makes: Report and Act may be called before
	// Run, and wait for it.
	prepared sync.Once

	// read takes what the reader has, in what the machine gets: the same, unless
	// it has to be completed on its way.
	read, in   chan entryBuffer
	completing *completing
	sends      chan delivery.Send
	answers    chan delivery.Answered
	rows       *rowread.Reader
	toSave     chan *checkpoint.Save
	saved      chan error
	reports    chan chan delivery.Report
	asked      chan delivery.Event
	finds      chan finding
	reader     *reader
	recorder   *recorder
	// backfills sends what tables have beside the stream.
	backfills *backfiller

	// acknowledged is the last position acknowledged, or the checkpoint at start;
	// synced is zero until this life has acknowledged one.
	acknowledged, synced atomic.Uint64
	// slotLag is how far the slot is behind; looking is held by who asks.
	slotLag slotLag
	asking  sync.Mutex
	// retainsTooMuch is set while the slot keeps more WAL than it may.
	retainsTooMuch atomic.Bool
	// moved is told of every save.
	moved     moved
	campaigns askedCampaigns
	// found is the last answer of Fits.
	found atomic.Pointer[[]delivery.Obstacle]
}

// Pulse is a sign of life. Beat, where it is set, is called by the loop that
// runs the machine, after each turn: when it is called no more, the loop hangs.
// An idle loop turns at least once in Every; zero lets it rest.
type Pulse struct {
	Every time.Duration
	Beat  func(time.Time)
}

// turns returns a channel that has an idle loop turn; nil for none.
func (p Pulse) turns() (turn <-chan time.Time, stop func()) {
	if p.Every <= 0 || p.Beat == nil {
		return nil, func() {}
	}
	t := time.NewTicker(p.Every)
	return t.C, t.Stop
}

// ErrUnfinished is returned by Run when the orderly end took longer than
// ShutdownTimeout. Nothing is lost: the next start repeats the calls that were
// in flight.
var ErrUnfinished = errors.New("shutdown timed out with calls in flight; they are repeated at the next start")

// Run delivers until ctx ends, and then ends in order: it stops reading, sends
// what waits, settles, saves and acknowledges. It returns nil after an orderly
// end, a *checkpoint.Refusal when going on would lose data, and otherwise the error that
// ended it.
func (r *Runner) Run(ctx context.Context) error {
	r.prepared.Do(r.prepare)
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, life := errgroup.WithContext(life)
	group.Go(func() error { return r.reader.run(life, ctx.Done()) })
	group.Go(func() error { return r.save(life) })
	group.Go(func() error { return r.rows.Run(life) })
	if r.Record != nil {
		group.Go(func() error { return r.recorder.run(life) })
	}
	if r.completing != nil {
		group.Go(func() error { return r.completing.run(life) })
	}
	group.Go(func() error { return r.watchDatabase(life) })
	group.Go(func() error { return r.backfills.run(life, ctx.Done()) })
	group.Go(func() error {
		r.reader.tellProgress(life.Done(), ctx.Done())
		return nil
	})
	group.Go(func() error {
		defer end()
		return r.runMachine(ctx.Done(), life, group)
	})
	return group.Wait()
}

func (r *Runner) prepare() {
	if r.ShutdownTimeout == 0 {
		r.ShutdownTimeout = DefaultShutdownTimeout
	}
	r.in = make(chan entryBuffer, 2)
	r.read = r.in
	if r.Mappings.Looks() {
		r.read = make(chan entryBuffer)
		r.completing = &completing{
			lookups: rowread.NewLookups(r.Source, r.Mappings, r.Log), in: r.read, out: r.in,
			every: min(lookupEvery, r.Config.MaxWait/2), passed: r.State.Checkpoint.LSN,
		}
	}
	r.sends = make(chan delivery.Send)
	r.answers = make(chan delivery.Answered, 16)
	r.rows = rowread.New(r.Source, r.Mappings, r.Log)
	r.toSave = make(chan *checkpoint.Save, 1)
	r.saved = make(chan error, 1)
	r.reports = make(chan chan delivery.Report)
	r.asked = make(chan delivery.Event)
	r.finds = make(chan finding)
	r.acknowledged.Store(uint64(r.State.Checkpoint.LSN))
	r.recorder = newRecorder(r)
	r.reader = newReader(r)
	r.backfills = newBackfiller(r)
	for _, pause := range r.Pauses {
		r.backfills.hold(pause)
	}
}

// runMachine runs the machine until it has finished or life ends.
func (r *Runner) runMachine(stop <-chan struct{}, life context.Context, group *errgroup.Group) error {
	clock := startClock()
	m := delivery.New(r.Config, r.State, clock.now())
	for _, pause := range r.Pauses {
		for _, e := range m.Step(clock.now(), pause) {
			r.carryOut(e, life, group)
		}
	}
	r.State.Settled, r.State.SettledTo = nil, nil // the machine has it in a form of its own
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	var overtime <-chan time.Time
	turn, stopTurning := r.Pulse.turns()
	defer stopTurning()
	for {
		if r.Pulse.Beat != nil {
			r.Pulse.Beat(time.Now())
		}
		in := r.in
		if !m.Accepting() {
			in = nil
		}
		var ev delivery.Event
		var used entryBuffer
		select {
		case used = <-in:
			ev = used.event()
		case a := <-r.answers:
			if !a.Reply.Left.IsZero() {
				a.Reply.Left = clock.steady(a.Reply.Left)
			}
			ev = a
		case err := <-r.saved:
			ev = delivery.Saved{Err: err}
		case row := <-r.rows.Answers():
			ev = row
		case found := <-r.recorder.found:
			ev = found
		case ev = <-r.asked:
		case <-alarm.C:
			ev = delivery.Tick{}
		case reply := <-r.reports:
			reply <- m.Report(clock.now())
			continue
		case f := <-r.finds:
			find(m, clock.now(), f)
			continue
		case <-turn:
			continue
		case <-stop:
			failpoint.Hit("stop.begin")
			stop = nil
			overtime = time.After(r.ShutdownTimeout)
			r.Log.Info("stopping", "pending", m.Pending(), "timeout", r.ShutdownTimeout)
			ev = delivery.Stop{SendUntil: clock.now().Add(r.ShutdownTimeout / 2)}
		case <-overtime:
			return ErrUnfinished
		case <-life.Done():
			return life.Err()
		}
		now, set := clock.read()
		if set {
			r.Log.Info("wall clock was set", "ahead", clock.ahead)
			m.SetClock(now, clock.ahead)
		}
		for _, e := range m.Step(now, ev) {
			if done, ok := e.(delivery.Finished); ok {
				return r.finish(life, done)
			}
			r.carryOut(e, life, group)
		}
		if _, ok := ev.(delivery.Saved); ok {
			r.moved.tell()
		}
		r.backfills.credits.Store(int64(m.Credits()))
		used.recycle()
		if a, ok := ev.(delivery.Answered); ok {
			a.Reply.Recycle()
		}
		resetAlarm(alarm, clock.now(), m.Deadline())
	}
}

// resetAlarm sets the alarm for at; for a day hence when at is zero.
func resetAlarm(alarm *time.Timer, now, at time.Time) {
	wait := 24 * time.Hour
	if !at.IsZero() {
		wait = at.Sub(now)
	}
	alarm.Reset(max(wait, 0))
}

// finish ends the connection after its last status.
func (r *Runner) finish(life context.Context, done delivery.Finished) error {
	failpoint.Hit("stop.before_close")
	r.reader.close(life)
	failpoint.Hit("stop.after_close")
	r.Log.Info("stopped", "left", done.Left, "checkpoint", delivery.LSN(r.acknowledged.Load()))
	return nil
}

// Report asks the running machine for a picture of itself. An error means that
// it did not answer before ctx ended: it is stuck, or not running.
func (r *Runner) Report(ctx context.Context) (delivery.Report, error) {
	r.prepared.Do(r.prepare)
	reply := make(chan delivery.Report, 1)
	select {
	case r.reports <- reply:
	case <-ctx.Done():
		return delivery.Report{}, fmt.Errorf("report: %w", ctx.Err())
	}
	select {
	case report := <-reply:
		report.Source = r.sourceReport(report.Saved)
		report.Misfits = r.misfits()
		report.Stalled = slices.Concat(report.Stalled, silentObstacles(report, time.Now()), r.completing.obstacles(time.Now()), r.retainedObstacles(report))
		return report, nil
	case <-ctx.Done():
		return delivery.Report{}, fmt.Errorf("report: %w", ctx.Err())
	}
}

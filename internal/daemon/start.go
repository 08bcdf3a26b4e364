package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	firstPause   = 250 * time.Millisecond
	longestPause = 30 * time.Second
)

// unreachable is an error of looking at the server, which may pass.
type unreachable struct{ error }

func (e unreachable) Unwrap() error { return e.error }

func passes(err error) bool {
	var u unreachable
	return errors.As(err, &u) && replication.Classify(err) != replication.Fatal
}

// start waits for the server, holds everything against everything, and makes
// what is missing. It returns what to go on from.
func (d *Daemon) start(ctx context.Context, source *replication.Source, store *sqlite.Store) (found, error) {
	pause := firstPause
	for failures := 0; ; failures++ {
		f, err := d.begin(ctx, source, store)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return f, err
		}
		d.tellStarting(err)
		if failures == 0 {
			d.Log.Warn("waiting for postgresql", "err", err)
		}
		if replication.Classify(err) == replication.RetrySlowly {
			pause = longestPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return f, ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}

// begin is one attempt to start.
func (d *Daemon) begin(ctx context.Context, source *replication.Source, store *sqlite.Store) (found, error) {
	f, err := d.examine(ctx, source, store)
	if err != nil {
		if unrecorded := d.recordUnlogged(ctx, store, f.tables); unrecorded != nil {
			return f, errors.Join(err, unrecorded)
		}
		return f, err
	}
	// All else stays as the last life left it: settling in marks the store as
	// ours.
	if f.accepted != nil {
		if f.state, err = d.accept(ctx, source, store, f); err != nil {
			return f, err
		}
	}
	if f.state.Checkpoint, err = d.settleIn(ctx, source, store, f); err != nil {
		return f, err
	}
	d.noteAccepted(f.state.Accepted)
	if f.server.Publication == nil {
		// It was made just now, and the tables are in it since.
		if f.tables, err = d.lookAgain(ctx, source, f); err != nil {
			return f, err
		}
	}
	return f, d.settleTables(ctx, store, f.tables)
}

func (d *Daemon) lookAgain(ctx context.Context, source *replication.Source, f found) (Tables, error) {
	session, err := source.Catalog(ctx)
	if err != nil {
		return f.tables, unreachable{err}
	}
	defer session.Close(ctx)
	return LookAtTables(ctx, session, f.server, d.Config.Set, f.state)
}

// found is what a start begins with, and what is to be made of it.
type found struct {
	server   replication.Server
	state    checkpoint.State
	decision checkpoint.Decision
	// accepted is the gap that this start goes over; nil for none.
	accepted *checkpoint.Accepted
	tables   Tables
}

// examine holds server, store and mappings against each other, and changes
// nothing.
func (d *Daemon) examine(ctx context.Context, source *replication.Source, store *sqlite.Store) (f found, err error) {
	session, err := source.Catalog(ctx)
	if err != nil {
		return f, unreachable{err}
	}
	defer session.Close(ctx)
	if f.server, err = session.Inspect(ctx); err != nil {
		return f, unreachable{err}
	}
	if f.state, err = store.Load(ctx); err != nil {
		return f, err
	}
	if f.decision, _, err = pipeline.Decide(ctx, source, f.server.Seen(), nil, f.state.Checkpoint, f.state.Reached()); err != nil {
		return f, unreachable{err}
	}
	if f.decision.Action == checkpoint.Wait {
		return f, unreachable{&replication.Error{Reason: replication.SlotWait, Err: errors.New(f.decision.Warning + holdUps(ctx, source))}}
	}
	if d.AcceptGap != nil && !accepted(f.state, *d.AcceptGap) {
		// The stream would tell; what it would refuse is to be accepted now.
		if f.decision, err = SameHistory(ctx, source, f.state, f.decision); err != nil {
			return f, unreachable{err}
		}
	}
	f.decision = f.decision.At(d.Config.State.Path(), d.Config.File)
	if f.decision, f.accepted, err = d.overGap(f.decision, f.state); err != nil {
		return f, err
	}
	if f.server.Publication == nil {
		if f.decision = f.decision.WithoutPublication(source.Publication, source.Slot); f.decision.Refusal != nil {
			return f, f.decision.Refusal
		}
	}
	if f.tables, err = LookAtTables(ctx, session, f.server, d.Config.Set, f.state); err != nil {
		return f, err
	}
	if refusal := f.tables.Refusal(d.AcceptTables, d.Config.File); refusal != nil {
		if (d.passOver != 0 || f.accepted != nil) && strings.Contains(refusal.Remedy, "--accept-table") {
			refusal.Remedy += " --accept-gap " + d.AcceptGap.String()
		}
		return f, refusal
	}
	if err := d.inspect(ctx, session, f.server); err != nil {
		return f, err
	}
	if err := d.lookAtHolders(ctx, session); err != nil {
		return f, err
	}
	if f.decision.Warning != "" {
		d.Log.Warn("replication slot", "warning", f.decision.Warning)
	}
	return f, nil
}

// SameHistory looks into the slot, where a start would go on, and refuses that if
// the server has another history than the one that changes were delivered from.
// Nobody may be reading from the slot.
func SameHistory(ctx context.Context, source *replication.Source, state checkpoint.State, decision checkpoint.Decision) (checkpoint.Decision, error) {
	if decision.Action != checkpoint.Continue {
		return decision, nil
	}
	refusal, err := pipeline.OtherHistory(ctx, source, state)
	if refusal != nil {
		decision = checkpoint.Decision{Refusal: refusal}
	}
	return decision, err
}

// inspect holds the server against the mappings.
func (d *Daemon) inspect(ctx context.Context, session *replication.Catalog, server replication.Server) error {
	findings, err := d.findings(ctx, session, server)
	if err != nil {
		return unreachable{err}
	}
	if err := preflight.Failed(findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Level == preflight.Warn {
			d.Log.Warn("preflight", "check", f.Check, "warning", f.Detail, "remedy", f.Remedy.String())
		}
	}
	return nil
}

func (d *Daemon) findings(ctx context.Context, session *replication.Catalog, server replication.Server) ([]preflight.Finding, error) {
	locate := func(m mapping.Mistake) string { return d.Config.Locate(m).Error() }
	seen, err := preflight.Source(ctx, session, server, d.Config.Set, locate)
	return append(seen.Findings, preflight.Retention(server, int64(d.Config.Delivery.MaxRetainedWAL))...), err
}

// fits looks again, while changes stream, at what decides which of them are in
// the stream, and returns what is wrong with it.
func (d *Daemon) fits(ctx context.Context, source *replication.Source, store *sqlite.Store) (replication.Server, []delivery.Obstacle, error) {
	session, err := source.Catalog(ctx)
	if err != nil {
		return replication.Server{}, nil, err
	}
	defer session.Close(ctx)
	server, err := session.Inspect(ctx)
	if err != nil {
		return server, nil, err
	}
	findings, err := d.findings(ctx, session, server)
	if err != nil {
		return server, nil, err
	}
	if err := d.lookAtHolders(ctx, session); err != nil {
		return server, nil, err
	}
	all, err := d.watchTables(ctx, session, server, store)
	if err != nil {
		return server, nil, err
	}
	return server, append(all, obstacles(findings)...), nil
}

// conditions are what findings of a scope come to while changes stream. The others
// are of a start alone.
var conditions = map[preflight.Scope]delivery.Condition{
	preflight.ScopeStream: delivery.Unfit, preflight.ScopeTable: delivery.Unfit, preflight.ScopeKeys: delivery.Unfit,
	preflight.ScopeRows: delivery.Unreadable, preflight.ScopeCommits: delivery.Synchronous,
}

// obstacles makes those findings that fail obstacles.
func obstacles(findings []preflight.Finding) (all []delivery.Obstacle) {
	for _, f := range findings {
		if condition := conditions[f.Scope]; f.Level == preflight.Fail && condition != "" {
			all = append(all, delivery.Obstacle{Condition: condition, Reason: f.String()})
		}
	}
	return all
}

// settleIn makes what the decision asks for, and returns the checkpoint to go
// on from.
func (d *Daemon) settleIn(ctx context.Context, source *replication.Source, store *sqlite.Store, f found) (*checkpoint.Checkpoint, error) {
	here := &checkpoint.Checkpoint{
		System: f.server.System, Timeline: f.server.Timeline, Database: f.server.Database,
		Slot: source.Slot, LSN: f.decision.LSN,
	}
	switch f.decision.Action {
	case checkpoint.Create:
		lsn, err := d.create(ctx, source, store, f.server, *here)
		if err != nil {
			return nil, err
		}
		here.LSN = lsn
	case checkpoint.Adopt:
		d.Log.Info("slot adopted", "slot", source.Slot, "lsn", here.LSN)
	case checkpoint.Continue:
		// A later timeline is recorded by who streams from it.
		return f.state.Checkpoint, nil
	}
	failpoint.Hit("start.before_identify")
	err := store.Identify(ctx, *here)
	failpoint.Hit("start.after_identify")
	return here, err
}

// create makes the publication, where it is missing, and then the slot: a
// publication that is younger than the slot's position does not exist for it.
// The intention in the store comes first, so that a crash between slot and
// checkpoint can be told from a lost store.
func (d *Daemon) create(ctx context.Context, source *replication.Source, store *sqlite.Store, server replication.Server, here checkpoint.Checkpoint) (pgoutput.LSN, error) {
	if server.Publication == nil {
		var tables []catalog.TableName
		for _, t := range d.Config.Set.Tables() {
			tables = append(tables, catalog.TableName(t))
		}
		if err := source.CreatePublication(ctx, tables); err != nil {
			return 0, unreachable{err}
		}
		failpoint.Hit("publication.after_create")
		d.Log.Info("publication created", "publication", source.Publication, "tables", len(tables))
	}
	if err := store.Intend(ctx, here); err != nil {
		return 0, err
	}
	failpoint.Hit("start.after_intend")
	told := d.tellHoldUps(ctx, source)
	lsn, err := source.CreateSlot(ctx)
	told()
	if err != nil {
		return 0, unreachable{err}
	}
	failpoint.Hit("slot.after_create")
	d.Log.Info("slot created", "slot", source.Slot, "lsn", lsn)
	return lsn, nil
}

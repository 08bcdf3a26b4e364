package daemon

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
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
func (d *Daemon) start(ctx context.Context, source *replication.Source, store *sqlite.Store) (beginning, error) {
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

// beginning is what a start goes on from.
type beginning struct {
	Examination
	state checkpoint.State
	// accepted is the gap that this start goes over; nil for none.
	accepted *checkpoint.Accepted
}

// begin is one attempt to start.
func (d *Daemon) begin(ctx context.Context, source *replication.Source, store *sqlite.Store) (beginning, error) {
	b, err := d.examine(ctx, source, store)
	if err != nil {
		if unrecorded := d.recordUnlogged(ctx, store, b.Tables); unrecorded != nil {
			return b, errors.Join(err, unrecorded)
		}
		return b, err
	}
	// All else stays as the last life left it: what is made from here on marks the
	// store as ours.
	if b.accepted != nil {
		if b.state, err = d.accept(ctx, source, store, b); err != nil {
			return b, err
		}
	}
	if b.state.Checkpoint, err = d.establish(ctx, source, store, b); err != nil {
		return b, err
	}
	d.noteAccepted(b.state.Accepted)
	if b.Server.Publication == nil {
		// It was made just now, and the tables are in it since.
		x, err := Examine(ctx, d.Config, source, Known{State: &b.state})
		if err != nil {
			return b, unreachable{err}
		}
		if b.Tables, err = x.Tables, x.TablesErr; err != nil {
			return b, err
		}
	}
	return b, d.recordTables(ctx, store, b.Tables)
}

// examine holds server, store and mappings against each other, and changes
// nothing. Its Tables are those of a server that a start may go on from.
func (d *Daemon) examine(ctx context.Context, source *replication.Source, store *sqlite.Store) (b beginning, err error) {
	if b.state, err = store.Load(ctx); err != nil {
		return b, err
	}
	x, err := Examine(ctx, d.Config, source, Known{State: &b.state})
	if err = cmp.Or(err, x.DecisionErr); err != nil {
		return b, unreachable{err}
	}
	if x.Decision.Action == checkpoint.Wait {
		return b, unreachable{&replication.Error{Reason: replication.SlotWait, Err: errors.New(x.Decision.Warning + holdUps(ctx, source))}}
	}
	if d.AcceptGap != nil && !accepted(b.state, *d.AcceptGap) {
		// The stream would tell; what it would refuse is to be accepted now.
		if err := x.SameHistory(ctx, d.Config, source, b.state); err != nil {
			return b, unreachable{err}
		}
	}
	decision, accepted, err := d.overGap(x.Decision, b.state)
	if err != nil {
		return b, err
	}
	if x.Decision, b.accepted = named(d.Config, source, x.Server, decision), accepted; x.Decision.Refusal != nil {
		return b, x.Decision.Refusal
	}
	if b.Examination = x; x.TablesErr != nil {
		return b, x.TablesErr
	}
	flags := ""
	if d.passOver != 0 || accepted != nil {
		flags = " --accept-gap " + d.AcceptGap.String()
	}
	if refusal := x.Tables.Refusal(d.AcceptTables, d.Config.File, flags); refusal != nil {
		return b, refusal
	}
	refusal, err := MappingsRefusal(d.Config.Set, b.state.Mappings, d.AcceptMappings, d.Config.File)
	if err != nil {
		return b, err
	}
	if refusal != nil {
		return b, refusal
	}
	if x.SourceErr != nil {
		return b, unreachable{x.SourceErr}
	}
	if err := preflight.Failed(x.Source.Findings); err != nil {
		return b, err
	}
	d.tellStart(x)
	return b, nil
}

// tellStart tells the log what an operator should know though a start goes on, and
// the mappings how their tables keep keys apart.
func (d *Daemon) tellStart(x Examination) {
	for _, f := range x.Source.Findings {
		if f.Level == preflight.Warn {
			d.Log.Warn("preflight", "check", f.Check, "warning", f.Detail, "remedy", f.Remedy.String())
		}
	}
	d.setHolders(x)
	if x.Decision.Warning != "" {
		d.Log.Warn("replication slot", "warning", x.Decision.Warning)
	}
}

// establish makes what the decision asks for, and returns the checkpoint to go
// on from.
func (d *Daemon) establish(ctx context.Context, source *replication.Source, store *sqlite.Store, b beginning) (*checkpoint.Checkpoint, error) {
	here := &checkpoint.Checkpoint{
		System: b.Server.System, Timeline: b.Server.Timeline, Database: b.Server.Database,
		Slot: source.Slot, LSN: b.Decision.LSN,
	}
	switch b.Decision.Action {
	case checkpoint.Create:
		lsn, err := d.create(ctx, source, store, b.Server, *here)
		if err != nil {
			return nil, err
		}
		here.LSN = lsn
	case checkpoint.Adopt:
		d.Log.Info("slot adopted", "slot", source.Slot, "lsn", here.LSN)
	case checkpoint.Continue:
		// A later timeline is recorded by who streams from it.
		return b.state.Checkpoint, nil
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
		tables := d.Config.Set.TableNames()
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

package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// answerTimeout bounds the wait for a report. The pipeline takes milliseconds.
const answerTimeout = 2 * time.Second

// status is what /api/v1/status shows.
func (d *Daemon) status(ctx context.Context, store *sqlite.Store) snapshot.Status {
	s := snapshot.Status{Version: d.Version.String(), Time: time.Now().UTC()}
	if d.runner.Load() == nil {
		return s.Without(snapshot.Starting, d.startingReason())
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	report, err := d.snapshot(ctx)
	if err != nil {
		return s.Without(snapshot.Unresponsive, "the pipeline does not answer")
	}
	s.Notices = d.notices(s.Time)
	s = s.With(report)
	// Without the counts the rest is still worth knowing.
	if counts, err := store.CountParked(ctx); err == nil {
		s.Notices = append(s.Notices, d.mappingNotes(ctx, store, counts, s.Time)...)
		for i := range s.Report.Mappings {
			s.Report.Mappings[i].Parked = counts[s.Report.Mappings[i].Name]
		}
	}
	return s
}

// snapshot is how the pipeline is, with what the server said a moment ago. It is an
// error while there is none, and when it does not answer before ctx ends.
func (d *Daemon) snapshot(ctx context.Context) (*snapshot.Report, error) {
	if runner := d.runner.Load(); runner != nil {
		runner.AskServer(ctx)
	}
	report, err := d.Report(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot.Of(report, d.settings(), time.Now()), nil
}

func (d *Daemon) settings() snapshot.Settings {
	others, at := d.usage.others()
	return snapshot.Settings{
		Instance: d.Config.Marketo.Limits.InstanceCallsPerDay, Others: others, OthersAt: at,
		Slot: d.Config.Source.Slot, CallsPerDay: d.Config.Marketo.Limits.CallsPerDay, CallsPer20s: d.Config.Marketo.Limits.CallsPer20s,
		MaxRetainedWAL: int64(d.Config.Delivery.MaxRetainedWAL), MaxPendingBytes: d.Config.Delivery.MaxPendingBytes,
	}
}

// notices are what people should know though delivery goes on.
func (d *Daemon) notices(now time.Time) []string {
	return slices.Concat(d.acceptedNotes(now), d.notes())
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

// deleting counts objects that a command of ours is about to delete.
func (d *Daemon) deleting(ctx context.Context, ask admin.Deleting) (admin.Acted, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Acted{}, errStarting
	}
	acted, err := runner.Deleting(ctx, ask.Mapping, ask.Objects)
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

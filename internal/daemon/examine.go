package daemon

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/identity"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Examination is one look at the server, held against the configuration and what
// is known from before. A start goes by it, check tells it, and every half minute
// it is made again.
type Examination struct {
	Server replication.Server
	// Source is what preflight has seen, with what the slot may keep.
	Source preflight.Seen
	// Decision is how a start begins, or why it is refused, as every connection
	// after it decides, too; made only where Known has a State.
	Decision checkpoint.Decision
	// Tables is what became of the mapped tables.
	Tables Tables
	// SourceErr, DecisionErr and TablesErr say why the field is not filled in.
	SourceErr, DecisionErr, TablesErr error
	// doubts are those of each mapping, about its table's keys, before the look.
	doubts []int
}

// Known is what an Examination compares with.
type Known struct {
	// State is what the store holds; nil where that is not known, or where nothing
	// begins.
	State *checkpoint.State
	// Tables are the mapped tables as they were seen last; nil stands for what State
	// has of them.
	Tables []identity.Table
}

// Examine looks, and changes nothing. The error is only for a server that cannot
// be asked at all.
func Examine(ctx context.Context, conf *config.Config, source *replication.Source, known Known) (Examination, error) {
	x := Examination{doubts: make([]int, conf.Set.Len())}
	for i := range x.doubts {
		x.doubts[i] = conf.Set.Doubts(i)
	}
	session, err := source.Catalog(ctx)
	if err != nil {
		return x, err
	}
	defer session.Close(ctx)
	if x.Server, err = session.Inspect(ctx); err != nil {
		return x, err
	}
	x.Source, x.SourceErr = preflight.Source(ctx, session, x.Server, conf.Set, func(m mapping.Mistake) string { return conf.Locate(m).Error() })
	if x.SourceErr == nil {
		x.Source.Findings = append(x.Source.Findings, preflight.Retention(x.Server, int64(conf.Delivery.MaxRetainedWAL))...)
	}
	if known.State != nil {
		x.Decision, x.DecisionErr = decide(ctx, conf, source, x.Server, known.State)
	}
	x.Tables, x.TablesErr = lookAtTables(ctx, session, x.Server, conf.Set, known)
	return x, nil
}

// decide says how a start begins.
func decide(ctx context.Context, conf *config.Config, source *replication.Source, server replication.Server, state *checkpoint.State) (checkpoint.Decision, error) {
	decision, _, err := pipeline.Decide(ctx, source, server.Seen(), nil, state.Checkpoint, state.Reached())
	if err != nil {
		return decision, err
	}
	return named(conf, source, server, decision), nil
}

// named is a decision with the refusal for want of a publication, and with the
// files that a refusal is about.
func named(conf *config.Config, source *replication.Source, server replication.Server, decision checkpoint.Decision) checkpoint.Decision {
	if server.Publication == nil {
		decision = decision.WithoutPublication(source.Publication, source.Slot)
	}
	return decision.At(conf.State.Path(), conf.File)
}

// SameHistory looks into the slot, where a start would go on, and refuses that if
// the server has another history than the one that changes were delivered from.
// Nobody may be reading from the slot.
func (x *Examination) SameHistory(ctx context.Context, conf *config.Config, source *replication.Source, state checkpoint.State) error {
	if x.Decision.Action != checkpoint.Continue {
		return nil
	}
	refusal, err := pipeline.OtherHistory(ctx, source, state)
	if refusal != nil {
		x.Decision = checkpoint.Decision{Refusal: refusal}.At(conf.State.Path(), conf.File)
	}
	return err
}

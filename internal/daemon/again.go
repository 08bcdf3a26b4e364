package daemon

import (
	"cmp"
	"context"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// lookAgain examines, while changes stream, what decides which of them are in the
// stream, and returns what is wrong with it.
func (d *Daemon) lookAgain(ctx context.Context, source *replication.Source, store *sqlite.Store) (replication.Server, []delivery.Obstacle, error) {
	x, err := Examine(ctx, d.Config, source, Known{Tables: d.knownTables()})
	if err = cmp.Or(err, x.SourceErr, x.TablesErr); err != nil {
		return x.Server, nil, err
	}
	d.setHolders(x)
	found := obstacles(x.Source.Findings)
	if refusal := x.Tables.Refusal(nil, d.Config.File, ""); refusal != nil {
		found = slices.Insert(found, 0, delivery.Obstacle{Condition: delivery.Halted, Reason: refusal.Reason, Remedy: refusal.Remedy, Mappings: x.Tables.changed(d.Config.Set)})
		return x.Server, found, d.recordUnlogged(ctx, store, x.Tables)
	}
	return x.Server, found, d.recordTables(ctx, store, x.Tables)
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

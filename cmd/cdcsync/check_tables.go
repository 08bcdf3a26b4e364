package main

import (
	"context"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// examineTables says what became of the mapped tables and of the mappings since
// the last life.
func (c *checkup) examineTables(ctx context.Context, conf *config.Config, server replication.Server, state checkpoint.State) []preflight.Finding {
	const check = "mapped tables"
	if len(state.Relations) == 0 {
		return nil
	}
	seen, err := lookAtTables(ctx, conf, server, state)
	if err != nil {
		return []preflight.Finding{{Check: check, Level: preflight.Unseen, Detail: err.Error()}}
	}
	var findings []preflight.Finding
	for _, change := range slices.Concat(seen.Changes, seen.Unmapped) {
		level := preflight.Warn
		if change.Loses {
			level = preflight.Fail
		}
		findings = append(findings, preflight.Finding{Check: check, Level: level, Detail: change.Text, Remedy: change.Remedy})
	}
	if refusal := seen.Refusal(nil); refusal != nil && c.refusal == nil {
		c.refusal = refusal
	}
	if findings == nil {
		findings = append(findings, preflight.Finding{Check: check, Detail: "as they were when they were last seen"})
	}
	return findings
}

func lookAtTables(ctx context.Context, conf *config.Config, server replication.Server, state checkpoint.State) (daemon.Tables, error) {
	source, err := daemon.Source(conf.Source)
	if err != nil {
		return daemon.Tables{}, err
	}
	catalog, err := source.Catalog(ctx)
	if err != nil {
		return daemon.Tables{}, err
	}
	defer catalog.Close(ctx)
	return daemon.LookAtTables(ctx, catalog, server, conf.Set, state)
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// examineTables says what became of the mapped tables and of the mappings since
// the last life.
func (c *checkup) examineTables(ctx context.Context, conf *config.Config, source *replication.Source, state checkpoint.State, x *daemon.Examination) []preflight.Finding {
	const check = "mapped tables"
	if c.refusal != nil || state.Checkpoint == nil || x.Server.Publication == nil {
		return nil
	}
	if x.TablesErr != nil {
		return []preflight.Finding{{Check: check, Level: preflight.Unseen, Detail: x.TablesErr.Error()}}
	}
	seen := x.Tables
	var findings []preflight.Finding
	for _, change := range slices.Concat(seen.Changes, seen.Unmapped) {
		level := preflight.Warn
		if change.Loses {
			level = preflight.Fail
		}
		findings = append(findings, preflight.Finding{Check: check, Level: level, Detail: change.Text, Remedy: preflight.Remedy{Words: daemon.Remedy(change, conf.File)}})
	}
	if refusal := seen.Refusal(nil, conf.File, ""); refusal != nil && c.refusal == nil {
		c.refusal = refusal
	}
	refusal, err := daemon.MappingsRefusal(conf.Set, state.Mappings, nil, conf.File)
	switch {
	case err != nil:
		findings = append(findings, preflight.Finding{Check: check, Level: preflight.Unseen, Detail: err.Error()})
	case refusal != nil:
		findings = append(findings, preflight.Finding{Check: "mappings", Level: preflight.Fail, Detail: refusal.Reason, Remedy: preflight.Remedy{Words: refusal.Remedy}})
		c.refusal = cmp.Or(c.refusal, refusal)
	}
	if findings == nil && len(seen.Known) > 0 {
		findings = append(findings, preflight.Finding{Check: check, Detail: "as they were when they were last seen"})
	}
	return append(findings, examineWaiting(ctx, conf, source, state, x))
}

const (
	// mostWaiting is how many messages of the slot are looked at.
	mostWaiting = 100_000
	// waitingTimeout bounds how long the server decodes them.
	waitingTimeout = 30 * time.Second
)

// examineWaiting says whether a start would halt over what waits in the slot, as
// far as that can be seen without reading rows.
func examineWaiting(ctx context.Context, conf *config.Config, source *replication.Source, state checkpoint.State, x *daemon.Examination) preflight.Finding {
	f := preflight.Finding{Check: "waiting changes"}
	if x.Server.Slot == nil || state.Checkpoint.LSN == 0 {
		f.Detail = "none: there is no slot yet"
		return f
	}
	if x.Server.Slot.Active {
		f.Level, f.Detail = preflight.Skipped, "the slot is in use, and only who reads from it sees what waits"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, waitingTimeout)
	defer cancel()
	waiting, reason, err := lookAtWaiting(ctx, conf, source, state, x.Tables)
	cause := replication.Diagnose(err)
	switch {
	case cause == replication.WALMissing || cause == replication.PublicationMissing:
		f.Level, f.Detail, f.Remedy = preflight.Fail, "cannot be read: "+err.Error(), preflight.Remedy{Words: cause.Remedy()}
	case err != nil:
		f.Level, f.Detail = preflight.Warn, "could not be looked at, so that a start may halt over one that the mappings do not fit: "+err.Error()
		f.Remedy.Words = "nothing to do: a start that halts says where and why, and loses nothing"
	case reason != "":
		f.Level, f.Detail = preflight.Fail, "a start would halt: "+reason
		f.Remedy.Words = "do what it says before the start"
	case !waiting.All:
		f.Detail = fmt.Sprintf("the first %d fit the mappings; what waits behind them was not looked at", len(waiting.Messages))
	default:
		f.Detail = "all fit the mappings; whether their values do was not looked at"
	}
	return f
}

func lookAtWaiting(ctx context.Context, conf *config.Config, source *replication.Source, state checkpoint.State, seen daemon.Tables) (replication.Waiting, string, error) {
	catalog, err := source.Catalog(ctx)
	if err != nil {
		return replication.Waiting{}, "", err
	}
	defer catalog.Close(ctx)
	waiting, err := catalog.Peek(ctx, mostWaiting)
	if err != nil {
		return waiting, "", err
	}
	dry := pipeline.DryRun{Source: source, Mappings: conf.Set, Identities: seen.Identities(), From: *state.Checkpoint}
	reason, err := dry.Halt(ctx, waiting)
	return waiting, reason, err
}

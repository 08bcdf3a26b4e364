package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// examineState says what the state file holds, and how a start would begin
// with it.
func (c *checkup) examineState(ctx context.Context, conf *config.Config, server *replication.Server) {
	const name = "State"
	if err := sqlite.Place(conf.State.SQLite); err != nil {
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Fail, Detail: err.Error()})
		return
	}
	state, found, err := loadState(ctx, conf.State.SQLite)
	switch {
	case err != nil && server != nil && server.Slot != nil && server.Slot.Active:
		// Most likely the daemon is running, and this is its file.
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Warn, Detail: err.Error(), Remedy: preflight.Remedy{Words: "nothing to do while cdcsync is running"}})
		return
	case err != nil:
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Unseen, Detail: err.Error()})
		return
	}
	findings := []preflight.Finding{stateFinding(conf.State.SQLite, state, found)}
	if server == nil {
		c.add(name, append(findings, preflight.Finding{Check: "start", Level: preflight.Skipped, Detail: "how a start would begin is not known without PostgreSQL"})...)
		return
	}
	decision, err := decide(ctx, conf, *server, state)
	if err != nil {
		c.add(name, append(findings, preflight.Finding{Check: "start", Level: preflight.Unseen, Detail: err.Error()})...)
		return
	}
	decision = decision.At(conf.State.Path(), conf.File)
	c.refusal = decision.Refusal
	findings = append(findings, startFindings(decision, conf.Source.Slot)...)
	c.add(name, append(findings, c.examineTables(ctx, conf, *server, state)...)...)
}

// historyPatience bounds the look at what a server that lags sends again.
const historyPatience = 20 * time.Second

// decide says how a start would begin, or be refused.
func decide(ctx context.Context, conf *config.Config, server replication.Server, state checkpoint.State) (checkpoint.Decision, error) {
	source, err := daemon.Source(conf.Source)
	if err != nil {
		return checkpoint.Decision{}, err
	}
	decision, _, err := pipeline.Decide(ctx, source, server.Seen(), nil, state.Checkpoint, state.Reached())
	if err == nil && server.Publication == nil {
		decision = decision.WithoutPublication(source.Publication, source.Slot)
	}
	if err != nil || server.Slot == nil || server.Slot.Active {
		return decision, err
	}
	look, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	decision, err = daemon.SameHistory(look, source, state, decision)
	if err != nil && look.Err() != nil {
		err = nil // a start takes the time that it needs
	}
	return decision, err
}

// loadState returns what the file holds; false when there is none, which is
// not made.
func loadState(ctx context.Context, path string) (state checkpoint.State, found bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return checkpoint.State{}, false, nil
	}
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return checkpoint.State{}, true, err
	}
	state, err = store.Load(ctx)
	return state, true, errors.Join(err, store.Close())
}

func stateFinding(path string, state checkpoint.State, found bool) preflight.Finding {
	f := preflight.Finding{Check: "state file"}
	switch {
	case !found:
		f.Detail = path + " does not exist; the first start creates it"
	case state.Checkpoint == nil:
		f.Detail = path + " is new: nothing was delivered yet"
	default:
		f.Detail = fmt.Sprintf("%s: settled up to %s, parked objects: %d, calls in flight at the last end: %d", path, state.Checkpoint.LSN, len(state.Parked), len(state.InFlight))
	}
	return f
}

// startFindings tell a Decision in words.
func startFindings(d checkpoint.Decision, slot string) []preflight.Finding {
	f := preflight.Finding{Check: "start"}
	switch d.Action {
	case checkpoint.Continue:
		f.Detail = fmt.Sprintf("goes on at %s", d.LSN)
	case checkpoint.Create:
		f.Detail = fmt.Sprintf("creates slot %s and delivers the changes from then on; rows that are there already are not sent", slot)
	case checkpoint.Adopt:
		f.Detail = fmt.Sprintf("takes over slot %s, which an interrupted first start has made, at %s", slot, d.LSN)
	case checkpoint.Wait:
		return []preflight.Finding{{Check: "start", Level: preflight.Warn, Detail: "waits: " + d.Warning, Remedy: preflight.Remedy{Words: "end those transactions, or wait for them"}}}
	case checkpoint.Refuse:
		f.Level, f.Detail, f.Remedy = preflight.Fail, "is refused ("+d.Refusal.Code+"): "+d.Refusal.Reason, preflight.Remedy{Words: d.Refusal.Remedy}
	}
	findings := []preflight.Finding{f}
	if d.Warning != "" {
		findings = append(findings, preflight.Finding{Check: "start (warning)", Level: preflight.Warn, Detail: d.Warning})
	}
	return findings
}

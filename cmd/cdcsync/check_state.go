package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// examineState says what the state file holds, and how a start would begin
// with it.
func (c *checkup) examineState(ctx context.Context, conf *config.Config, source *replication.Source, kept keptState, x *daemon.Examination) {
	const name = "State"
	switch {
	case kept.misplaced != nil:
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Fail, Detail: kept.misplaced.Error()})
		return
	case kept.err != nil && x != nil && x.Server.Slot != nil && x.Server.Slot.Active:
		// Most likely the daemon is running, and this is its file.
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Warn, Detail: kept.err.Error(), Remedy: preflight.Remedy{Words: "nothing to do while cdcsync is running"}})
		return
	case kept.err != nil:
		c.add(name, preflight.Finding{Check: "state file", Level: preflight.Unseen, Detail: kept.err.Error()})
		return
	}
	findings := []preflight.Finding{stateFinding(conf.State.SQLite, kept.state, kept.found)}
	if x == nil {
		c.add(name, append(findings, preflight.Finding{Check: "start", Level: preflight.Skipped, Detail: "how a start would begin is not known without PostgreSQL"})...)
		return
	}
	if err := cmp.Or(x.DecisionErr, lookBack(ctx, conf, source, kept.state, x)); err != nil {
		c.add(name, append(findings, preflight.Finding{Check: "start", Level: preflight.Unseen, Detail: err.Error()})...)
		return
	}
	c.refusal = x.Decision.Refusal
	findings = append(findings, startFindings(x.Decision, conf)...)
	c.add(name, append(findings, c.examineTables(ctx, conf, source, kept.state, x)...)...)
}

// historyTimeout bounds the look at what a server that lags sends again.
const historyTimeout = 20 * time.Second

// lookBack looks whether the server is the one that changes were delivered from.
func lookBack(ctx context.Context, conf *config.Config, source *replication.Source, state checkpoint.State, x *daemon.Examination) error {
	if x.Server.Slot == nil || x.Server.Slot.Active {
		return nil
	}
	look, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	if err := x.SameHistory(look, conf, source, state); err != nil && look.Err() == nil {
		return err
	}
	return nil // a start takes the time that it needs
}

// keptState is what the state file holds.
type keptState struct {
	state checkpoint.State
	// found is not set where there is no file, which is not made.
	found bool
	// misplaced is why a state file must not be there; err why it cannot be read.
	misplaced, err error
}

// known is the state; nil where it is not known.
func (k *keptState) known() *checkpoint.State {
	if k.misplaced != nil || k.err != nil {
		return nil
	}
	return &k.state
}

func readState(ctx context.Context, path string) (k keptState) {
	if k.misplaced = sqlite.Place(path); k.misplaced != nil {
		return k
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return k
	}
	k.found = true
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		k.err = err
		return k
	}
	k.state, err = store.Load(ctx)
	k.err = errors.Join(err, store.Close())
	return k
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
func startFindings(d checkpoint.Decision, conf *config.Config) []preflight.Finding {
	slot := conf.Source.Slot
	f := preflight.Finding{Check: "start"}
	switch d.Action {
	case checkpoint.Continue:
		f.Detail = fmt.Sprintf("goes on at %s", d.LSN)
	case checkpoint.Create:
		f.Detail = fmt.Sprintf("creates slot %s and delivers the changes from then on; rows that are there already are %s", slot, alreadyThere(conf.Mappings))
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

// alreadyThere says of which mappings a first start sends the rows that are there.
func alreadyThere(mappings []mapping.Definition) string {
	var sent []string
	for _, m := range mappings {
		if m.Backfill == mapping.BackfillYes {
			sent = append(sent, m.Name)
		}
	}
	switch len(sent) {
	case 0:
		return "not sent (backfill: true in a mapping has them sent)"
	case len(mappings):
		return "sent beside them (backfill)"
	}
	return "sent beside them of " + strings.Join(sent, ", ") + " alone (backfill)"
}

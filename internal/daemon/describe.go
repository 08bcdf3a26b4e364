package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

const (
	// describeAgain is for how long Marketo's description of an object type is
	// used without asking again.
	describeAgain = 24 * time.Hour
	// describeTimeout bounds the asking at a start: delivery does not need it.
	describeTimeout = 30 * time.Second
)

// described is a file of descriptions beside the state. It may be thrown away:
// Marketo is asked again then.
type described struct {
	Endpoint string
	Types    map[string]describedType
}

type describedType struct {
	At          time.Time
	Description marketo.Description
}

func (d *Daemon) describedFile() string { return d.Config.State.SQLite + ".fields.json" }

// Described is what an earlier start heard from Marketo of its object types, by
// their names, however long ago.
func Described(c *config.Config) map[string]marketo.Description {
	known := make(map[string]marketo.Description)
	for name, entry := range (&Daemon{Config: c}).readDescribed().Types {
		known[name] = entry.Description
	}
	return known
}

// describe tells the mappings what the fields of their objects are, so that
// values are written as Marketo wants them: what is known of the last day, and
// else Marketo's answer, a counted call for each object type. Where there is
// none, values are written as their columns have them.
func (d *Daemon) describe(ctx context.Context, client marketo.Client, store *sqlite.Store, state *checkpoint.State) {
	asks, ok := client.(preflight.Describer)
	if !ok {
		return
	}
	reason := "asking marketo what the fields of its objects are"
	d.starting.Store(&reason)
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	known := d.readDescribed()
	calls := &startCalls{store: store, limiter: Limiter(d.Config.Marketo, *state, time.Now())}
	failed := d.askTypes(ctx, asks, &known, calls)
	for i := range d.Config.Set.Len() {
		if entry, found := known.Types[d.Config.Set.Definition(i).Object]; found {
			d.Config.Set.Describe(i, entry.Description)
		}
	}
	if calls.made {
		state.Quota = checkpoint.Quota(calls.limiter.Snapshot())
		if err := d.writeDescribed(known); err != nil {
			d.Log.Warn("descriptions of marketo's objects are not kept; the next start asks again", "err", err)
		}
	}
	if failed != nil {
		d.Log.Warn("marketo did not describe its objects; their values are written as it described them before, or else as their columns have them, until the next start", "err", failed)
	}
}

// askTypes asks for the types of which nothing was heard for a day, or that had not
// every field of their mapping then, until one call fails for a reason that is not that
// type's own.
func (d *Daemon) askTypes(ctx context.Context, asks preflight.Describer, known *described, calls *startCalls) error {
	for i := range d.Config.Set.Len() {
		name := d.Config.Set.Definition(i).Object
		entry, found := known.Types[name]
		if age := time.Since(entry.At); found && age >= 0 && age < describeAgain && !lacksField(&entry.Description, d.Config.Set.Definition(i)) {
			continue
		}
		started, err := calls.start(ctx)
		if err != nil {
			return err
		}
		description, err := asks.Describe(ctx, name)
		calls.limiter.Done(started, started)
		var fault *marketo.Fault
		switch {
		case err == nil:
			known.Types[name] = describedType{time.Now().UTC(), description}
		case errors.As(err, &fault) && fault.Class == marketo.FaultRefused:
			d.Log.Warn("marketo does not describe an object type; run: cdcsync check", "object", name, "err", err)
		default:
			return err
		}
	}
	return nil
}

// lacksField reports whether a mapping writes a field that a description has not.
func lacksField(described *marketo.Description, m mapping.Definition) bool {
	return !described.Learnt && slices.ContainsFunc(slices.Concat(m.Key, m.Attributes), func(r mapping.Rule) bool {
		return !slices.ContainsFunc(described.Fields, func(f marketo.Field) bool { return strings.EqualFold(f.Name, r.Attribute) })
	})
}

// startCalls counts calls that are made before there is a pipeline. Each is
// recorded before it is sent, as its are.
type startCalls struct {
	store   *sqlite.Store
	limiter *marketo.Limiter
	made    bool
}

// start waits until a call may be made, and records it.
func (c *startCalls) start(ctx context.Context) (time.Time, error) {
	started, err := WaitForLeave(ctx, c.limiter)
	if err != nil {
		return started, err
	}
	c.made = true
	quota := checkpoint.Quota(c.limiter.Snapshot())
	return started, c.store.Save(ctx, checkpoint.Save{Quota: &quota})
}

// readDescribed returns what the file has; nothing when it is missing, cannot
// be read or is of another instance.
func (d *Daemon) readDescribed() described {
	endpoint := ""
	if d.Config.Marketo.REST != nil {
		endpoint = d.Config.Marketo.REST.Endpoint
	}
	var known described
	text, err := os.ReadFile(d.describedFile())
	if err != nil || json.Unmarshal(text, &known) != nil || known.Endpoint != endpoint || known.Types == nil {
		return described{Endpoint: endpoint, Types: make(map[string]describedType)}
	}
	return known
}

// writeDescribed replaces the file.
func (d *Daemon) writeDescribed(known described) error {
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	next := d.describedFile() + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, d.describedFile())
}

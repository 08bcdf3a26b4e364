package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/identity"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// EveryTable stands for all tables among Daemon.AcceptTables.
const EveryTable = "all"

// Tables is what a look at the mapped tables gives beside what was known.
type Tables struct {
	Known []identity.Table
	View  identity.View
	// Changes are what the stream does not show, Unmapped the mappings that are
	// gone.
	Changes, Unmapped []identity.Change
}

// lookAtTables holds the mapped tables against what is known of them. Nothing is
// found where nothing is known.
func lookAtTables(ctx context.Context, session *replication.Catalog, server replication.Server, set *mapping.Set, known Known) (Tables, error) {
	t := Tables{Known: known.Tables}
	if known.State != nil && t.Known == nil {
		for _, r := range known.State.Relations {
			table, err := identity.Read(r.Record)
			if err != nil {
				return t, err
			}
			t.Known = append(t.Known, table)
		}
	}
	var err error
	if t.View, err = identity.Look(ctx, session, server.Version, set, t.Known); err != nil {
		return t, unreachable{err}
	}
	t.Changes = identity.Compare(t.Known, t.View, haltsIn(set))
	if known.State != nil && known.State.Checkpoint != nil {
		// A mapping whose table is not there is not gone.
		t.Unmapped = slices.DeleteFunc(identity.Unmapped(t.Known, t.View, known.State.Checkpoint.LSN.String()), func(u identity.Change) bool {
			return slices.ContainsFunc(t.Changes, func(c identity.Change) bool { return c.Absent && c.Table == u.Table })
		})
	}
	return t, nil
}

// haltsIn says of a table whether rows that go without a word halt delivery.
func haltsIn(set *mapping.Set) func(identity.Table) bool {
	return func(t identity.Table) bool {
		return slices.ContainsFunc(set.Mappings(mapping.Table{Schema: t.Schema, Name: t.Name}), func(i int) bool {
			return set.Definition(i).HaltsOnTruncate()
		})
	}
}

// Refusal is why going on would pass changes over; nil when it would not, or
// when that was accepted for the tables. Flags are added to the command that goes
// on all the same.
func (t Tables) Refusal(accepted []string, config, flags string) *checkpoint.Refusal {
	var reasons, remedies, names []string
	for _, c := range t.Changes {
		if !c.Loses || !c.Absent && accepts(accepted, c.Table) {
			continue
		}
		reasons = append(reasons, c.Text)
		if !slices.Contains(remedies, c.Remedy) {
			remedies = append(remedies, c.Remedy)
		}
		if !c.Absent && !slices.Contains(names, c.Table) {
			names = append(names, c.Table)
		}
	}
	if reasons == nil {
		return nil
	}
	return &checkpoint.Refusal{
		Code: checkpoint.TableChanged, Reason: strings.Join(reasons, "; "),
		Remedy: strings.Join(remedies, "; ") + goingOn(names, config, flags),
	}
}

// changed are the mappings of the tables that a Refusal is about.
func (t Tables) changed(set *mapping.Set) []int {
	var found []int
	for i := range set.Len() {
		d := set.Definition(i)
		if slices.ContainsFunc(t.Changes, func(c identity.Change) bool { return c.Loses && c.Table == d.Schema+"."+d.Table }) {
			found = append(found, i)
		}
	}
	return found
}

// Remedy is what to do about a change that a start is refused for.
func Remedy(c identity.Change, config string) string {
	if !c.Loses || c.Absent {
		return c.Remedy
	}
	return c.Remedy + goingOn([]string{c.Table}, config, "")
}

// goingOn says how to go on over what is missing of tables.
func goingOn(tables []string, config, flags string) string {
	if len(tables) == 0 {
		return ""
	}
	return "; what is missing from the stream does not come by itself; to go on after that, or without it, start once with: " + checkpoint.RunOnce(config, "--accept-table "+quoted(tables)+flags)
}

func quoted(names []string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return strings.Join(words, " --accept-table ")
}

func accepts(accepted []string, table string) bool {
	return slices.Contains(accepted, table) || slices.Contains(accepted, EveryTable)
}

// tables keeps what is known of the mapped tables while the daemon runs.
type tables struct {
	mu    sync.Mutex
	known []identity.Table
	// notices are what people should know though delivery goes on.
	notices []string
}

// recordTables records the tables as they are now, and tells what became of
// them.
func (d *Daemon) recordTables(ctx context.Context, store *sqlite.Store, seen Tables) error {
	for _, c := range slices.Concat(seen.Changes, seen.Unmapped) {
		if c.Loses {
			d.Log.Warn("accepted: changes of a table may be missing", "table", c.Table, "reason", c.Text, "remedy", c.Remedy)
			continue
		}
		d.notice(c)
	}
	return d.saveTables(ctx, store, seen.Known, seen.accepted())
}

// accepted are the tables as they are now, with what is known of their past.
func (t Tables) accepted() []identity.Table {
	now := slices.Clone(t.View.Tables)
	for i := range now {
		for _, known := range t.Known {
			switch {
			case known.OID == now[i].OID:
				now[i].Former = known.Former
			case known.String() == now[i].String():
				now[i] = identity.Accept(known, now[i])
			}
		}
	}
	return now
}

// Identities are the tables for the reader of the stream.
func (t Tables) Identities() []pipeline.Identity { return identities(t.accepted(), nil) }

// notice tells of something that delivery goes on over.
func (d *Daemon) notice(c identity.Change) {
	d.Log.Warn("table changed", "table", c.Table, "reason", c.Text, "remedy", c.Remedy)
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	text := c.Text + "; " + c.Remedy
	if !slices.Contains(d.tables.notices, text) && len(d.tables.notices) < mostNotices {
		d.tables.notices = append(d.tables.notices, text)
	}
}

// mostNotices bounds what status lists.
const mostNotices = 50

// saveTables saves the tables where they are not as known, and knows them as they
// are from then on.
func (d *Daemon) saveTables(ctx context.Context, store *sqlite.Store, known, now []identity.Table) error {
	before, after := map[string]bool{}, []checkpoint.Relation{}
	for i := range known {
		text, err := known[i].Record()
		if err != nil {
			return fmt.Errorf("record the mapped tables: %w", err)
		}
		before[text] = true
	}
	same := len(known) == len(now)
	for i := range now {
		text, err := now[i].Record()
		if err != nil {
			return fmt.Errorf("record the mapped tables: %w", err)
		}
		same = same && before[text]
		after = append(after, checkpoint.Relation{Schema: now[i].Schema, Name: now[i].Name, OID: now[i].OID, Seen: time.Now().UTC(), Record: text})
	}
	if !same {
		if err := store.SaveRelations(ctx, after); err != nil {
			return err
		}
	}
	// Not before: what was not saved is to be saved at the next look.
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	d.tables.known = now
	return nil
}

// recordUnlogged keeps what the catalog will not show any more once a table is
// LOGGED again. All else stays as it was known, until somebody accepts it.
func (d *Daemon) recordUnlogged(ctx context.Context, store *sqlite.Store, seen Tables) error {
	marked, more := identity.Unlogged(seen.Known, seen.View)
	if !more {
		return nil
	}
	return d.saveTables(ctx, store, seen.Known, marked)
}

// knownTables are the tables as they were seen last.
func (d *Daemon) knownTables() []identity.Table {
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	return d.tables.known
}

// identities are the tables for the reader of the stream.
func (d *Daemon) identities() []pipeline.Identity {
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	return identities(d.tables.known, d.AcceptTables)
}

func identities(known []identity.Table, accepted []string) []pipeline.Identity {
	var all []pipeline.Identity
	for _, t := range known {
		all = append(all, pipeline.Identity{
			Table: mapping.Table{Schema: t.Schema, Name: t.Name}, OID: t.OID, Former: t.Former,
			AcceptAny: accepts(accepted, t.String()),
		})
	}
	return all
}

// renamed reports whether a table of the stream is a mapped one that had another
// name when the change was written.
func (d *Daemon) renamed(table catalog.TableName, oid uint32) bool {
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	return slices.ContainsFunc(d.tables.known, func(t identity.Table) bool {
		same := t.Schema == table.Schema && t.Name == table.Name
		return !same && (t.OID == oid || slices.Contains(t.Former, oid))
	})
}

// notes are the notices so far.
func (d *Daemon) notes() []string {
	d.tables.mu.Lock()
	defer d.tables.mu.Unlock()
	return slices.Clone(d.tables.notices)
}

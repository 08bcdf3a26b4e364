package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// knownMappings are the configured mappings, as they are to be recorded. Those
// that a store knows, or that one of an older release had, count as loaded where
// they did: neither an upgrade nor another name sends a table.
func knownMappings(set *mapping.Set, state *checkpoint.State, now time.Time) (all []checkpoint.KnownMapping) {
	known := make(map[checkpoint.MappingID]checkpoint.KnownMapping)
	for _, k := range state.Mappings {
		known[k.MappingID] = k
	}
	for i := range set.Len() {
		d := set.Definition(i)
		k, ok := known[pipeline.MappingID(d)]
		if !ok {
			k = checkpoint.KnownMapping{MappingID: pipeline.MappingID(d), Loaded: state.OlderMappings, Since: now}
		}
		if rules := d.Record(); k.Rules != rules {
			k.Rules, k.Changed = rules, now
		}
		k.Name = d.Name
		all = append(all, k)
	}
	return all
}

// beginBackfills begins the backfills that the configuration asks for and that have
// not been begun, of mappings as they were recorded just now. It returns the mappings
// of which nothing says whether the rows that are there are wanted.
func (d *Daemon) beginBackfills(ctx context.Context, source *replication.Source, store *sqlite.Store, runner *pipeline.Runner, state *checkpoint.State) (unsent []int, err error) {
	known := state.Mappings
	begun, err := store.Backfills(ctx)
	if err != nil {
		return nil, err
	}
	for i, k := range known {
		if k.Loaded || wasBegun(begun, k) {
			continue
		}
		switch d.Config.Set.Definition(i).Backfill {
		case mapping.BackfillYes:
			if err := runner.QueueBackfill(ctx, i); err != nil {
				return nil, err
			}
		case mapping.BackfillUnsaid:
			unsent = append(unsent, i)
		}
	}
	return unsent, nil
}

// wasBegun reports whether all rows of a mapping were asked for since it is known.
func wasBegun(all []checkpoint.Backfill, k checkpoint.KnownMapping) bool {
	for i := range all {
		if all[i].MappingID == k.MappingID && all[i].Whole() && !all[i].Added.Before(k.Since) {
			return true
		}
	}
	return false
}

// tellUnsent tells of rows that tables have and that nothing sends. It counts them
// beside the stream, as there may be many tables.
func (d *Daemon) tellUnsent(ctx context.Context, source *replication.Source, runner *pipeline.Runner, mappings []int) {
	if len(mappings) == 0 {
		return
	}
	session, err := rowread.Open(ctx, source)
	if err != nil {
		return // reading the tables will say what is wrong
	}
	defer session.Close(context.WithoutCancel(ctx))
	for _, i := range mappings {
		m := d.Config.Set.Definition(i)
		rows, err := session.CountRows(ctx, catalog.TableName{Schema: m.Schema, Name: m.Table})
		if err == nil && rows > 0 {
			d.tellUnsentRows(m, rows, runner.BackfillCost(rows))
		}
	}
}

func (d *Daemon) tellUnsentRows(m mapping.Definition, rows int64, cost backfill.Cost) {
	d.Log.Warn("rows that the table has already are not sent", "mapping", m.Name, "table", m.Schema+"."+m.Table, "rows", rows, "calls", cost.Calls,
		"remedy", fmt.Sprintf("cdcsync backfill start %s sends them; backfill: true or false in the mapping says which is meant", m.Name))
}

// backfills answers what is asked of backfills.
func (d *Daemon) backfills(ctx context.Context, ask admin.BackfillAsk) (admin.Backfills, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Backfills{}, errStarting
	}
	var reports []pipeline.BackfillReport
	var err error
	switch ask.Action {
	case admin.BackfillStart:
		reports, err = runner.StartBackfills(ctx, pipeline.BackfillRequest{Mappings: ask.Mappings, Where: ask.Where, Keys: ask.Keys, Force: ask.Force, Remove: ask.Remove})
	case admin.BackfillRetry:
		reports, err = runner.RetryRefused(ctx, ask.Mappings, coded(ask.Code))
	case admin.BackfillPause:
		reports, err = runner.PauseBackfills(ctx, ask.Mappings)
	case admin.BackfillResume:
		reports, err = runner.ResumeBackfills(ctx, ask.Mappings)
	case admin.BackfillCancel:
		reports, err = runner.CancelBackfills(ctx, ask.Mappings)
	default:
		reports, err = runner.ListBackfills(ctx)
	}
	answer := admin.Backfills{Backfills: []admin.Backfill{}}
	for i := range reports {
		b := translateBackfill(&reports[i])
		if ask.Refused > 0 && err == nil {
			b.RefusedRows, err = refusedRows(ctx, runner, reports[i].Feed(), ask.Refused)
		}
		answer.Backfills = append(answer.Backfills, b)
	}
	return answer, err
}

// coded chooses codes by what was asked for.
func coded(want string) func(code string) bool {
	return func(code string) bool { return want == "" || code == want || want == admin.NoCode && code == "" }
}

// refusedRows lists the first rows of a backfill that Marketo refused.
func refusedRows(ctx context.Context, runner *pipeline.Runner, feed string, most int) (rows []admin.RefusedRow, err error) {
	refused, err := runner.Backfills.Refused(ctx, checkpoint.RefusedFilter{Feed: feed, Limit: most})
	if err != nil {
		return nil, err
	}
	for _, r := range refused {
		row := admin.RefusedRow{Key: mapping.KeyText(pipeline.RefusedTexts(r.Key)), Code: r.Code, Message: r.Message, At: r.At.UTC()}
		if r.Waits {
			next := r.Next.UTC()
			row.Next = &next
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func translateBackfill(r *pipeline.BackfillReport) admin.Backfill {
	b := admin.Backfill{
		ID: r.ID, Mapping: r.Mapping, Table: r.Schema + "." + r.Table, Object: r.Object, State: string(r.State), Reason: r.Err,
		Where: r.Where, Keys: len(r.Keys), Force: r.Force, Remove: r.Remove,
		Rows: r.Rows, Objects: r.Objects, Refused: r.Refused, Estimate: r.Estimate, CallsLeft: r.Cost.Calls, SecondsLeft: r.Left.Seconds(), Day: r.Cost.Day,
		Added: r.Added.UTC(),
	}
	for _, a := range r.Campaigns {
		b.Campaigns = append(b.Campaigns, a.String())
	}
	b.CampaignsUnknown, b.RefusedLeft = r.Unasked, r.Unsent
	for at, to := range map[*time.Time]**time.Time{&r.Started: &b.Started, &r.Ended: &b.Ended} {
		if !at.IsZero() {
			utc := at.UTC()
			*to = &utc
		}
	}
	return b
}

// backfillMetrics shows the newest backfill of each mapping.
func (d *Daemon) backfillMetrics(runner *pipeline.Runner) snapshot.BackfillMetrics {
	m := snapshot.BackfillMetrics{Ask: func(ctx context.Context) ([]checkpoint.Backfill, error) {
		reports, err := runner.ListBackfills(ctx)
		all := make([]checkpoint.Backfill, len(reports))
		for i := range reports {
			all[i] = reports[i].Backfill
		}
		return all, err
	}}
	for i := range d.Config.Set.Len() {
		m.Mappings = append(m.Mappings, d.Config.Set.Definition(i).Name)
	}
	return m
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// BackfillRequest asks for rows that tables have to be sent.
type BackfillRequest struct {
	// Mappings are names; none stands for all.
	Mappings []string
	// Where is an expression as in a mapping; Keys are those of rows. Both empty
	// means every row.
	Where string
	Keys  []string
	// Force sends objects although Marketo is known to have them as they are.
	Force bool
	// Remove deletes the objects of Keys that no row wants, where on_delete does.
	Remove bool
}

// BackfillReport is a backfill, and what is to be expected of it.
type BackfillReport struct {
	checkpoint.Backfill
	// Cost is that of the rows that are left, as far as they are known.
	Cost backfill.Cost
	// Campaigns are what Marketo knows to use the object type, told when it is asked
	// for alone; Unasked says why that is not known, empty where it is.
	Campaigns []marketo.Asset
	Unasked   string
	// Unsent is how many refused rows of the mapping RetryRefused has left.
	Unsent int
	// Left is how long it will take at the rate of this life, or else at the
	// limits; zero where neither is known.
	Left time.Duration
}

// StartBackfills records backfills, one for each mapping, and begins. What stands
// against one stands against all of them.
func (r *Runner) StartBackfills(ctx context.Context, ask BackfillRequest) ([]BackfillReport, error) {
	r.prepared.Do(r.prepare)
	if r.backfills.store == nil {
		return nil, errNoBackfills
	}
	chosen, err := r.named(ask.Mappings)
	if err != nil {
		return nil, err
	}
	return r.startBackfills(ctx, chosen, func(int) BackfillRequest { return ask })
}

// startBackfills does so for mappings, each with a request of its own.
func (r *Runner) startBackfills(ctx context.Context, chosen []int, asks func(mapping int) BackfillRequest) (reports []BackfillReport, err error) {
	b := r.backfills
	var all []checkpoint.Backfill
	for _, i := range chosen {
		d, ask := r.Mappings.Definition(i), asks(i)
		if err := checkRequest(d, ask); err != nil {
			return nil, fmt.Errorf("mapping %s: %w", d.Name, err)
		}
		if id := b.unfinished(MappingID(d)); id != 0 {
			return nil, fmt.Errorf("backfill %d of mapping %s has not ended; cancel it first, or resume it: cdcsync backfill list", id, d.Name)
		}
		c := checkpoint.Backfill{
			Mapping: d.Name, MappingID: MappingID(d), State: checkpoint.BackfillWaiting,
			Where: ask.Where, Keys: ask.Keys, Force: ask.Force, Remove: ask.Remove, Added: time.Now().UTC(),
		}
		if c.Estimate, err = r.estimate(ctx, d, ask); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	used := make([]campaigns, len(all))
	for i := range all {
		used[i] = r.campaignsOf(ctx, r.Mappings.Definition(chosen[i]).Object)
	}
	for i, c := range all {
		if c.ID, err = b.store.AddBackfill(ctx, c); err != nil {
			return reports, err
		}
		if err := b.add(c); err != nil {
			return reports, err
		}
		report := BackfillReport{Backfill: c, Cost: r.BackfillCost(c.Estimate), Left: r.BackfillCost(c.Estimate).Time}
		report.Campaigns, report.Unasked = used[i].found, used[i].unasked
		reports = append(reports, report)
	}
	return reports, nil
}

// QueueBackfill records a backfill of all rows of a mapping, and begins.
func (r *Runner) QueueBackfill(ctx context.Context, mapping int) error {
	r.prepared.Do(r.prepare)
	d := r.Mappings.Definition(mapping)
	c := checkpoint.Backfill{Mapping: d.Name, MappingID: MappingID(d), State: checkpoint.BackfillWaiting, Added: time.Now().UTC()}
	var err error
	if c.ID, err = r.backfills.store.AddBackfill(ctx, c); err != nil {
		return err
	}
	return r.backfills.add(c)
}

// checkRequest checks what can be checked without the table.
func checkRequest(d mapping.Definition, ask BackfillRequest) error {
	if ask.Where != "" {
		if _, err := compileWhere(d, ask.Where); err != nil {
			return fmt.Errorf("--where: %w", err)
		}
	}
	columns := d.KeyColumns()
	if len(ask.Keys) > 0 && len(columns) == 0 {
		return rowread.ErrNoKeyColumn
	}
	if ask.Remove && (len(ask.Keys) == 0 || !d.OnDelete.Delete) {
		return errors.New("objects that no row wants are deleted by their keys, and only where on_delete is delete")
	}
	for _, key := range ask.Keys {
		if _, err := mapping.ParseKeyText(columns, key); err != nil {
			return err
		}
	}
	return nil
}

// estimate looks at the table: whether it can be read in parts at all, whether the
// expression fits it, and how many rows there are.
func (r *Runner) estimate(ctx context.Context, d mapping.Definition, ask BackfillRequest) (int64, error) {
	session, err := rowread.Open(ctx, r.Source)
	if err != nil {
		return 0, err
	}
	defer session.Close(ctx)
	table := catalog.TableName{Schema: d.Schema, Name: d.Table}
	c, err := session.BeginChunk(ctx, table, nil)
	if err != nil {
		return 0, err
	}
	if ask.Where != "" {
		filter, err := compileWhere(d, ask.Where)
		if err == nil {
			err = filter.Bind(c.Table.Relation(), c.Table.Facts())
		}
		if err != nil {
			return 0, errors.Join(fmt.Errorf("--where: %w", err), c.End(ctx))
		}
	}
	if err := c.End(ctx); err != nil || len(ask.Keys) > 0 {
		return int64(len(ask.Keys)), err
	}
	return session.CountRows(ctx, table)
}

// named returns the mappings of these names, all of them for none.
func (r *Runner) named(names []string) (chosen []int, err error) {
	for i := range r.Mappings.Len() {
		if len(names) == 0 || slices.Contains(names, r.Mappings.Definition(i).Name) {
			chosen = append(chosen, i)
		}
	}
	for _, name := range names {
		if _, err := r.Mappings.Find(name); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// ListBackfills lists those that were asked for, the oldest first.
func (r *Runner) ListBackfills(ctx context.Context) ([]BackfillReport, error) {
	r.prepared.Do(r.prepare)
	b := r.backfills
	if b.store == nil {
		return nil, errNoBackfills
	}
	all, err := b.store.Backfills(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	reports := make([]BackfillReport, len(all))
	for i := range all {
		report := &reports[i]
		report.Backfill = all[i]
		j := b.job(all[i].ID)
		if j == nil {
			continue
		}
		report.Backfill = j.Backfill
		if b.held[j.mapping] {
			report.Err = "its mapping is paused; cdcsync resume " + j.Mapping + " has it go on"
		}
		left := max(j.Estimate-j.Rows, 0)
		report.Cost = r.BackfillCost(left)
		report.Left = report.Cost.Time
		if done := j.Rows - j.from; j.State == checkpoint.BackfillRunning && !j.began.IsZero() && done > 0 {
			report.Left = time.Duration(float64(time.Since(j.began)) / float64(done) * float64(left))
		}
	}
	return reports, nil
}

// PauseBackfills has those of the mappings stand, all for no names, until they
// are resumed, also in later lives.
func (r *Runner) PauseBackfills(ctx context.Context, names []string) ([]BackfillReport, error) {
	return r.moveBackfills(ctx, names, checkpoint.BackfillPaused, checkpoint.BackfillWaiting, checkpoint.BackfillRunning)
}

// ResumeBackfills has those go on that were paused, or that failed.
func (r *Runner) ResumeBackfills(ctx context.Context, names []string) ([]BackfillReport, error) {
	reports, err := r.moveBackfills(ctx, names, checkpoint.BackfillWaiting, checkpoint.BackfillPaused, checkpoint.BackfillFailed)
	for i := range reports {
		at := r.backfills.mappingOf(reports[i].MappingID)
		if at < 0 {
			continue
		}
		select {
		case r.asked <- delivery.Pause{Mapping: at, Backfill: true}:
		case <-ctx.Done():
			return reports, ctx.Err()
		}
	}
	return reports, err
}

// CancelBackfills ends those of the mappings. What is on its way arrives.
func (r *Runner) CancelBackfills(ctx context.Context, names []string) ([]BackfillReport, error) {
	return r.moveBackfills(ctx, names, checkpoint.BackfillCancelled,
		checkpoint.BackfillWaiting, checkpoint.BackfillRunning, checkpoint.BackfillPaused, checkpoint.BackfillFailed)
}

// moveBackfills gives those that are in one of the states another one, and
// returns them.
func (r *Runner) moveBackfills(ctx context.Context, names []string, to checkpoint.BackfillState, from ...checkpoint.BackfillState) (moved []BackfillReport, err error) {
	r.prepared.Do(r.prepare)
	b := r.backfills
	if b.store == nil {
		return nil, errNoBackfills
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		if !slices.ContainsFunc(b.jobs, func(j *job) bool { return j.Mapping == name }) {
			return nil, fmt.Errorf("no backfill of mapping %s is under way; cdcsync backfill list shows those that are", name)
		}
	}
	for _, j := range slices.Clone(b.jobs) {
		if len(names) > 0 && !slices.Contains(names, j.Mapping) || !slices.Contains(from, j.State) {
			continue
		}
		if err := b.moveLocked(ctx, j, to, ""); err != nil {
			return moved, err
		}
		if j == b.running {
			b.interrupt()
		}
		moved = append(moved, BackfillReport{Backfill: j.Backfill})
		r.Log.Info("backfill moved by an operator", "backfill", j.ID, "mapping", j.Mapping, "state", to)
	}
	signal(b.wake)
	return moved, nil
}

// add has a backfill worked on that was recorded just now.
func (b *backfiller) add(c checkpoint.Backfill) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer signal(b.wake)
	if b.job(c.ID) != nil {
		return nil
	}
	return b.take(c)
}

// job returns the one with an ID that has not ended; nil for none.
func (b *backfiller) job(id int64) *job {
	for _, j := range b.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// unfinished returns the backfill of a mapping that has not ended; 0 for none.
func (b *backfiller) unfinished(id checkpoint.MappingID) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.jobs {
		if j.MappingID == id {
			return j.ID
		}
	}
	return 0
}

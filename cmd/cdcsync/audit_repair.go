package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/audit"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// remover deletes objects by Marketo's ids.
type remover interface {
	Remove(ctx context.Context, objectType string, guids []string) ([]marketo.Result, error)
}

// repaired is what became of the findings of one mapping.
type repaired struct {
	Mapping string `json:"mapping"`
	// Sent rows were handed to the daemon, and so were Removed objects that no row
	// wants; Deleted are objects of rows that have others. Left findings stay, and
	// Why says why.
	Sent    int      `json:"sent"`
	Removed int      `json:"removed"`
	Deleted int      `json:"deleted"`
	Left    int      `json:"left"`
	Why     []string `json:"left_because,omitempty"`
}

func (r *repaired) leave(n int, why string) {
	if r.Left += n; n > 0 && !slices.Contains(r.Why, why) {
		r.Why = append(r.Why, why)
	}
}

// repair mends what was found: rows go through the daemon's queue, as those of a
// backfill do, and so do objects that no row wants.
func (r *auditRun) repair(ctx context.Context) error {
	for i := range r.report.Mappings {
		name := r.report.Mappings[i].Mapping
		done := repaired{Mapping: name}
		var rows, extra []string
		var surplus []audit.Finding
		for _, f := range r.report.Findings {
			if f.Mapping != name {
				continue
			}
			key := mapping.KeyText(f.Columns)
			switch {
			case len(f.Columns) == 0:
				done.leave(1, "no row can have a key as marketo has it: delete these objects in marketo by hand")
			case f.Kind == audit.Extra && !r.removeExtra:
				done.leave(1, "what is too much is removed with --remove-extra only")
			case f.Kind == audit.Extra:
				extra = append(extra, key)
			case f.Kind == audit.Doubled && !r.removeExtra:
				done.leave(1, "what is too much is removed with --remove-extra only")
			case f.Kind == audit.Doubled:
				surplus = append(surplus, f)
				rows = append(rows, key)
			default:
				rows = append(rows, key)
			}
		}
		err := r.removeSurplus(ctx, name, surplus, &done)
		if err == nil {
			err = r.send(ctx, name, rows, false, &done)
		}
		if err == nil {
			err = r.send(ctx, name, extra, true, &done)
		}
		r.report.Repaired = append(r.report.Repaired, done)
		if err != nil {
			return fmt.Errorf("repair of mapping %s: %w", name, err)
		}
	}
	return nil
}

// send has the daemon send rows, or remove objects that no row wants, and waits
// until that is settled.
func (r *auditRun) send(ctx context.Context, mapping string, keys []string, remove bool, done *repaired) error {
	for some := range keyChunks(keys) {
		answer, err := r.client.Backfills(ctx, admin.BackfillAsk{Action: admin.BackfillStart, Mappings: []string{mapping}, Keys: some, Force: true, Remove: remove})
		if err != nil {
			return explain(err)
		}
		if len(answer.Backfills) != 1 {
			return errors.New("the daemon has not begun one backfill; see cdcsync backfill list")
		}
		end, err := r.awaitBackfill(ctx, answer.Backfills[0].ID)
		if err != nil {
			return err
		}
		done.leave(int(end.Refused), "marketo refused them; see cdcsync backfill list --refused")
		if remove {
			done.Removed += len(some)
		} else {
			done.Sent += len(some)
		}
	}
	return nil
}

// awaitBackfill waits until a backfill has ended.
func (r *auditRun) awaitBackfill(ctx context.Context, id int64) (admin.Backfill, error) {
	for {
		all, err := r.client.Backfills(ctx, admin.BackfillAsk{})
		if err != nil {
			return admin.Backfill{}, explain(err)
		}
		for _, b := range all.Backfills {
			switch {
			case b.ID != id:
			case b.State == "done":
				return b, nil
			case b.State == "failed", b.State == "cancelled", b.State == "paused":
				return b, fmt.Errorf("its backfill %d is %s: %s; see cdcsync backfill list", id, b.State, printable(b.Reason))
			}
		}
		if err := r.held(ctx); err != nil {
			return admin.Backfill{}, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return admin.Backfill{}, ctx.Err()
		}
	}
}

// held says that the daemon does not delete more in this hour.
func (r *auditRun) held(ctx context.Context) error {
	status, err := r.client.Status(ctx)
	if err != nil {
		return explain(err)
	}
	for _, o := range status.Obstacles {
		if o.State == "deletes_held" {
			return fmt.Errorf("%s; %s. The rest goes on once it is released", printable(o.Reason), printable(o.Advice))
		}
	}
	return nil
}

// removeSurplus deletes what a row has too much, one object of each key stays. The
// daemon's queue knows keys, and not ids; it writes to the one that stays.
func (r *auditRun) removeSurplus(ctx context.Context, mapping string, findings []audit.Finding, done *repaired) error {
	if len(findings) == 0 {
		return nil
	}
	api, ok := r.audit.Marketo.(remover)
	if !ok {
		done.leave(len(findings), "of doubled objects the SOAP API tells no ids: remove one of them in marketo")
		return nil
	}
	if !r.deletes(mapping) {
		done.leave(len(findings), "its on_delete is not delete, so that nothing is deleted")
		return nil
	}
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.Surplus...)
	}
	for len(ids) > 0 {
		some := ids[:min(r.audit.Marketo.MostKeys(), len(ids))]
		leave, err := r.client.Deleting(ctx, admin.Deleting{Mapping: mapping, Objects: len(some)})
		if err != nil {
			return explain(err)
		}
		if leave.Done == 0 {
			why := strings.Join(leave.Problems, "; ")
			done.leave(len(ids), why)
			return errors.New(why + ". The next audit removes the rest")
		}
		some, ids = ids[:leave.Done], ids[leave.Done:]
		results, err := api.Remove(ctx, findings[0].Object, some)
		if err != nil {
			return err
		}
		for _, result := range results {
			if result.Outcome == marketo.Confirmed {
				done.Deleted++
			} else {
				done.leave(1, "marketo refused to delete them: "+result.Code)
			}
		}
	}
	return nil
}

func (r *auditRun) deletes(mapping string) bool {
	i, ok := r.config.Set.Named(mapping)
	return ok && r.config.Set.Definition(i).OnDelete.Delete
}

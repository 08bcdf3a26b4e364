package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A backfill that sends a row again has the word about it: what an earlier one kept
// as refused of it is forgotten with what comes out now. One of all rows does so by
// itself, when it is done.

// mostRefusedKnown bounds how many refused rows of a mapping a backfill of some rows
// knows of, in each earlier one. What is beyond stays refused until all rows are sent.
const mostRefusedKnown = 100_000

// loadRefused looks for the rows that earlier backfills of the mapping could not send.
func (l *loading) loadRefused(ctx context.Context) error {
	if l.job.Whole() {
		return nil
	}
	return l.eachRefused(ctx, l.job.MappingID, func(r checkpoint.Refused) {
		if r.Feed == l.job.Feed() {
			return
		}
		if l.refused == nil {
			l.refused = map[string][]string{}
		}
		l.refused[r.Key] = append(l.refused[r.Key], r.Feed)
	})
}

// eachRefused visits the refused rows of all backfills of a mapping.
func (b *backfiller) eachRefused(ctx context.Context, id checkpoint.MappingID, visit func(checkpoint.Refused)) error {
	all, err := b.store.Backfills(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].MappingID != id {
			continue
		}
		refused, err := b.store.Refused(ctx, checkpoint.RefusedFilter{Feed: all[i].Feed(), Limit: mostRefusedKnown})
		if err != nil {
			return err
		}
		for _, r := range refused {
			visit(r)
		}
	}
	return nil
}

// gone notes which of the keys that were asked for no row wants. What became of the rows
// of unread ones is not known.
func (l *loading) gone(relation *pgoutput.Relation, p *part) error {
	p.gone = nil
	if l.refused == nil {
		return nil
	}
	wanted := make(map[string]bool, len(p.writes))
	for i := range p.writes {
		wanted[p.writes[i].Key] = true
	}
	for i, key := range p.keys {
		if p.unread[i] {
			continue
		}
		w, _, err := l.runner.Mappings.Row(l.job.mapping, relation, relation.Bare(p.columns, key))
		if err != nil {
			return err
		}
		if !wanted[w.Key] && l.refused[w.Key] != nil {
			p.gone = append(p.gone, w.Key)
		}
	}
	return nil
}

// forgetRefused forgets refused rows that are not handed in, as they have gone or as
// the stream has them newer.
func (l *loading) forgetRefused(ctx context.Context, p *part, v backfill.Verdict) error {
	if l.refused == nil {
		return nil
	}
	keys := p.gone
	for i := range p.writes {
		if !slices.Contains(v.Again, i) && !contained(v.Kept, i) {
			keys = append(keys, p.writes[i].Key)
		}
	}
	var save checkpoint.Save
	for _, key := range keys {
		for _, feed := range l.refused[key] {
			save.Unrefused = append(save.Unrefused, checkpoint.RefusedKey{Feed: feed, Key: key})
		}
	}
	if save.Unrefused == nil {
		return nil
	}
	if err := l.runner.Store.Save(ctx, save); err != nil {
		return fmt.Errorf("forget rows that were refused: %w", err)
	}
	return nil
}

// contained reports whether a place is among others, which ascend.
func contained(places []int, at int) bool {
	_, ok := slices.BinarySearch(places, at)
	return ok
}

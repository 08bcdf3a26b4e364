package pipeline

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// overtaken knows the rows that backfills could not send: one is refused no more once
// the stream brings a newer change of it, which is then confirmed or parked itself. A
// change that was committed before the refusal says nothing about it, as a restart may
// bring it again.
type overtaken struct {
	// some is set while there are rows.
	some atomic.Bool
	// committed is when the transaction that is being read was; the reader's.
	committed time.Time

	mu   sync.Mutex
	rows map[refusedRow]refusals
	// mappings are those of the feeds.
	mappings map[string]int
	// over are no longer refused, and still to be taken out of the store.
	over []checkpoint.RefusedKey
}

// refusedRow is a row of a mapping, by its mapping.Write.Key.
type refusedRow struct {
	mapping int
	key     string
}

// refusals are the feeds that keep a row as refused, and when it was last.
type refusals struct {
	feeds []string
	at    time.Time
}

// know says which mapping a feed is of.
func (o *overtaken) know(feed string, mapping int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mappings == nil {
		o.mappings, o.rows = map[string]int{}, map[refusedRow]refusals{}
	}
	o.mappings[feed] = mapping
}

// note takes in what is kept as refused, and what is not any more.
func (o *overtaken) note(refused []checkpoint.Refused, unrefused []checkpoint.RefusedKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, k := range unrefused {
		row := refusedRow{o.mappings[k.Feed], k.Key}
		r := o.rows[row]
		if r.feeds = slices.DeleteFunc(r.feeds, func(feed string) bool { return feed == k.Feed }); len(r.feeds) == 0 {
			delete(o.rows, row)
		} else {
			o.rows[row] = r
		}
	}
	for _, one := range refused {
		mapping, known := o.mappings[one.Feed]
		row := refusedRow{mapping, one.Key}
		r, was := o.rows[row]
		if !known || !was && len(o.rows) >= mostRefusedKnown {
			continue
		}
		if !slices.Contains(r.feeds, one.Feed) {
			r.feeds = append(r.feeds, one.Feed)
		}
		if r.at.Before(one.At) {
			r.at = one.At
		}
		o.rows[row] = r
	}
	o.some.Store(len(o.rows) > 0)
}

// pass looks at what the stream has brought, and reports whether rows are refused no
// more by it.
func (o *overtaken) pass(entries []delivery.Entry) (some bool) {
	known := o.some.Load()
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Kind == delivery.EntryBegin:
			o.committed = e.Time
		case known && e.Kind == delivery.EntryWrite:
			some = o.passed(refusedRow{e.Write.Mapping, e.Write.Key}) || some
		}
	}
	return some
}

func (o *overtaken) passed(row refusedRow) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.rows[row]
	if !ok || !o.committed.After(r.at) {
		return false
	}
	delete(o.rows, row)
	o.some.Store(len(o.rows) > 0)
	for _, feed := range r.feeds {
		o.over = append(o.over, checkpoint.RefusedKey{Feed: feed, Key: row.key})
	}
	return true
}

// take returns what is over.
func (o *overtaken) take() []checkpoint.RefusedKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := o.over
	o.over = nil
	return over
}

// put gives back what could not be taken out of the store.
func (o *overtaken) put(over []checkpoint.RefusedKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = append(over, o.over...)
}

// overtake has rows forgotten as refused that the stream brings newer.
func (b *backfiller) overtake(entries []delivery.Entry) {
	if b != nil && b.overtaken.pass(entries) {
		signal(b.wake)
	}
}

// loadOvertaken learns what earlier lives could not send.
func (b *backfiller) loadOvertaken(life context.Context, all []checkpoint.Backfill) error {
	for i := range all {
		at := b.mappingOf(all[i].MappingID)
		if at < 0 {
			continue
		}
		feed := all[i].Feed()
		b.overtaken.know(feed, at)
		refused, err := b.store.Refused(life, checkpoint.RefusedFilter{Feed: feed, Limit: mostRefusedKnown})
		if err != nil {
			return err
		}
		b.overtaken.note(refused, nil)
	}
	return nil
}

// forgetOvertaken takes them out of the store, and counts what is left.
func (b *backfiller) forgetOvertaken(life context.Context) error {
	over := b.overtaken.take()
	if over == nil {
		return nil
	}
	save := checkpoint.Save{Unrefused: over}
	if err := b.runner.Store.Save(life, save); err != nil {
		b.overtaken.put(over)
		return err
	}
	b.saved(&save)
	all, err := b.store.Backfills(life)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].State.Ended() && slices.ContainsFunc(over, func(k checkpoint.RefusedKey) bool { return k.Feed == all[i].Feed() }) {
			if err := b.recount(life, all[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

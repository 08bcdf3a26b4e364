package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

const (
	// refusedEvery is how often it is looked for refused rows whose time has come.
	refusedEvery = 10 * time.Minute
	// refusedFor is how long a row is tried again that waits for something at
	// Marketo, such as a lead.
	refusedFor = 7 * 24 * time.Hour
	// refusedLater is after how long one is tried again that could not be read.
	refusedLater = 24 * time.Hour
)

// sendRefused sends rows of backfills that have ended once more, which wait for
// something at Marketo: as they are now.
func (b *backfiller) sendRefused(ctx, life context.Context) error {
	all, err := b.store.Backfills(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		c := all[i]
		at := b.mappingOf(c.MappingID)
		if !c.State.Ended() || at < 0 {
			continue
		}
		for tried := false; ; tried = true {
			due, err := b.store.Refused(ctx, checkpoint.RefusedFilter{Feed: c.Feed(), Due: time.Now(), Limit: keysAtOnce})
			if err != nil || len(due) == 0 {
				if err == nil && tried {
					err = b.recount(ctx, c)
				}
				if err != nil {
					return err
				}
				break
			}
			if err := b.sendAgain(ctx, life, c, at, due); err != nil {
				return fmt.Errorf("send rows of backfill %d once more: %w", c.ID, err)
			}
		}
	}
	return nil
}

// recount counts the refused rows of a backfill that has ended.
func (b *backfiller) recount(ctx context.Context, c checkpoint.Backfill) error {
	left, err := b.store.Refused(ctx, checkpoint.RefusedFilter{Feed: c.Feed()})
	if err != nil {
		return err
	}
	c.Progress.Refused = int64(len(left))
	return b.store.NoteProgress(ctx, c.ID, c.Progress)
}

// sendAgain sends these rows, and has those forgotten that have gone, or that
// have waited for too long.
func (b *backfiller) sendAgain(ctx, life context.Context, c checkpoint.Backfill, at int, due []checkpoint.Refused) error {
	d := b.runner.Mappings.Definition(at)
	p := &part{columns: d.KeyColumns(), again: true, refused: true, done: true, room: len(due)}
	var save checkpoint.Save
	var asked []checkpoint.Refused
	refused := map[string][]string{}
	for _, r := range due {
		values, ok := keyOfRefused(d, r.Key)
		if !ok || time.Since(r.At) >= refusedFor {
			r.Waits = false // it stays, and is not tried again
			save.Refused = append(save.Refused, r)
			continue
		}
		p.keys, refused[r.Key] = append(p.keys, values), []string{c.Feed()}
		asked = append(asked, r)
	}
	if p.keys != nil {
		l := loading{backfiller: b, life: life, job: &job{Backfill: c, mapping: at}, log: b.runner.Log, refused: refused, patience: time.Minute, most: scannedRows}
		err := l.once(ctx, p)
		l.release(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		tried := make(map[string]bool, len(p.writes))
		for i := range p.writes {
			tried[p.writes[i].Key] = true
		}
		for i, r := range asked {
			switch {
			case p.unread[i]:
				r.Next = time.Now().Add(refusedLater)
				save.Refused = append(save.Refused, r)
			case !tried[r.Key]:
				save.Unrefused = append(save.Unrefused, checkpoint.RefusedKey{Feed: c.Feed(), Key: r.Key})
			}
		}
	}
	if save.Refused == nil && save.Unrefused == nil {
		return nil
	}
	return b.runner.Store.Save(ctx, save)
}

// once hands rows in, and waits until they are settled.
func (l *loading) once(ctx context.Context, p *part) error {
	for failures := 0; ; failures++ {
		p.rows, p.writes, p.bytes = nil, nil, 0
		_, err := l.part(ctx, p)
		if err == nil {
			break
		}
		if !errors.Is(err, errAgain) || failures > 10 {
			return err
		}
		l.release(ctx)
	}
	for l.unsettled() > 0 {
		if err := l.await(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// RefusedTexts returns the values of the dedupe fields in the key of a refused row.
func RefusedTexts(key string) []string {
	return strings.Split(strings.TrimSuffix(key, "\x00"), "\x00")[1:]
}

// keyOfRefused returns the values of the key columns in a key of mapping.Write,
// which holds the object type and all values of the key, each with a zero byte.
func keyOfRefused(d mapping.Definition, key string) (values []string, ok bool) {
	parts := RefusedTexts(key)
	if len(parts) != len(d.Key) {
		return nil, false
	}
	for i, rule := range d.Key {
		if rule.Column != "" {
			values = append(values, parts[i])
		}
	}
	return values, true
}

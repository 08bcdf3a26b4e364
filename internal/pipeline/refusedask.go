package pipeline

import (
	"context"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// mostRetried is how many refused rows of a mapping are sent again at once: a backfill
// keeps their keys.
const mostRetried = 20_000

// RetryRefused records backfills of the rows that earlier ones could not send, for each
// of the mappings that has some with a code that is wanted, and begins. No names are
// all mappings.
func (r *Runner) RetryRefused(ctx context.Context, names []string, wanted func(code string) bool) ([]BackfillReport, error) {
	r.prepared.Do(r.prepare)
	b := r.backfills
	if b.store == nil {
		return nil, errNoBackfills
	}
	named, err := r.named(names)
	if err != nil {
		return nil, err
	}
	var chosen, unsent []int
	asks := map[int]BackfillRequest{}
	for _, i := range named {
		keys, more, err := b.refusedOf(ctx, r.Mappings.Definition(i), wanted)
		if err != nil {
			return nil, err
		}
		if len(keys) > 0 {
			chosen, unsent, asks[i] = append(chosen, i), append(unsent, more), BackfillRequest{Keys: keys}
		}
	}
	reports, err := r.startBackfills(ctx, chosen, func(i int) BackfillRequest { return asks[i] })
	for i := range reports {
		reports[i].Unsent = unsent[i]
	}
	return reports, err
}

// refusedOf returns the keys of the refused rows of a mapping, and how many more
// there are.
func (b *backfiller) refusedOf(ctx context.Context, d mapping.Definition, wanted func(code string) bool) (keys []string, more int, err error) {
	seen := map[string]bool{}
	err = b.eachRefused(ctx, MappingID(d), func(r checkpoint.Refused) {
		key, ok := retriableKey(d, r.Key)
		switch {
		case !ok, seen[r.Key], !wanted(r.Code):
		case len(keys) == mostRetried:
			more++
		default:
			keys, seen[r.Key] = append(keys, key), true
		}
	})
	return keys, more, err
}

// retriableKey is the key of a refused row as a BackfillRequest takes it; not ok
// where it has none by which the row is found.
func retriableKey(d mapping.Definition, key string) (text string, ok bool) {
	if texts := RefusedTexts(key); len(texts) == 0 || strings.HasPrefix(texts[0], string(mapping.NoKey)) {
		return "", false
	}
	values, ok := keyOfRefused(d, key)
	if !ok || len(values) == 0 {
		return "", false
	}
	return mapping.KeyText(values), true
}

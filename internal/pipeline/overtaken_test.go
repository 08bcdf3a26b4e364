package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// TestRefusedRowsAreOvertaken: only a change of the mapping's own row that was committed
// after the last refusal has the word about it.
func TestRefusedRowsAreOvertaken(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refused := func(feed, key string, after time.Duration) checkpoint.Refused {
		return checkpoint.Refused{Feed: feed, Key: key, At: at.Add(after)}
	}
	change := func(committed time.Duration, mappingIndex int, key string) []delivery.Entry {
		return []delivery.Entry{{Kind: delivery.EntryBegin, Time: at.Add(committed)}, {Kind: delivery.EntryWrite, Write: mapping.Write{Mapping: mappingIndex, Key: key}}, {Kind: delivery.EntryCommit}}
	}
	var o overtaken
	if o.pass(change(time.Hour, 0, "a")) {
		t.Error("something is overtaken where nothing was refused")
	}
	o.know("backfill:1", 0)
	o.know("backfill:2", 0)
	o.know("backfill:3", 1)
	o.note([]checkpoint.Refused{refused("backfill:1", "a", 0), refused("backfill:2", "a", time.Minute), refused("backfill:1", "b", 0), refused("backfill:3", "a", 0), refused("backfill:9", "a", 0)}, nil)
	o.note(nil, []checkpoint.RefusedKey{{Feed: "backfill:1", Key: "b"}})
	for _, tt := range []struct {
		name    string
		entries []delivery.Entry
		want    []checkpoint.RefusedKey
	}{
		{"before the last refusal", change(30*time.Second, 0, "a"), nil},
		{"refused no more", change(time.Hour, 0, "b"), nil},
		{"another row", change(time.Hour, 0, "c"), nil},
		{"after it", change(time.Hour, 0, "a"), []checkpoint.RefusedKey{{Feed: "backfill:1", Key: "a"}, {Feed: "backfill:2", Key: "a"}}},
		{"once more", change(2*time.Hour, 0, "a"), nil},
		{"of another mapping", change(time.Hour, 1, "a"), []checkpoint.RefusedKey{{Feed: "backfill:3", Key: "a"}}},
	} {
		some := o.pass(tt.entries)
		if got := o.take(); !slices.Equal(got, tt.want) || some != (tt.want != nil) {
			t.Errorf("%s: %q are over, want %q", tt.name, got, tt.want)
		}
	}
	if o.some.Load() {
		t.Error("rows are left")
	}
}

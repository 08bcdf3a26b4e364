package daemon

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// TestKnownMappings: an upgrade and another name send nothing again; a new
// mapping, and one that is there again, do.
func TestKnownMappings(t *testing.T) {
	define := func(name, table, object string) mapping.Definition {
		return mapping.Definition{Name: name, Schema: "public", Table: table, Object: object, Key: []mapping.Rule{{Attribute: "id", Column: "id"}}}
	}
	set, err := mapping.Compile([]mapping.Definition{define("renamed", "a", "Thing"), define("new", "b", "Other")})
	if err != nil {
		t.Fatal(err)
	}
	now, before := time.Unix(2000, 0), time.Unix(1000, 0)
	thing := checkpoint.MappingID{Schema: "public", Table: "a", Object: "thing"}
	for _, tt := range []struct {
		name           string
		state          checkpoint.State
		renamed, other bool
		since          time.Time
	}{
		{"a new store", checkpoint.State{}, false, false, now},
		{"a store of an older release", checkpoint.State{OlderMappings: true}, true, true, now},
		{"known, loaded", checkpoint.State{Mappings: []checkpoint.KnownMapping{{MappingID: thing, Name: "old", Loaded: true, Since: before}}}, true, false, before},
		{"known, not loaded", checkpoint.State{Mappings: []checkpoint.KnownMapping{{MappingID: thing, Name: "old", Since: before}}}, false, false, before},
	} {
		known := knownMappings(set, &tt.state, now)
		if len(known) != 2 || known[0].MappingID != thing || known[0].Name != "renamed" || known[0].Loaded != tt.renamed || known[1].Loaded != tt.other || !known[0].Since.Equal(tt.since) {
			t.Errorf("%s: %+v", tt.name, known)
		}
	}
	k := checkpoint.KnownMapping{MappingID: thing, Since: before}
	for _, tt := range []struct {
		b    checkpoint.Backfill
		want bool
	}{
		{checkpoint.Backfill{MappingID: thing, Added: now, State: checkpoint.BackfillCancelled}, true},
		{checkpoint.Backfill{MappingID: thing, Added: now, Where: "id > 3"}, false},
		{checkpoint.Backfill{MappingID: thing, Added: time.Unix(500, 0)}, false},
		{checkpoint.Backfill{Added: now}, false},
	} {
		if got := wasBegun([]checkpoint.Backfill{tt.b}, k); got != tt.want {
			t.Errorf("%+v: %v", tt.b, got)
		}
	}
}

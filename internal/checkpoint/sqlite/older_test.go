package sqlite_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

var visits = checkpoint.MappingID{Schema: "public", Table: "Visits", Object: "visit"}

func addBackfill(t *testing.T, s *sqlite.Store, b checkpoint.Backfill) int64 {
	t.Helper()
	id, err := s.AddBackfill(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// In a store that an older release made, what is configured counts as loaded
// until it is recorded; a new store knows that there is nothing.
func TestMappingsOfAnOlderRelease(t *testing.T) {
	s, path := identified(t)
	if got := load(t, s); got.OlderMappings || got.Mappings != nil {
		t.Errorf("a new store: %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, sqlite.Undo(5))
	s = open(t, path)
	for range 2 {
		if got := load(t, s); !got.OlderMappings || got.Mappings != nil {
			t.Errorf("a store of version 5: %+v", got)
		}
		s = reopen(t, s, path)
	}
	if err := s.SaveMappings(t.Context(), []checkpoint.KnownMapping{{MappingID: visits, Loaded: true}}); err != nil {
		t.Fatal(err)
	}
	if got := load(t, reopen(t, s, path)); got.OlderMappings || len(got.Mappings) != 1 || !got.Mappings[0].Loaded {
		t.Errorf("after they were recorded: %+v", got)
	}
}

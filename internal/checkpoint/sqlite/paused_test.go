package sqlite_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// What is paused stays so, replaces what was before, and leaves the end of the
// last life as it was; a file that is taken back has lost it, and comes back
// without.
func TestPaused(t *testing.T) {
	s, path := identified(t)
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	first := []checkpoint.Paused{{MappingID: checkpoint.EveryMapping, Since: at, Command: "cdcsync pause", Reason: "marketo is moved"}}
	then := []checkpoint.Paused{{MappingID: visits, Mapping: "visits", Since: at.Add(time.Second), Command: "cdcsync pause visits"}}
	clean := load(t, s).Clean
	for _, want := range [][]checkpoint.Paused{first, then, nil, then} {
		if err := s.SavePaused(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, path)
		got, err := s.Paused(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("paused are %+v, %v; want %+v", got, err, want)
		}
	}
	if got := load(t, s).Clean; got != clean {
		t.Errorf("clean is %v, was %v", got, clean)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, sqlite.Undo(5))
	s = open(t, path)
	if got, err := s.Paused(t.Context()); err != nil || got != nil {
		t.Errorf("after it was taken back: %+v, %v", got, err)
	}
}

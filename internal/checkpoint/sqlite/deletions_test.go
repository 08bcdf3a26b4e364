package sqlite_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func TestDeletionsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	first := []checkpoint.Deletions{{Mapping: "a", Minutes: map[int64]int{29_000_000: 7, 29_000_001: 3}}, {Mapping: "b", Held: true, Minutes: map[int64]int{}}}
	save(t, s, checkpoint.Save{Deletions: first})
	save(t, s, checkpoint.Save{Lacking: []string{"x"}})
	s = reopen(t, s, path)
	if got := load(t, s).Deletions; !reflect.DeepEqual(got, first) {
		t.Errorf("got %+v, want %+v", got, first)
	}
	next := checkpoint.Deletions{Mapping: "b", Free: 29_000_060, Minutes: map[int64]int{29_000_002: 1}}
	save(t, s, checkpoint.Save{Deletions: []checkpoint.Deletions{next}})
	if got := load(t, s).Deletions; !reflect.DeepEqual(got, []checkpoint.Deletions{first[0], next}) {
		t.Errorf("got %+v", got)
	}
}

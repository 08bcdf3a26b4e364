package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// An upgrade keeps the store as it was: the release before takes the copy as
// its state file.
func TestMigrationKeepsACopy(t *testing.T) {
	path := storeOf(t, "version2.sql")
	before := dump(t, path)
	writeFile(t, path+".v2", []byte("of an earlier upgrade"))
	writeFile(t, path+".v2.part", []byte("of one that was killed"))
	if err := os.Chmod(path+".v2.part", 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if from, to, kept, ok := s.Migrated(); from != 2 || to != sqlite.Version || kept != path+".v2" || !ok {
		t.Errorf("migrated from %d to %d, copy %s, %t", from, to, kept, ok)
	}
	info, err := os.Stat(path + ".v2")
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the copy has mode %04o: it holds row values", mode)
	}
	if got := dump(t, path+".v2"); got != before {
		t.Errorf("the copy differs:\n%s\nwas\n%s", got, before)
	}
	if _, _, _, ok := reopen(t, s, path).Migrated(); ok {
		t.Error("migrated twice")
	}
	if left, _ := filepath.Glob(path + "*.part"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	writeFile(t, copied, readFile(t, path+".v2"))
	if got := load(t, open(t, copied)); !reflect.DeepEqual(got, versionTwo()) {
		t.Errorf("the copy, opened: %+v", got)
	}
}

// A file that cannot be copied is not migrated.
func TestNoMigrationWithoutACopy(t *testing.T) {
	path := storeOf(t, "version2.sql")
	before := dump(t, path)
	if err := os.MkdirAll(filepath.Join(path+".v2", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path)
	wantError(t, err, "keep a copy", path+".v2", "move it away")
	if after := dump(t, path); after != before {
		t.Error("the store was changed")
	}
}

// A newer store is refused with the way back.
func TestNewerStoreNamesTheWayBack(t *testing.T) {
	path := closedStore(t)
	execSQL(t, path, `PRAGMA user_version = 7`)
	_, err := sqlite.Open(t.Context(), path)
	wantError(t, err, "newer release", "store version 7, this one knows 6", "cdcsync state downgrade --to 6 "+path, path+".v6")
}

// A store that is rewritten for an older release has what that one knows, and is
// brought up to date again without losing any of it.
func TestDowngrade(t *testing.T) {
	for _, tt := range []struct {
		to      int64
		unknown []string // tables that version does not know
	}{
		{5, []string{"cursors", "refused", "backfill", "known_mapping"}},
		{4, []string{"cursors", "refused", "backfill", "known_mapping", "relations", "accepted", "deletions", "settled_to"}},
	} {
		t.Run(fmt.Sprint("to ", tt.to), func(t *testing.T) {
			path, want, full := filledStore(t)
			if err := sqlite.Downgrade(t.Context(), path, tt.to); err != nil {
				t.Fatal(err)
			}
			db := otherProgram(t, path)
			for _, table := range tt.unknown {
				if _, err := db.Exec(`SELECT 1 FROM ` + table); err == nil {
					t.Errorf("version %d has the table %s", tt.to, table)
				}
			}
			var version int64
			if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil || version != tt.to {
				t.Errorf("version %d, %v, want %d", version, err, tt.to)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.to < 5 {
				want.Parked[0].XID = 0
			} else {
				want.Relations, want.SettledTo = full.Relations, full.SettledTo
			}
			s := open(t, path)
			if got := load(t, s); !reflect.DeepEqual(got, want) {
				t.Errorf("brought up to date again:\n got %+v\nwant %+v", got, want)
			}
			if all, err := s.Backfills(t.Context()); err != nil || len(all) > 0 {
				t.Errorf("backfills that were lost on the way: %v, %v", all, err)
			}
			kept := filepath.Join(t.TempDir(), "state.db")
			writeFile(t, kept, readFile(t, fmt.Sprintf("%s.v%d", path, sqlite.Version)))
			if got := load(t, open(t, kept)); !reflect.DeepEqual(got, full) {
				t.Errorf("the copy of this version:\n got %+v\nwant %+v", got, full)
			}
		})
	}
}

// filledStore makes a store that has something of everything. It returns what a
// release of version 4 knows of it, but for the relations, and all of it.
func filledStore(t *testing.T) (path string, older, full checkpoint.State) {
	t.Helper()
	s, path := identified(t)
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	settled := []checkpoint.Settled{{Key: "b", Through: position(uint64(home.LSN)+5, 1)}}
	save(t, s, checkpoint.Save{
		Started: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}},
		Settled: settled,
		Parked:  []checkpoint.Parked{{Mapping: "m", Key: "m\x00c", XID: 7, Committed: when, Next: when, First: when, Last: when}},
		Lacking: []string{"d"}, Sent: position(uint64(home.LSN)+9, 1),
	})
	older = load(t, s)
	older.OlderMappings = true
	if err := s.SaveRelations(t.Context(), []checkpoint.Relation{{Schema: "a", Name: "b", Seen: when, Record: `{}`}}); err != nil {
		t.Fatal(err)
	}
	mapping := checkpoint.KnownMapping{MappingID: visits, Name: "m", Rules: "{}", Since: when, Changed: when}
	if err := s.SaveMappings(t.Context(), []checkpoint.KnownMapping{mapping}); err != nil {
		t.Fatal(err)
	}
	id := addBackfill(t, s, checkpoint.Backfill{MappingID: visits, Mapping: "m", Added: when})
	feed := (&checkpoint.Backfill{ID: id}).Feed()
	// An older release would send again what this stands for.
	save(t, s, checkpoint.Save{SettledTo: &checkpoint.SettledTo{Through: position(uint64(home.LSN)+4, 1)}})
	save(t, s, checkpoint.Save{
		Settled: settled, Cursors: []checkpoint.Cursor{{Feed: feed, Value: "[1]"}},
		Refused: []checkpoint.Refused{{Feed: feed, Key: "k", Code: "1004", At: when}},
	})
	full = load(t, s)
	if full.SettledTo == nil || len(full.Cursors) != 1 || full.Refused[feed] != 1 || len(full.Mappings) != 1 || full.OlderMappings {
		t.Fatalf("loaded %+v", full)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, older, full
}

func TestDowngradeRefuses(t *testing.T) {
	s, path := identified(t)
	wantError(t, sqlite.Downgrade(t.Context(), path, 5), "in use by another cdcsync")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, to := range []int64{0, 3, 6, 7} {
		wantError(t, sqlite.Downgrade(t.Context(), path, to), "for 4 to 5 only", "--to 5")
	}
	wantError(t, sqlite.Downgrade(t.Context(), path+"x", 5), "no such file")
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("a file was made")
	}
}

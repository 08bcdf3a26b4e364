package sqlite_test

import (
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
	if from, to, kept, ok := s.Migrated(); from != 2 || to != 5 || kept != path+".v2" || !ok {
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
	execSQL(t, path, `PRAGMA user_version = 6`)
	_, err := sqlite.Open(t.Context(), path)
	wantError(t, err, "newer release", "store version 6, this one knows 5", "cdcsync state downgrade --to 5 "+path, path+".v5")
}

// A store that is rewritten for the release before has what that one knows, and
// is brought up to date again without losing any of it.
func TestDowngrade(t *testing.T) {
	s, path := identified(t)
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	save(t, s, checkpoint.Save{
		Started: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}},
		Settled: []checkpoint.Settled{{Key: "b", Through: position(uint64(home.LSN)+5, 1)}},
		Parked:  []checkpoint.Parked{{Mapping: "m", Key: "m\x00c", XID: 7, Committed: when, Next: when, First: when, Last: when}},
		Lacking: []string{"d"}, Sent: position(uint64(home.LSN)+9, 1),
	})
	want := load(t, s)
	if err := s.SaveRelations(t.Context(), []checkpoint.Relation{{Schema: "a", Name: "b", Seen: when, Record: `{}`}}); err != nil {
		t.Fatal(err)
	}
	// That release would send again what this stands for.
	save(t, s, checkpoint.Save{SettledTo: &checkpoint.SettledTo{Through: position(uint64(home.LSN)+4, 1)}})
	save(t, s, checkpoint.Save{Settled: want.Settled})
	full := load(t, s)
	wantError(t, sqlite.Downgrade(t.Context(), path, 4), "in use by another cdcsync")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, sqlite.Downgrade(t.Context(), path, 3), "--to 4")
	wantError(t, sqlite.Downgrade(t.Context(), path+"x", 4), "no such file")
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("a file was made")
	}
	if err := sqlite.Downgrade(t.Context(), path, 4); err != nil {
		t.Fatal(err)
	}
	db := otherProgram(t, path)
	var version, tables int
	if err := db.QueryRow(`SELECT (SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema WHERE name IN ('relations', 'accepted', 'deletions', 'settled_to'))`).Scan(&version, &tables); err != nil {
		t.Fatal(err)
	}
	if version != 4 || tables != 0 {
		t.Errorf("version %d with %d tables that it does not know", version, tables)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want.Parked[0].XID = 0
	if got := load(t, open(t, path)); !reflect.DeepEqual(got, want) {
		t.Errorf("brought up to date again:\n got %+v\nwant %+v", got, want)
	}
	kept := filepath.Join(t.TempDir(), "state.db")
	writeFile(t, kept, readFile(t, path+".v5"))
	if got := load(t, open(t, kept)); !reflect.DeepEqual(got, full) {
		t.Errorf("the copy of version 5:\n got %+v\nwant %+v", got, full)
	}
}

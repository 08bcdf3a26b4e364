package sqlite_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// storeOf makes the store that a file of testdata describes.
func storeOf(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	writeFile(t, path, nil)
	execSQL(t, path, string(readFile(t, filepath.Join("testdata", name))))
	return path
}

// A store of the first release is brought up to date with all it holds.
func TestStoreOfVersionOne(t *testing.T) {
	path := storeOf(t, "version1.sql")
	db := otherProgram(t, path)
	for _, row := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE life SET number = 4, clean = 0, saves = 9`, nil},
		{`INSERT INTO checkpoint (id, system, timeline, database, slot, position, checksum) VALUES (1, ?, ?, ?, ?, ?, ?)`,
			[]any{home.System, home.Timeline, home.Database, home.Slot, int64(home.LSN), sqlite.Checksum(home)}},
		{`INSERT INTO inflight (id, keys, data) VALUES (4 << 40 | 7, 2, ?)`, []any{sqlite.PlainKeysRecord([]string{"a", "b"})}},
		{`INSERT INTO settled (max_commit, entries, data) VALUES (?, 1, ?)`,
			[]any{int64(home.LSN) + 5, sqlite.PlainSettledRecord("a", position(uint64(home.LSN)+5, 2))}},
	} {
		if _, err := db.Exec(row.sql, row.args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	want := checkpoint.State{
		Checkpoint: &home,
		InFlight:   []checkpoint.Call{{ID: 4<<40 | 7, Keys: []string{"a", "b"}}},
		Settled:    []checkpoint.Settled{{Key: "a", Through: position(uint64(home.LSN)+5, 2)}},

		OlderMappings: true,
	}
	if got := load(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("loaded:\n got %+v\nwant %+v", got, want)
	}
	save(t, s, checkpoint.Save{Sent: position(uint64(home.LSN)+9, 1), Lacking: []string{"a"}})
	if got := load(t, reopen(t, s, path)); got.Sent != position(uint64(home.LSN)+9, 1) || len(got.Lacking) != 1 {
		t.Errorf("after a save: sent %v, lacking %q", got.Sent, got.Lacking)
	}
}

// versionTwo is what the store of testdata/version2.sql holds.
func versionTwo() checkpoint.State {
	ck := home
	ck.LSN += 8
	when := time.Date(2025, 11, 23, 15, 4, 5, 123456789, time.UTC)
	at := func(offset, seq uint64) checkpoint.Settled {
		return checkpoint.Settled{Through: position(uint64(home.LSN)+offset, seq)}
	}
	visit, lead := at(24, 1), at(16, 1)
	visit.Key, lead.Key = "visits\x00100\x00", "leads\x007"
	return checkpoint.State{
		Checkpoint: &ck,
		InFlight: []checkpoint.Call{
			{ID: 1<<40 | 1, Keys: []string{"visits\x00100\x00", "visits\x00101\x00", "leads\x007"}},
			{ID: 2<<40 | 1, Keys: []string{"visits\x00100\x00"}},
			{ID: 2<<40 | 2, Keys: []string{"leads\x008", "leads\x009"}},
		},
		Settled: []checkpoint.Settled{visit, lead},
		Parked: []checkpoint.Parked{{Mapping: "visits", Object: "Visit", Key: "visits\x00102\x00", Fields: `{"visit":102}`,
			Payload: `{"visit":102,"fair":"Expo"}`, Operation: "UPSERT", At: position(uint64(home.LSN)+4, 2), Committed: when,
			Code: "1006", Message: "Field not found", Waits: true, Next: when.Add(time.Hour), Attempts: 3,
			First: when, Last: when.Add(time.Minute)}},
		Lacking: []string{"leads\x0010"},
		Quota:   checkpoint.Quota{Day: "2025-11-23", Calls: 1234, Starts: []time.Time{when, when.Add(time.Second)}, Exhausted: true},
		Sent:    position(uint64(home.LSN)+32, 300),

		OlderMappings: true,
	}
}

func TestStoreOfVersionTwo(t *testing.T) {
	path := storeOf(t, "version2.sql")
	s := open(t, path)
	want := versionTwo()
	for range 2 {
		if got := load(t, s); !reflect.DeepEqual(got, want) {
			t.Fatalf("loaded:\n got %+v\nwant %+v", got, want)
		}
		s = reopen(t, s, path)
	}
	save(t, s, checkpoint.Save{
		Checkpoint: want.Checkpoint.LSN + 9,
		Ended:      []uint64{2<<40 | 1},
		Started:    []checkpoint.Call{{ID: 1, Keys: []string{"leads\x007"}}},
	})
	got := load(t, reopen(t, s, path))
	want.Checkpoint.LSN += 9
	want.SameBoot = true
	want.InFlight = []checkpoint.Call{want.InFlight[0], want.InFlight[2], {ID: 3<<40 | 1, Keys: []string{"leads\x007"}}}
	want.Settled = want.Settled[:1]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after a save:\n got %+v\nwant %+v", got, want)
	}
}

// Version 3 had another name for the table lacking.
func TestStoreOfVersionThree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	save(t, s, checkpoint.Save{Lacking: []string{"a", "b"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, sqlite.Undo(4)+`ALTER TABLE lacking RENAME TO discarded; PRAGMA user_version = 3`)
	s = open(t, path)
	save(t, s, checkpoint.Save{Resolved: []string{"a"}, Lacking: []string{"c"}})
	if got := load(t, reopen(t, s, path)).Lacking; !reflect.DeepEqual(got, []string{"b", "c"}) {
		t.Errorf("lacking: got %q, want b and c", got)
	}
}

// A store without a slot, and one whose slot was announced, have little to move.
func TestEmptyStoresOfOlderVersions(t *testing.T) {
	intended := home
	intended.LSN = 0
	for _, name := range []string{"version1.sql", "version2.sql"} {
		path := storeOf(t, name)
		execSQL(t, path, `DELETE FROM checkpoint; DELETE FROM quota; DELETE FROM inflight; DELETE FROM settled; UPDATE life SET saves = 0, clean = 1`)
		s := open(t, path)
		got := load(t, s)
		if got.Checkpoint != nil || got.InFlight != nil || !got.Clean || !reflect.DeepEqual(got.Quota, checkpoint.Quota{}) {
			t.Errorf("%s without rows: got %+v", name, got)
		}
		if err := s.Intend(t.Context(), intended); err != nil {
			t.Fatal(err)
		}
		if got := load(t, reopen(t, s, path)).Checkpoint; !reflect.DeepEqual(got, &intended) {
			t.Errorf("%s: intention: got %+v, want %+v", name, got, intended)
		}
	}
}

// What is damaged is refused, and no part of it is moved.
func TestDamagedStoresAreNotMigrated(t *testing.T) {
	for _, damage := range []string{
		`UPDATE checkpoint SET position = position + 1`,
		`UPDATE life SET sent = x'0102030405060708'`,
		`UPDATE inflight SET data = zeroblob(length(data)) WHERE id = 2 << 40 | 1`,
		`UPDATE settled SET data = zeroblob(length(data)) WHERE id = 2`,
		`UPDATE quota SET starts = '[1'`,
	} {
		path := storeOf(t, "version2.sql")
		execSQL(t, path, damage)
		before := dump(t, path)
		_, err := sqlite.Open(t.Context(), path)
		wantError(t, err, "migrate from store version 2 to 6", "damaged", "restore")
		if after := dump(t, path); after != before {
			t.Errorf("%s: the refused store was changed:\n%s\nwas\n%s", damage, after, before)
		}
	}
}

// dump returns the version, the tables and the tables' rows of older stores.
func dump(t *testing.T, path string) string {
	t.Helper()
	db := otherProgram(t, path)
	defer db.Close()
	var text string
	err := db.QueryRow(`SELECT (SELECT user_version FROM pragma_user_version) || (SELECT group_concat(sql) FROM sqlite_schema)
		|| (SELECT group_concat(hex(sent) || saves) FROM life) || (SELECT group_concat(position) FROM checkpoint)
		|| (SELECT group_concat(id || hex(data)) FROM inflight) || (SELECT group_concat(hex(data)) FROM settled)
		|| (SELECT group_concat(starts) FROM quota)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A kill or a loss of power in the middle of a migration leaves a prefix of
// SQLite's log. Whatever is left, it is the old store or the new one.
func TestMigrationCutAnywhere(t *testing.T) {
	path := storeOf(t, "version2.sql")
	db := readFile(t, path)
	s := open(t, path)
	wal := readFile(t, path+"-wal")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	versions, step := map[int]int{}, 1000
	if raceEnabled {
		step = 5000
	}
	for cut := len(wal); cut >= 0; cut -= min(step, max(cut, 1)) {
		copied := filepath.Join(t.TempDir(), "state.db")
		writeFile(t, copied, db)
		writeFile(t, copied+"-wal", wal[:cut])
		other := otherProgram(t, copied)
		var version int
		if err := other.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
			t.Fatal(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		versions[version]++
		s := open(t, copied)
		if got := load(t, s); !reflect.DeepEqual(got, versionTwo()) {
			t.Errorf("cut at %d of %d, version %d: got %+v", cut, len(wal), version, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if versions[2] < 3 || versions[sqlite.Version] < 1 || len(versions) != 2 {
		t.Errorf("versions found: %s, want both", fmt.Sprint(versions))
	}
}

// Version 4 knew nothing of the tables.
func TestStoreOfVersionFour(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	save(t, s, checkpoint.Save{Lacking: []string{"a"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, sqlite.Undo(4))
	s = open(t, path)
	if got := load(t, s); got.Relations != nil || !reflect.DeepEqual(got.Lacking, []string{"a"}) {
		t.Errorf("got %+v", got)
	}
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, want := range [][]checkpoint.Relation{
		{{Schema: "a", Name: "b", OID: 1 << 31, Seen: when, Record: `{"x": 1}`}, {Schema: "a", Name: "c", OID: 5, Seen: when, Record: `{}`}},
		{{Schema: "a", Name: "c", OID: 6, Seen: when, Record: `{}`}},
	} {
		if err := s.SaveRelations(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, path)
		if got := load(t, s).Relations; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	save(t, s, checkpoint.Save{Clean: true})
	if err := s.SaveRelations(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s); !got.Clean || len(got.Relations) != 1 {
		t.Errorf("after an orderly end: %+v", got)
	}
}

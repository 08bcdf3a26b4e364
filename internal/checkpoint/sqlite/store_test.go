package sqlite_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func reopen(t testing.TB, s *sqlite.Store, path string) *sqlite.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return open(t, path)
}

func save(t testing.TB, s *sqlite.Store, sv checkpoint.Save) {
	t.Helper()
	if err := s.Save(t.Context(), sv); err != nil {
		t.Fatalf("save: %v", err)
	}
}

func load(t testing.TB, s *sqlite.Store) checkpoint.State {
	t.Helper()
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return state
}

var home = checkpoint.Checkpoint{System: "7312345678901234567", Timeline: 1, Database: "shop", Slot: "cdcsync", LSN: 0x16B3748}

// identified opens a new store that belongs to home.
func identified(t testing.TB) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatalf("identify: %v", err)
	}
	return s, path
}

func position(commit, seq uint64) pgoutput.Position {
	return pgoutput.Position{Commit: pgoutput.LSN(commit), Seq: seq}
}

// wantError checks that err mentions every one of words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("error: got none, want one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error: got %q, want it to mention %q", err, word)
		}
	}
}

func TestStoreNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	state := load(t, s)
	want := checkpoint.State{Clean: true, SameBoot: true}
	if !reflect.DeepEqual(state, want) {
		t.Errorf("new store: got %+v, want %+v", state, want)
	}
	if n := rows(t, s, "state WHERE lsn IS NULL AND slot IS NULL"); n != 1 {
		t.Errorf("rows of a new store that show no slot: got %d, want 1", n)
	}
	for _, name := range []string{path, path + ".lock", path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s: got %04o, want 0600", filepath.Base(name), got)
		}
	}
}

func TestStoreOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%41&e.db")
	save(t, open(t, path), checkpoint.Save{})
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 4 {
		t.Errorf("files: got %q, want the store, its lock and SQLite's two", names)
	}
}

func TestStoreSameBoot(t *testing.T) {
	s, path := identified(t)
	s = reopen(t, s, path)
	if !load(t, s).SameBoot {
		t.Skip("this system does not tell its boots apart")
	}
	for _, boot := range []string{"another", ""} {
		execSQL(t, path, `UPDATE state SET boot = '`+boot+`'`)
		if load(t, s).SameBoot {
			t.Errorf("last saved in boot %q: got the same boot, want another", boot)
		}
	}
	save(t, s, checkpoint.Save{})
	if !load(t, s).SameBoot {
		t.Error("after a save: got another boot, want the same")
	}
}

func TestStoreSettled(t *testing.T) {
	s, _ := identified(t)
	settle := func(key string, commit, seq uint64) checkpoint.Settled {
		return checkpoint.Settled{Key: key, Through: position(commit, seq)}
	}
	base := uint64(home.LSN)
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settle("a", base+10, 1), settle("b", base+20, 1)}})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settle("a", base+30, 2), settle("c", base+5, 1)}})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settle("a", base+30, 1), settle("d", base-1, 1)}})

	steps := []struct {
		checkpoint uint64
		want       []checkpoint.Settled
	}{
		{0, []checkpoint.Settled{settle("a", base+30, 2), settle("b", base+20, 1), settle("c", base+5, 1)}},
		{base + 20, []checkpoint.Settled{settle("b", base+20, 1), settle("a", base+30, 2)}},
		{base + 21, []checkpoint.Settled{settle("a", base+30, 2)}},
		{base + 31, nil},
	}
	for _, step := range steps {
		save(t, s, checkpoint.Save{Checkpoint: checkpoint.LSN(step.checkpoint)})
		if got := load(t, s).Settled; !reflect.DeepEqual(got, step.want) {
			t.Errorf("settled at +%d: got %v, want %v", step.checkpoint-base, got, step.want)
		}
	}
	if n := rows(t, s, "settled"); n != 0 {
		t.Errorf("rows left when the checkpoint has passed all: got %d, want 0", n)
	}
	save(t, s, checkpoint.Save{Checkpoint: checkpoint.LSN(base + 50), Settled: []checkpoint.Settled{settle("e", base+49, 1)}})
	if n := rows(t, s, "settled"); n != 0 {
		t.Errorf("rows for what the same save passed: got %d, want 0", n)
	}
}

// What an earlier life has settled is dropped, too, when the checkpoint passes
// it, and what is above stays.
func TestStoreSettledOfAnotherLife(t *testing.T) {
	s, path := identified(t)
	base := uint64(home.LSN)
	for _, offset := range []uint64{20, 10, 30} {
		save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{{Key: "a", Through: position(base+offset, 1)}}})
	}
	for _, step := range []struct{ checkpoint, rows uint64 }{{0, 3}, {10, 3}, {11, 2}, {21, 1}, {30, 1}, {31, 0}, {32, 0}} {
		s = reopen(t, s, path)
		if step.checkpoint > 0 {
			step.checkpoint += base
		}
		save(t, s, checkpoint.Save{Checkpoint: checkpoint.LSN(step.checkpoint)})
		if n := rows(t, s, "settled"); n != int(step.rows) {
			t.Errorf("rows at %d: got %d, want %d", step.checkpoint, n, step.rows)
		}
	}
}

func TestFormatTime(t *testing.T) {
	for _, when := range []time.Time{
		time.Date(2025, 11, 23, 15, 4, 5, 0, time.UTC), time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC),
		time.Date(2025, 11, 23, 15, 4, 5, 999999999, time.FixedZone("east", 7200)), time.Date(2025, 11, 23, 15, 4, 5, 120000000, time.UTC),
	} {
		if got, want := sqlite.FormatTime(when), when.UTC().Format("2006-01-02T15:04:05.000000000Z"); got != want {
			t.Errorf("time: got %s, want %s", got, want)
		}
	}
}

// rows counts the rows of a table as somebody with a SQLite shell would.
func rows(t *testing.T, s *sqlite.Store, table string) int {
	t.Helper()
	var n int
	if err := s.Writer().QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

func TestStoreRoundTrip(t *testing.T) {
	s, path := identified(t)
	when := time.Date(2025, 11, 23, 15, 4, 5, 123456789, time.UTC)
	odd := "o\x00dd\xff\xfe'\";\n⚑"
	parked := []checkpoint.Parked{
		{Mapping: "roadshow", Object: "RoadShow", Key: odd, Fields: `{"a":"` + "\x00" + `"}`, Payload: "{}", Operation: "UPSERT",
			At: position(0x16B3750, 1<<63+5), Committed: when, Code: "1006", Message: "Field not found \x00 ü",
			Waits: true, Next: when.Add(time.Hour), Attempts: 3, First: when, Last: when},
		{Mapping: "visits", Object: "Visit", Key: "second", First: when.Add(time.Second)},
	}
	quota := checkpoint.Quota{Day: "2025-11-23", Calls: 1234, Starts: []time.Time{when, when.Add(time.Second)}, Exhausted: true}
	save(t, s, checkpoint.Save{
		Checkpoint: 0x16B3750,
		Started:    []checkpoint.Call{{ID: 1, Keys: []string{odd, "", "b"}}, {ID: 2}},
		Settled:    []checkpoint.Settled{{Key: odd, Through: position(0x16B3750, 1)}, {Key: "", Through: position(0x16B3751, 1<<64-1)}},
		Parked:     parked,
		Lacking:    []string{odd + "x", "gone", "second"},
		Resolved:   []string{"gone"},
		Quota:      &quota,
		Sent:       position(0x16B3760, 1<<63+7),
	})
	save(t, s, checkpoint.Save{Sent: position(0x16B3760, 3)}) // not newer
	s = reopen(t, s, path)
	got := load(t, s)
	ck := home
	ck.LSN = 0x16B3750
	want := checkpoint.State{
		Checkpoint: &ck, SameBoot: true,
		InFlight: []checkpoint.Call{{ID: 1<<40 | 1, Keys: []string{odd, "", "b"}}, {ID: 1<<40 | 2}},
		Settled:  []checkpoint.Settled{{Key: odd, Through: position(0x16B3750, 1)}, {Key: "", Through: position(0x16B3751, 1<<64-1)}},
		Parked:   parked,
		Lacking:  []string{odd + "x"},
		Quota:    quota,
		Sent:     position(0x16B3760, 1<<63+7),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("loaded:\n got %+v\nwant %+v", got, want)
	}
}

// What is given up stays known until the object is resolved, or parked anew.
func TestStoreLacking(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{{Key: "a"}, {Key: "b"}, {Key: "c"}}})
	save(t, s, checkpoint.Save{Lacking: []string{"a", "b", "c"}})
	save(t, s, checkpoint.Save{Resolved: []string{"a"}, Parked: []checkpoint.Parked{{Key: "b"}}})
	state := load(t, reopen(t, s, path))
	if want := []string{"c"}; !slices.Equal(state.Lacking, want) {
		t.Errorf("lacking %q, want %q", state.Lacking, want)
	}
	if len(state.Parked) != 1 || state.Parked[0].Key != "b" {
		t.Errorf("parked %v, want b alone", state.Parked)
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

func TestStoreClean(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}}})
	if got := load(t, s); got.Clean || len(got.InFlight) != 1 {
		t.Errorf("in the middle of a life: got clean %v, in flight %v, want false and one call", got.Clean, got.InFlight)
	}
	save(t, s, checkpoint.Save{Clean: true})
	s = reopen(t, s, path)
	if got := load(t, s); !got.Clean || len(got.InFlight) != 0 {
		t.Errorf("after an orderly end: got clean %v, in flight %v, want true and none", got.Clean, got.InFlight)
	}
	s = reopen(t, s, path) // a life that only looked
	if got := load(t, s); !got.Clean {
		t.Error("after a life without a save: got unclean, want clean")
	}
	save(t, s, checkpoint.Save{})
	s = reopen(t, s, path)
	if got := load(t, s); got.Clean {
		t.Error("after a life without an orderly end: got clean, want unclean")
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

func TestStoreCallsOfSeveralLives(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"old"}}, {ID: 2, Keys: []string{"gone"}}}})
	save(t, s, checkpoint.Save{Ended: []uint64{2}})
	s = reopen(t, s, path)
	old := load(t, s).InFlight
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{"new"}}}})
	got := load(t, s).InFlight
	want := []checkpoint.Call{{ID: old[0].ID, Keys: []string{"old"}}, {ID: 2<<40 | 1, Keys: []string{"new"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("two lives: got %v, want %v", got, want)
	}
	save(t, s, checkpoint.Save{Ended: []uint64{1}})
	if got := load(t, s).InFlight; !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("after the new one ended: got %v, want %v", got, want[:1])
	}
	save(t, s, checkpoint.Save{Ended: []uint64{old[0].ID}})
	if got := load(t, s).InFlight; len(got) != 0 {
		t.Errorf("after both ended: got %v, want none", got)
	}
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 7}}, Ended: []uint64{7}})
	if got := load(t, s).InFlight; len(got) != 0 {
		t.Errorf("started and ended in one save: got %v, want none", got)
	}
}

func TestStoreCheckpointNeverGoesBack(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{Checkpoint: 0x2000000})
	save(t, s, checkpoint.Save{Checkpoint: 0x2000000})
	for range 2 {
		err := s.Save(t.Context(), checkpoint.Save{Checkpoint: 0x1FFFFFF, Resolved: []string{"x"}})
		wantError(t, err, "goes back", "0/2000000", "0/1FFFFFF")
		s = reopen(t, s, path)
	}
	wantError(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 1 << 63}), "not possible")
	save(t, s, checkpoint.Save{})
	if got := load(t, s).Checkpoint.LSN; got != 0x2000000 {
		t.Errorf("checkpoint: got %s, want 0/2000000", got)
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

func TestStoreParked(t *testing.T) {
	s, _ := identified(t)
	entry := func(key, mapping string, first int) checkpoint.Parked {
		return checkpoint.Parked{Key: key, Mapping: mapping, First: time.Unix(1_760_000_000+int64(first), 0).UTC()}
	}
	keys := func(filter checkpoint.Filter) string {
		t.Helper()
		parked, err := s.Parked(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range parked {
			names = append(names, p.Key)
		}
		var visited []string
		if err := s.EachParked(t.Context(), filter, func(p checkpoint.Parked) { visited = append(visited, p.Key) }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(visited, names) {
			t.Errorf("visited: got %q, want %q as listed", visited, names)
		}
		return strings.Join(names, " ")
	}
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{entry("c", "m", 3), entry("a", "m", 1), entry("b", "n", 2)}})
	tests := []struct {
		filter checkpoint.Filter
		want   string
	}{
		{checkpoint.Filter{}, "a b c"},
		{checkpoint.Filter{Mapping: "m"}, "a c"},
		{checkpoint.Filter{Mapping: "x"}, ""},
		{checkpoint.Filter{Key: "b"}, "b"},
		{checkpoint.Filter{Mapping: "m", Key: "b"}, ""},
		{checkpoint.Filter{Limit: 1, Offset: 1}, "b"},
		{checkpoint.Filter{Offset: 2}, "c"},
	}
	for _, tt := range tests {
		if got := keys(tt.filter); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.filter, got, tt.want)
		}
	}
	counts, err := s.CountParked(t.Context())
	if want := map[string]int{"m": 2, "n": 1}; err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("counts: got %v, %v, want %v", counts, err, want)
	}
	again := entry("a", "m", 1)
	again.Attempts = 2
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{again, entry("b", "n", 2)}, Resolved: []string{"b", "c", "never parked"}})
	if got := keys(checkpoint.Filter{}); got != "a b" {
		t.Errorf("after resolving c, and b that was parked again: got %q, want %q", got, "a b")
	}
	if parked := load(t, s).Parked; parked[0].Attempts != 2 {
		t.Errorf("attempts after parking again: got %d, want 2", parked[0].Attempts)
	}
}

func TestStoreIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	wantError(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 5}), "never identified")
	intended := home
	intended.LSN = 0
	wantError(t, s.Intend(t.Context(), home), "no position")
	wantError(t, s.Identify(t.Context(), intended), "not possible")
	other := intended
	other.Slot = "other"
	for _, c := range []checkpoint.Checkpoint{other, intended} {
		if err := s.Intend(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, path)
		if got := load(t, s).Checkpoint; !reflect.DeepEqual(got, &c) {
			t.Errorf("intention: got %+v, want %+v", got, c)
		}
	}
	wantError(t, s.Save(t.Context(), checkpoint.Save{Checkpoint: 5}), "never identified")
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	promoted := home
	promoted.Timeline, promoted.LSN = 2, home.LSN+1
	if err := s.Identify(t.Context(), promoted); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, path)
	if got := load(t, s).Checkpoint; !reflect.DeepEqual(got, &promoted) {
		t.Errorf("identity: got %+v, want %+v", got, promoted)
	}
	other.LSN = home.LSN + 5
	wantError(t, s.Intend(t.Context(), intended), "already belongs")
	wantError(t, s.Identify(t.Context(), other), "state file of its own")
	wantError(t, s.Identify(t.Context(), home), "goes back")
}

func TestStoreCancelled(t *testing.T) {
	s, _ := identified(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, s.Save(ctx, checkpoint.Save{Checkpoint: home.LSN + 1}), "save state", "canceled")
	wantError(t, s.Intend(ctx, checkpoint.Checkpoint{}), "canceled")
	if got := load(t, s).Checkpoint.LSN; got != home.LSN {
		t.Errorf("checkpoint: got %s, want %s", got, home.LSN)
	}
}

// A Save without a part of the row leaves that part as it is.
func TestSaveKeepsWhatItLeavesOut(t *testing.T) {
	s, path := identified(t)
	quota := checkpoint.Quota{Day: "2025-11-23", Calls: 7, Exhausted: true, Starts: []time.Time{time.Unix(5, 7).UTC()}}
	call := checkpoint.Call{ID: 1, Keys: []string{"a"}}
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 5, Started: []checkpoint.Call{call}, Quota: &quota, Sent: position(uint64(home.LSN)+9, 1)})
	want := load(t, s)
	for range 2 {
		save(t, s, checkpoint.Save{})
		if got := load(t, s); !reflect.DeepEqual(got, want) || len(got.InFlight) != 1 {
			t.Errorf("after an empty save: got %+v, want %+v", got, want)
		}
		s = reopen(t, s, path)
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

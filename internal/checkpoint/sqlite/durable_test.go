package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

const saverEnv = "CDCSYNC_TEST_SAVER"

func TestMain(m *testing.M) {
	if path := os.Getenv(saverEnv); path != "" {
		fmt.Fprintln(os.Stderr, saveForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// numbered is a Save every part of which carries the number n.
func numbered(n uint64) checkpoint.Save {
	key := strconv.FormatUint(n, 10)
	return checkpoint.Save{
		Checkpoint: home.LSN + checkpoint.LSN(n),
		Started:    []checkpoint.Call{{ID: 1<<40 | n, Keys: []string{key}}},
		Ended:      []uint64{1<<40 | (n - 1)},
		Settled:    []checkpoint.Settled{{Key: strings.Repeat(key, 2000), Through: position(uint64(home.LSN)+n, n)}},
		Parked:     []checkpoint.Parked{{Key: "same", Attempts: int(n)}},
		Quota:      &checkpoint.Quota{Calls: int(n)},
		Sync:       n%7 == 0,
	}
}

// number returns the number of the last Save, and an error when its parts do
// not agree on it.
func number(state checkpoint.State) (uint64, error) {
	n := uint64(state.Checkpoint.LSN - home.LSN)
	if n == 0 {
		return 0, nil
	}
	if len(state.InFlight) != 1 || len(state.Settled) != 1 || len(state.Parked) != 1 {
		return n, fmt.Errorf("save %d: %d calls, %d settled, %d parked, want one of each", n,
			len(state.InFlight), len(state.Settled), len(state.Parked))
	}
	got := []uint64{state.InFlight[0].ID & (1<<40 - 1), state.Settled[0].Through.Seq,
		uint64(state.Parked[0].Attempts), uint64(state.Quota.Calls)}
	for _, part := range got {
		if part != n {
			return n, fmt.Errorf("save %d is torn: its parts are of %v", n, got)
		}
	}
	return n, nil
}

// saveForever is the process that the test kills.
func saveForever(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	state, err := s.Load(ctx)
	if err != nil {
		return err
	}
	n, err := number(state)
	for err == nil {
		n++
		if err = s.Save(ctx, numbered(n)); err == nil {
			_, err = fmt.Println(n)
		}
	}
	return err
}

func TestKilledInTheMiddleOfSaves(t *testing.T) {
	s, path := identified(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for range 5 {
		reported := runAndKill(t, path, 1+rand.IntN(150))
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		state := load(t, s)
		n, err := number(state)
		if err != nil {
			t.Fatal(err)
		}
		if n < reported || n <= last {
			t.Fatalf("found save %d after a kill, want at least %d (reported), and more than %d", n, reported, last)
		}
		if state.Clean || !state.SameBoot {
			t.Errorf("after a kill: got clean %v, same boot %v, want false, true", state.Clean, state.SameBoot)
		}
		last = n
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill starts a saver, kills it after so many saves, and returns the
// number of the last one it reported.
func runAndKill(t *testing.T, path string, saves int) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), saverEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reported := uint64(0)
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == saves {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if reported, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("saver: got %v, want it killed", err)
	}
	return reported
}

// A loss of power leaves any prefix of SQLite's log. Whatever is left, whole
// saves come out.
func TestLogCutAnywhere(t *testing.T) {
	s, path := identified(t)
	const saves = 6
	for n := range uint64(saves) {
		save(t, s, numbered(n+1))
	}
	db, wal := readFile(t, path), readFile(t, path+"-wal")
	if len(wal) < saves*4096 {
		t.Fatalf("log: got %d bytes, want all saves to be in it", len(wal))
	}
	seen := map[uint64]bool{}
	cuts := []int{len(wal)}
	for range 24 {
		cuts = append(cuts, rand.IntN(len(wal)))
	}
	for _, cut := range cuts {
		copied := filepath.Join(t.TempDir(), "state.db")
		writeFile(t, copied, db)
		writeFile(t, copied+"-wal", wal[:cut])
		s := open(t, copied)
		state := load(t, s)
		if state.Checkpoint == nil {
			continue // before Identify
		}
		n, err := number(state)
		if err != nil {
			t.Errorf("cut at %d of %d: %v", cut, len(wal), err)
		}
		seen[n] = true
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !seen[saves] {
		t.Errorf("saves found: got %v, want the last one from the whole log", seen)
	}
	if len(seen) < 3 {
		t.Errorf("saves found: got %v, want several", seen)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const normal, full = 1, 2 // PRAGMA synchronous

func wantSynchronous(t *testing.T, s *sqlite.Store, want int) {
	t.Helper()
	var got int
	if err := s.Writer().QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("synchronous: got %d, want %d", got, want)
	}
}

func TestIdentifySyncs(t *testing.T) {
	s, _ := identified(t)
	save(t, s, checkpoint.Save{})
	wantSynchronous(t, s, normal)
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	wantSynchronous(t, s, full)
}

func TestSaveSyncs(t *testing.T) {
	s, path := identified(t)
	s = reopen(t, s, path)
	steps := []struct {
		name string
		save checkpoint.Save
		want int
	}{
		{"the first of a process", checkpoint.Save{}, full},
		{"not asked for", checkpoint.Save{}, normal},
		{"asked for", checkpoint.Save{Sync: true}, full},
		{"not asked for again", checkpoint.Save{Settled: []checkpoint.Settled{{Key: "a"}}}, normal},
		{"the orderly end", checkpoint.Save{Clean: true}, full},
	}
	log := logHeader(t, path)
	for _, step := range steps {
		save(t, s, step.save)
		t.Log(step.name)
		wantSynchronous(t, s, step.want)
		// SQLite syncs only what it writes: even an empty Save must write.
		next := logHeader(t, path)
		if next == log {
			t.Errorf("%s: nothing was written", step.name)
		}
		log = next
	}
}

// logHeader identifies the state of SQLite's log by its size and content.
func logHeader(t *testing.T, path string) string {
	b, err := os.ReadFile(path + "-wal")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogIsEmptied(t *testing.T) {
	s, path := identified(t)
	key := strings.Repeat("k", 1<<20)
	for n := range 32 {
		save(t, s, checkpoint.Save{
			Checkpoint: home.LSN + checkpoint.LSN(n),
			Settled:    []checkpoint.Settled{{Key: key, Through: position(uint64(home.LSN)+uint64(n), 1)}},
		})
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if got, most := info.Size(), int64(20<<20); got > most {
		t.Errorf("log after 32 MB of saves: got %d bytes, want at most %d", got, most)
	}
}

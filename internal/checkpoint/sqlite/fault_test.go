package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func bigSave(n int) checkpoint.Save {
	return checkpoint.Save{
		Checkpoint: home.LSN + checkpoint.LSN(n),
		Parked:     []checkpoint.Parked{{Key: fmt.Sprint(n), Payload: strings.Repeat("x", 300_000)}},
	}
}

// fillUp saves until a Save fails, and returns its number and error.
func fillUp(t *testing.T, s *sqlite.Store) (int, error) {
	t.Helper()
	for n := 1; n < 500; n++ {
		if err := s.Save(t.Context(), bigSave(n)); err != nil {
			return n, err
		}
	}
	t.Fatal("500 saves of 300 kB, and no limit was met")
	return 0, nil
}

func TestSaveWithFullDatabase(t *testing.T) {
	s, path := identified(t)
	if _, err := s.Writer().ExecContext(t.Context(), `PRAGMA max_page_count = 1000`); err != nil {
		t.Fatal(err)
	}
	failed, err := fillUp(t, s)
	wantError(t, err, "save state", "free some space")
	before := load(t, s)
	if got, want := before.Checkpoint.LSN, home.LSN+checkpoint.LSN(failed-1); got != want {
		t.Errorf("checkpoint after a failed save: got %s, want %s", got, want)
	}
	if got, want := len(before.Parked), failed-1; got != want {
		t.Errorf("parked after a failed save: got %d, want %d", got, want)
	}
	if _, err := s.Writer().ExecContext(t.Context(), `PRAGMA max_page_count = 100000`); err != nil {
		t.Fatal(err)
	}
	save(t, s, bigSave(failed))
	s = reopen(t, s, path)
	if got, want := load(t, s).Checkpoint.LSN, home.LSN+checkpoint.LSN(failed); got != want {
		t.Errorf("checkpoint after space was made: got %s, want %s", got, want)
	}
}

func TestSaveAgainstAnotherWriter(t *testing.T) {
	s, path := identified(t)
	if _, err := s.Writer().ExecContext(t.Context(), `PRAGMA busy_timeout = 20`); err != nil {
		t.Fatal(err)
	}
	db := otherProgram(t, path)
	if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	err := s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + 1})
	wantError(t, err, "save state", "another program holds a write lock")
	if _, err := db.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	save(t, s, checkpoint.Save{Checkpoint: home.LSN + 1})
}

// Somebody who moved the position by hand must not make it go back.
func TestSaveAgainstAMovedPosition(t *testing.T) {
	s, path := identified(t)
	before := load(t, s)
	execSQL(t, path, `UPDATE state SET position = position + 100`)
	err := s.Save(t.Context(), checkpoint.Save{Checkpoint: home.LSN + 1, Quota: &checkpoint.Quota{Calls: 1}})
	wantError(t, err, "on disk is ahead")
	execSQL(t, path, `UPDATE state SET position = position - 100`)
	if after := load(t, s); !reflect.DeepEqual(after, before) {
		t.Errorf("after a refused save: got %+v, want %+v", after, before)
	}
}

// A file that is damaged, or gone from its place, takes nothing more in this
// life: what was acknowledged after that could not be found by the next one.
func TestWhatClosesTheStore(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hurt  func(t *testing.T, path string)
		words []string
	}{
		{"moved away", func(t *testing.T, path string) {
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
		}, []string{"moved away", "put it back"}},
		{"replaced", func(t *testing.T, path string) {
			b := readFile(t, path)
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, b)
		}, []string{"another file"}},
		{"without its row", func(t *testing.T, path string) { execSQL(t, path, `DELETE FROM state`) }, []string{"damaged", "restore"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, path := identified(t)
			tt.hurt(t, path)
			for range 2 {
				err := s.Save(t.Context(), checkpoint.Save{Sync: true})
				wantError(t, err, append(tt.words, "closed to saves")...)
				if !errors.Is(err, checkpoint.ErrClosed) {
					t.Errorf("%v is no checkpoint.ErrClosed", err)
				}
			}
			if _, err := s.AddBackfill(t.Context(), checkpoint.Backfill{}); !errors.Is(err, checkpoint.ErrClosed) {
				t.Errorf("a backfill: %v, want that the store is closed", err)
			}
		})
	}
}

// What the disk could not sync is said with what to do.
func TestFailedSyncIsExplained(t *testing.T) {
	m := newMachine(t)
	s := m.Open(t)
	m.FailSync()
	for range 2 {
		err := s.Save(t.Context(), checkpoint.Save{Sync: true})
		wantError(t, err, "closed to saves", "could not be synced", "start again")
	}
}

package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// execSQL runs text on the file as another program would.
func execSQL(t *testing.T, path, text string) {
	t.Helper()
	db := otherProgram(t, path)
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func otherProgram(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sqlite.Database(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// closedStore makes a store with something in it, and closes it.
func closedStore(t *testing.T) string {
	t.Helper()
	s, path := identified(t)
	save(t, s, checkpoint.Save{
		Started: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}},
		Settled: []checkpoint.Settled{{Key: "a", Through: position(uint64(home.LSN), 1)}},
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name  string
		make  func(t *testing.T, path string)
		words []string
	}{
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a directory"}},
		{"a device", func(t *testing.T, path string) {
			if err := os.Symlink(os.DevNull, path); err != nil {
				t.Fatal(err)
			}
		}, []string{"not a regular file"}},
		{"a file others may read", func(t *testing.T, path string) {
			writeFile(t, path, nil)
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
		}, []string{"mode 0640", "chmod 600"}},
		{"a short text", func(t *testing.T, path string) { writeFile(t, path, []byte("hello\n")) },
			[]string{"not a database", "restore"}},
		{"a long text", func(t *testing.T, path string) { writeFile(t, path, make([]byte, 10_000)) },
			[]string{"not a database", "restore"}},
		{"another program's database", func(t *testing.T, path string) {
			writeFile(t, path, nil)
			execSQL(t, path, `CREATE TABLE songs (title TEXT)`)
		}, []string{"another program", "new file"}},
		{"another program's marked database", func(t *testing.T, path string) {
			writeFile(t, path, nil)
			execSQL(t, path, `PRAGMA application_id = 7`)
		}, []string{"another program", "new file"}},
		{"a newer store", func(t *testing.T, path string) {
			writeFile(t, path, nil)
			execSQL(t, path, `PRAGMA application_id = `+strconv.Itoa(0x43444353)+`; PRAGMA user_version = 99`)
		}, []string{"newer release", "99"}},
		{"an older store", func(t *testing.T, path string) {
			writeFile(t, path, nil)
			execSQL(t, path, `PRAGMA application_id = `+strconv.Itoa(0x43444353)+`; CREATE TABLE life (id)`)
		}, []string{"version 0 is not known"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			tt.make(t, path)
			before, _ := os.ReadFile(path)
			_, err := sqlite.Open(t.Context(), path)
			wantError(t, err, append(tt.words, "open state file", path)...)
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the refused file was changed")
			}
		})
	}
	t.Run("a missing directory", func(t *testing.T) {
		_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "state.db"))
		wantError(t, err, "create the directory")
	})
}

func TestOpenRefusesDamage(t *testing.T) {
	tests := []struct {
		name, sql string
		words     []string
	}{
		{"position", `UPDATE state SET position = position | 4294967296`, []string{"checkpoint", "damaged", "restore"}},
		{"slot", `UPDATE state SET slot = 'other'`, []string{"checkpoint", "damaged"}},
		{"sent", `UPDATE state SET sent = x'0102030405060708'`, []string{"sent", "damaged", "restore"}},
		{"no position", `UPDATE state SET position = NULL`, []string{"checkpoint", "damaged", "restore"}},
		{"calls", `UPDATE state SET calls = zeroblob(length(calls))`, []string{"inflight", "damaged", "restore"}},
		{"a call short", `UPDATE state SET calls = substr(calls, 1, length(calls) - 1)`, []string{"inflight", "damaged", "restore"}},
		{"starts", `UPDATE state SET starts = '[1'`, []string{"quota", "damaged", "restore"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := closedStore(t)
			execSQL(t, path, tt.sql)
			_, err := sqlite.Open(t.Context(), path)
			wantError(t, err, tt.words...)
		})
	}
	t.Run("settled", func(t *testing.T) {
		path := closedStore(t)
		execSQL(t, path, `UPDATE settled SET data = zeroblob(length(data))`)
		_, err := open(t, path).Load(t.Context())
		wantError(t, err, "settled", "damaged", "restore")
	})
	t.Run("pages", func(t *testing.T) {
		path := closedStore(t)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 8192; i < len(b); i++ { // everything but the header page
			b[i] ^= 0x55
		}
		writeFile(t, path, b)
		_, err = sqlite.Open(t.Context(), path)
		wantError(t, err, "open state file", "restore")
	})
	t.Run("cut short", func(t *testing.T) {
		path := closedStore(t)
		if err := os.Truncate(path, 8192); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(t.Context(), path)
		wantError(t, err, "open state file", "restore")
	})
}

func TestOpenLocked(t *testing.T) {
	s, path := identified(t)
	for range 2 {
		_, err := sqlite.Open(t.Context(), path)
		wantError(t, err, "in use by another cdcsync (process "+strconv.Itoa(os.Getpid())+")", "state file of its own")
	}
	save(t, s, checkpoint.Save{})
	reopen(t, s, path)
}

// A program with a SQLite shell may read while the daemon runs, and sees whole
// saves.
func TestOtherProgramsMayRead(t *testing.T) {
	s, path := identified(t)
	db := otherProgram(t, path)
	for _, want := range []string{"0/16B3749", "1A/F0000000"} {
		lsn := checkpoint.LSN(home.LSN + 1)
		if want == "1A/F0000000" {
			lsn = 0x1A_F0000000
		}
		save(t, s, checkpoint.Save{Checkpoint: lsn})
		var got string
		if err := db.QueryRow(`SELECT lsn FROM state WHERE slot = 'cdcsync'`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("lsn: got %s, want %s", got, want)
		}
	}
}

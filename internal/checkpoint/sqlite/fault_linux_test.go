package sqlite_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func TestSaveWithFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	writeFile(t, ballast, make([]byte, 3<<20))
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	failed, err := fillUp(t, s)
	wantError(t, err, "save state", "free some space")
	wantError(t, s.Save(t.Context(), bigSave(failed)), "free some space")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	save(t, s, bigSave(failed))
	if got, want := load(t, s).Checkpoint.LSN, home.LSN+checkpoint.LSN(failed); got != want {
		t.Errorf("checkpoint after space was made: got %s, want %s", got, want)
	}
}

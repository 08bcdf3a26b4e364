package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// disk puts the state file on a disk of its own.
func (w *world) disk(size string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		w.t.Skipf("mount a small disk: %v", err)
	}
	w.t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			w.t.Errorf("unmount: %v", err)
		}
	})
	w.config.state = filepath.Join(dir, "state.db")
	return dir
}

// fill writes until nothing more goes onto the disk, and returns the file that
// took the room.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			return path
		}
	}
}

// TestStateDiskIsFull fills the disk of the state file under load: nothing is
// sent or confirmed that could not be kept, and all goes on by itself once
// there is room.
func TestStateDiskIsFull(t *testing.T) {
	const keys = 500
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newItems(t, server, api, keys, simulator.Options{RecordHistory: true, RecordKeys: true})
		dir := w.disk("64m")
		p := w.start()
		load := w.startLoad(keys, 10, 5*time.Millisecond)
		load.await(t, 100)
		ballast := fill(t, dir)
		await(t, time.Minute, func() (bool, string) {
			status, reason := w.get("/readyz")
			return status == 503 && strings.Contains(reason, "store"), "readyz says " + reason
		})
		await(t, time.Minute, func() (bool, string) {
			return w.sim.Stats().Running == 0, "calls are under way"
		})
		time.Sleep(2 * time.Second) // until their answers are there, and what is settled is told
		slot, calls := w.confirmed(), len(w.writes())
		load.await(t, 200)
		time.Sleep(2 * time.Second)
		if now := w.confirmed(); now != slot {
			t.Errorf("the slot moved from %s to %s although nothing could be saved", slot, now)
		}
		if now := len(w.writes()); now != calls {
			t.Errorf("%d calls went out whose outcome could not be kept", now-calls)
		}
		if n := strings.Count(p.output.String(), "store does not take anything"); n != 1 {
			t.Errorf("the log says %d times that the store takes nothing, want once", n)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		w.awaitReady(p)
		load.stop()
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
		w.neverBack()
	})
}

// TestStateDiskIsReadOnly starts with a state file that cannot be written: that
// is an error with its remedy, and nothing was sent.
func TestStateDiskIsReadOnly(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		dir := w.disk("8m")
		p := w.start()
		p.stop(t)
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE items SET version = version + 1`)
		calls := len(w.sim.Calls())
		p = w.launch()
		if code := p.exit(t, time.Minute); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		if text := p.output.String(); !strings.Contains(text, "make the file and its directory writable") {
			t.Errorf("the program does not say what to do: %s", text)
		}
		if now := len(w.sim.Calls()); now != calls {
			t.Errorf("%d calls without a state file", now-calls)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		p = w.start()
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
	})
}

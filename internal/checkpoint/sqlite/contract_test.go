package sqlite_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint/checkpointtest"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// machine is where a store of this package is tried: its file is on a disk.
type machine struct {
	disk
	path string
	boot int
	life *sqlite.Store
}

func newMachine(t *testing.T) *machine {
	useDisks()
	m := &machine{disk: disk{dir: t.TempDir(), files: map[string]*diskFile{}}}
	m.path = filepath.Join(m.dir, "state.db")
	disks.Store(m.dir, &m.disk)
	t.Cleanup(func() {
		if m.life != nil {
			_ = m.life.Close()
		}
		disks.Delete(m.dir)
	})
	return m
}

func (m *machine) Open(t checkpointtest.T) checkpointtest.Store {
	t.Helper()
	m.dead, m.limited, m.failing = false, false, false
	s, err := sqlite.OpenInBoot(context.Background(), m.path, "boot "+strconv.Itoa(m.boot))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.life = s
	return s
}

// Kill has the process write nothing more; that it closes what it has open is
// what the kernel does for one that is killed.
func (m *machine) Kill(checkpointtest.T) {
	m.mu.Lock()
	m.dead = true
	m.mu.Unlock()
	_ = m.life.Close()
}

func (m *machine) CutPower(t checkpointtest.T, rng *rand.Rand) {
	t.Helper()
	m.Kill(t)
	m.boot++
	if err := m.cut(rng); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) StopAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limited, m.budget = true, n
}

func (m *machine) Fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *machine) FailSync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = true
}

// TestContract is what every store has to pass.
func TestContract(t *testing.T) {
	checkpointtest.Run(t, func(checkpointtest.T) checkpointtest.World { return newMachine(t) })
}

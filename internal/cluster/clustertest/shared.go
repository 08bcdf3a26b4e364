package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
)

// Shared is a server for all tests of a package, started by the first one that
// needs it. The zero Shared is one with the defaults.
type Shared struct {
	Options cluster.Options

	once    sync.Once
	cluster *cluster.Cluster
	err     error
}

// Server returns the server. The test is skipped where PostgreSQL is not on the
// machine.
func (s *Shared) Server(t testing.TB) *cluster.Cluster {
	t.Helper()
	s.once.Do(func() { s.cluster, s.err = cluster.Start(context.Background(), s.Options) })
	if errors.Is(s.err, cluster.ErrNotInstalled) {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Main runs the tests of a package, ends the server if one was started, and ends
// the process: it is what TestMain does.
func (s *Shared) Main(m *testing.M) {
	code := m.Run()
	if s.cluster != nil {
		if err := s.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

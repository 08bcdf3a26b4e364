package agreement_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// shared starts the package's server when the first test needs it.
var shared = sync.OnceValues(func() (*cluster.Cluster, error) {
	return cluster.Start(context.Background(), cluster.Options{})
})

var started bool

func TestMain(m *testing.M) {
	code := m.Run()
	if started {
		if c, err := shared(); err == nil {
			if err := c.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// database makes a database with the given tables and rows.
func database(t *testing.T, name, sql string) *replication.Source {
	t.Helper()
	started = true
	c, err := shared()
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.NewDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), name, sql); err != nil {
		t.Fatal(err)
	}
	return &replication.Source{URL: url, Slot: "cdcsync", Publication: "cdcsync"}
}

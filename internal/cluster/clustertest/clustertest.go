// Package clustertest starts PostgreSQL servers that belong to one test, or to the
// tests of one package.
package clustertest

import (
	"errors"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
)

// Start starts a server that ends with the test. The test is skipped where
// PostgreSQL, or the version that it asks for, is not on the machine.
func Start(t testing.TB, options cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), options)
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

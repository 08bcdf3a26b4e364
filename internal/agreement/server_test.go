package agreement_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// shared is the package's server.
var shared = clustertest.Shared{}

func TestMain(m *testing.M) { shared.Main(m) }

// database makes a database with the given tables and rows.
func database(t *testing.T, name, sql string) *replication.Source {
	t.Helper()
	c := shared.Server(t)
	url, err := c.NewDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), name, sql); err != nil {
		t.Fatal(err)
	}
	return &replication.Source{URL: url, Slot: "cdcsync", Publication: "cdcsync"}
}

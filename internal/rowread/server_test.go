package rowread_test

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// shared is the package's server.
var shared = clustertest.Shared{}

func TestMain(m *testing.M) { shared.Main(m) }

// database is one test's database.
type database struct {
	t       testing.TB
	cluster *cluster.Cluster
	name    string
	source  *replication.Source
}

var databases int

func newDatabase(t testing.TB, ddl string) *database {
	t.Helper()
	c := shared.Server(t)
	databases++
	name := fmt.Sprint("test", databases)
	url, err := c.NewDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	d := &database{t: t, cluster: c, name: name, source: &replication.Source{URL: url, Slot: name, Publication: name}}
	d.exec(ddl)
	return d
}

// exec runs each statement by itself, so each is a transaction.
func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, sql := range statements {
		if err := d.cluster.Exec(d.t.Context(), d.name, sql); err != nil {
			d.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// value returns what a query of one value answers; "" for null.
func (d *database) value(sql string) string {
	d.t.Helper()
	return clustertest.Value(d.t, d.source.URL, sql)
}

// wantReason checks an error's reason.
func wantReason(t testing.TB, err error, reason replication.Reason) {
	t.Helper()
	if got := replication.Diagnose(err); err == nil || got != reason {
		t.Errorf("error %v has reason %q, want %q", err, got, reason)
	}
}

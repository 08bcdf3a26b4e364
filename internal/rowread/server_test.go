package rowread_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

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
	started = true
	c, err := shared()
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
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
	conn, err := pgconn.Connect(d.t.Context(), d.source.URL)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(d.t.Context(), sql).ReadAll()
	if err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	if len(results[0].Rows) == 0 {
		return ""
	}
	return string(results[0].Rows[0][0])
}

// eventually polls until ok, for at most 20 seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Errorf("waited in vain until %s", what)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// wantReason checks an error's reason.
func wantReason(t testing.TB, err error, reason replication.Reason) {
	t.Helper()
	if got := replication.Diagnose(err); err == nil || got != reason {
		t.Errorf("error %v has reason %q, want %q", err, got, reason)
	}
}

package replication_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// senderTimeout is the shared server's wal_sender_timeout: short, so that a
// test can outwait it.
const senderTimeout = 2 * time.Second

// shared is the package's server.
var shared = clustertest.Shared{Options: cluster.Options{Settings: map[string]string{
	"wal_sender_timeout": "2s", "max_prepared_transactions": "5", "autovacuum": "off",
}}}

func TestMain(m *testing.M) { shared.Main(m) }

func server(t testing.TB) *cluster.Cluster {
	t.Helper()
	return shared.Server(t)
}

// database is one test's database, slot and publication.
type database struct {
	t       testing.TB
	cluster *cluster.Cluster
	name    string
	source  *replication.Source
}

// catalog is a connection that looks into the catalog, until the test ends.
func (d *database) session() *replication.Catalog {
	d.t.Helper()
	c, err := d.source.Catalog(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

var databases int

func newDatabase(t testing.TB, ddl string) *database {
	t.Helper()
	c := server(t)
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

// capture makes the publication of these tables of schema public, and the slot.
func (d *database) capture(tables ...string) pgoutput.LSN {
	d.t.Helper()
	names := make([]catalog.TableName, len(tables))
	for i, table := range tables {
		names[i] = catalog.TableName{Schema: "public", Name: table}
	}
	if err := d.source.CreatePublication(d.t.Context(), names); err != nil {
		d.t.Fatal(err)
	}
	return d.createSlot()
}

func (d *database) createSlot() pgoutput.LSN {
	d.t.Helper()
	point, err := d.source.CreateSlot(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		// A session that was cut may hold the slot for a moment.
		clustertest.Eventually(d.t, "the slot is dropped", func() bool {
			err := d.source.DropSlot(context.Background())
			return err == nil || replication.Diagnose(err) == replication.SlotMissing
		})
	})
	return point
}

// exec runs each statement by itself, so each is a transaction.
func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, sql := range statements {
		if sql == "" {
			continue
		}
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

func (d *database) stream(from pgoutput.LSN) *replication.Stream {
	d.t.Helper()
	// A test that waits for a message that never comes ends with an error.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	d.t.Cleanup(cancel)
	s, err := d.source.Stream(ctx, from)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Abort)
	return s
}

// read reads n transactions and renders them, one line a message; it returns
// the end of the last one too.
func (d *database) read(s *replication.Stream, n int) (string, pgoutput.LSN) {
	d.t.Helper()
	var lines []string
	var end pgoutput.LSN
	for n > 0 {
		m, err := s.Next()
		if err != nil {
			d.t.Fatalf("Next() = %v after %q", err, lines)
		}
		if line := render(m); line != "" {
			lines = append(lines, line)
		}
		if commit, ok := m.(*pgoutput.Commit); ok {
			end = commit.End
			n--
		}
	}
	return strings.Join(lines, "\n"), end
}

// render shows what a test compares: rows, truncates, types, relations and
// logical messages.
func render(m pgoutput.Message) string {
	switch m := m.(type) {
	case *pgoutput.Change:
		old := pgoutputtest.Show(m.Old)
		if m.OldIsKey {
			old = "key " + old
		}
		return fmt.Sprintf("%s %s: %s -> %s", m.Operation, m.Relation.Name, old, pgoutputtest.Show(m.New))
	case *pgoutput.Truncate:
		names := make([]string, len(m.Relations))
		for i, r := range m.Relations {
			names[i] = r.Name
		}
		return fmt.Sprintf("truncate %s cascade=%v restart=%v", strings.Join(names, ","), m.Cascade, m.Restart)
	case *pgoutput.Type:
		return fmt.Sprintf("type %s.%s", m.Name.Schema, m.Name.Name)
	case *pgoutput.Relation:
		names := make([]string, len(m.Columns))
		for i, c := range m.Columns {
			names[i] = c.Name
			if c.Key {
				names[i] += "*"
			}
		}
		return fmt.Sprintf("relation %s.%s %s (%s)", m.Schema, m.Name, m.Identity, strings.Join(names, " "))
	case *pgoutput.Logical:
		return fmt.Sprintf("message %s transactional=%v %q", m.Prefix, m.Transactional, m.Content)
	}
	return ""
}

// wantReason checks an error's reason and class.
func wantReason(t testing.TB, err error, reason replication.Reason) {
	t.Helper()
	if got := replication.Diagnose(err); err == nil || got != reason {
		t.Errorf("error %v has reason %q, want %q", err, got, reason)
	}
}

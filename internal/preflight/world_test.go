package preflight_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

var update = flag.Bool("update", false, "write testdata/*.golden instead of comparing with it")

// shared is the package's server.
var shared = clustertest.Shared{Options: cluster.Options{Settings: map[string]string{"autovacuum": "off", "max_prepared_transactions": "2"}}}

func TestMain(m *testing.M) { shared.Main(m) }

// world is one test's database, and the source and mappings that are held
// against it.
type world struct {
	t       *testing.T
	cluster *cluster.Cluster
	name    string
	source  *replication.Source
	set     *mapping.Set
}

func newWorld(t *testing.T, c *cluster.Cluster, name string, definitions ...mapping.Definition) *world {
	t.Helper()
	url, err := c.NewDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Compile(definitions)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cluster: c, name: name, set: set, source: &replication.Source{URL: url, Slot: name, Publication: name}}
	t.Cleanup(func() {
		if err := w.source.DropSlot(context.Background()); err != nil && replication.Diagnose(err) != replication.SlotMissing {
			t.Error(err)
		}
	})
	return w
}

func sharedCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	return shared.Server(t)
}

// as has the source connect as another role.
func (w *world) as(role string) {
	w.source.URL = strings.Replace(w.source.URL, "postgres@", role+"@", 1)
}

// run executes statements one after the other in one session, as psql would.
func (w *world) run(sql string) {
	w.t.Helper()
	conn, err := pgconn.Connect(w.t.Context(), w.cluster.URL(w.name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for statement := range strings.SplitSeq(sql, ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if err := conn.Exec(w.t.Context(), statement).Close(); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (w *world) look() []preflight.Finding {
	w.t.Helper()
	session, err := w.source.Catalog(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer session.Close(context.Background())
	server, err := session.Inspect(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	seen, err := preflight.Source(w.t.Context(), session, server, w.set, func(m mapping.Mistake) string {
		return "file.yaml: " + m.Path + ": " + m.Text
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return seen.Findings
}

// troubles are the findings that are not OK.
func troubles(findings []preflight.Finding) []preflight.Finding {
	var found []preflight.Finding
	for _, f := range findings {
		if f.Level != preflight.OK {
			found = append(found, f)
		}
	}
	return found
}

// version is the server's server_version_num.
func (w *world) version() int {
	w.t.Helper()
	server, err := w.source.Inspect(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return server.Version
}

// release is the server's version as findings tell it.
var release = regexp.MustCompile(`PostgreSQL \d+\.\d+,`)

// text is what the findings say, the same on every server version.
func text(findings []preflight.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Level, f.Check, f.Detail)
		if f.Remedy != (preflight.Remedy{}) {
			fmt.Fprintf(&b, "     %s\n", f.Remedy)
		}
	}
	return release.ReplaceAllString(b.String(), "PostgreSQL N,")
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// orders is a mapping of table public.orders that fits ordersDDL.
func orders(edit func(d *mapping.Definition)) mapping.Definition {
	d := mapping.Definition{
		Name: "orders", Schema: "public", Table: "orders", Object: "Order",
		Key:        []mapping.Rule{{Attribute: "oid", Column: "id"}},
		Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}},
	}
	if edit != nil {
		edit(&d)
	}
	return d
}

const ordersDDL = `CREATE TABLE orders (id int PRIMARY KEY, city text, state text, amount numeric(10,2))`

// deletes makes deletes of rows matter.
func deletes(d *mapping.Definition) { d.OnDelete.Delete = true }

func inserts(d *mapping.Definition) { d.Operation = marketo.Insert }

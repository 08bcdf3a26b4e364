package acceptance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/agreement"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// versionServer starts a server of a major version, 0 for the usual one, which
// the test may stop. It skips where there is none.
func versionServer(t *testing.T, version int, settings map[string]string) *cluster.Cluster {
	t.Helper()
	needServer(t) // the program is built only where there is any server
	place(t)
	return clustertest.Start(t, cluster.Options{Version: version, Settings: settings})
}

// pages is the mapping of a table with large values.
const pages = `
  - table: public.pages
    object: Page
    key: {code: code}
    attributes: {n: n, memo: memo}
    on_delete: delete
    on_truncate: ignore
`

// pagesDDL makes the table; values of memo above 2 kB are stored apart from
// their row and left out of the stream by an update that does not touch them.
const pagesDDL = `CREATE TABLE pages (code text PRIMARY KEY, n int, memo text);
	ALTER TABLE pages ALTER memo SET STORAGE EXTERNAL`

// newPages is a world with the table pages, holding codes a1 to a<rows> with
// large memos that are older than the slot.
func newPages(t *testing.T, c *cluster.Cluster, api string, rows int) *world {
	t.Helper()
	w := newWorld(t, c, api, simulator.Options{Dedupe: map[string][]string{"Page": {"code"}}})
	w.config.mappings = pages
	for statement := range strings.SplitSeq(pagesDDL, ";") {
		w.exec(statement)
	}
	w.fill("a", rows)
	return w
}

// fill inserts rows with large memos.
func (w *world) fill(prefix string, rows int) {
	w.t.Helper()
	w.exec(`INSERT INTO pages SELECT $1 || i, i, repeat(md5(i::text), 300) FROM generate_series(1, $2::int) i`, prefix, rows)
}

// agree compares the mapped tables with the objects by the program's own
// rules: nothing is missing, and nothing differs. Rows that never changed
// since the slot was made have no object, so the test changes all of them.
func (w *world) agree() {
	w.t.Helper()
	loaded, err := config.Load(w.configure(), os.LookupEnv)
	if err != nil {
		w.t.Fatal(err)
	}
	source, err := daemon.Source(loaded.Source)
	if err != nil {
		w.t.Fatal(err)
	}
	report, err := agreement.Compare(w.t.Context(), source, loaded.Set, w.sim.Objects)
	if err != nil {
		w.t.Fatal(err)
	}
	if !report.Agrees() || report.Total().Rows == 0 {
		w.t.Errorf("agreement: %+v %v", report.Total(), report.Findings)
	}
	w.noViolations()
}

// TestVersions takes the oldest and the newest version of PostgreSQL that are
// supported through every kind of change, a restart of the program and one of
// the server. make test-matrix runs far more on every version.
func TestVersions(t *testing.T) {
	needServer(t)
	t.Parallel()
	for _, version := range []int{14, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			c := versionServer(t, version, nil)
			for _, api := range apis {
				t.Run(api, func(t *testing.T) { everyChange(t, c, api) })
			}
		})
	}
}

// everyChange makes every kind of change on c and compares what became of them.
func everyChange(t *testing.T, c *cluster.Cluster, api string) {
	w := newPages(t, c, api, 20)
	p := w.start()
	w.exec(`UPDATE pages SET n = n + 1`) // older than the slot, the memo left alone
	w.fill("b", 300)
	w.settle(p)
	w.agree()

	w.exec(`UPDATE pages SET n = -n WHERE code ~ '[12]$'`) // the memo left alone
	w.exec(`UPDATE pages SET memo = CASE WHEN n % 2 = 0 THEN repeat('new', 2000) END WHERE code ~ '3$'`)
	w.exec(`UPDATE pages SET code = 'moved ' || code WHERE code ~ '4$'`) // the key moves, the memo is left alone
	w.exec(`DELETE FROM pages WHERE code ~ '5$'`)
	w.exec(`BEGIN`)
	w.exec(`UPDATE pages SET n = 0`)
	w.exec(`ROLLBACK`)
	w.settle(p)
	w.agree()
	p.stop(t)

	w.exec(`UPDATE pages SET n = n + 1000`) // while nothing runs
	w.exec(`DELETE FROM pages WHERE code ~ '6$'`)
	p = w.start()
	w.settle(p)
	w.agree()

	w.restart(cluster.Fast)
	w.exec(`UPDATE pages SET n = n + 1 WHERE code ~ '7$'`)
	w.settle(p)
	w.agree()

	held := w.sim.Count("Page")
	w.exec(`TRUNCATE pages`)
	w.exec(`INSERT INTO pages VALUES ('after', 1, NULL)`)
	w.settle(p)
	if got := w.sim.Count("Page"); got != held+1 {
		t.Errorf("objects after a truncate that is ignored: got %d, want %d and the new one", got, held)
	}
	p.stop(t)
	w.noViolations()
}

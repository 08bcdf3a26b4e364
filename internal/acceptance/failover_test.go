package acceptance_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// syncedStandby makes a standby that keeps copies of the failover slots of
// primary, which waits for it before it gives changes away.
func syncedStandby(t *testing.T, primary *cluster.Cluster) *cluster.Cluster {
	t.Helper()
	const physical = "standby_1"
	if err := primary.Exec(t.Context(), "postgres", "SELECT pg_create_physical_replication_slot('"+physical+"', true)"); err != nil {
		t.Fatal(err)
	}
	return standby(t, primary, map[string]string{
		"primary_conninfo":       primary.URL("postgres"),
		"primary_slot_name":      physical,
		"hot_standby_feedback":   "on",
		"sync_replication_slots": "on",
	})
}

// standby makes a standby of primary, which is stopped for the time of the copy.
func standby(t *testing.T, primary *cluster.Cluster, settings map[string]string) *cluster.Cluster {
	t.Helper()
	s, err := primary.Standby(t.Context(), cluster.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// both is the connection string that leads to whichever of two servers takes
// writes.
func both(t *testing.T, database string, servers ...*cluster.Cluster) string {
	t.Helper()
	var hosts []string
	for _, s := range servers {
		u, err := url.Parse(s.URL(database))
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Host)
	}
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&target_session_attrs=read-write", strings.Join(hosts, ","), database)
}

// TestFailoverSlot loses the primary, and goes on at the standby, which has a
// copy of the slot. The program makes its slot with FAILOVER; one that was made
// without is fixed as check says.
func TestFailoverSlot(t *testing.T) {
	t.Parallel()
	busyPlace(t)
	primary := versionServer(t, 18, nil)
	w := newItems(t, primary, "rest", 500, simulator.Options{RecordHistory: true, RecordKeys: true})
	second := syncedStandby(t, primary)
	w.disconnect() // the server was stopped for the copy
	w.config.url = both(t, w.database, primary, second)
	p := w.start()
	if got := w.value(`SELECT failover FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot); got != "true" {
		t.Errorf("failover of the slot = %s, want true", got)
	}
	p = w.mendFailover(p)
	w.waitForStandby()

	load := w.startLoad(500, 10, 4*time.Millisecond)
	load.await(t, 100)
	w.awaitCopy(second)
	load.await(t, 100)
	load.stop()
	(&pair{w, second}).failOver()
	w.awaitReady(p)
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
	w.neverBack()
}

// replicate runs a command of the replication protocol.
func (w *world) replicate(command string) {
	w.t.Helper()
	conn, err := pgconn.Connect(w.t.Context(), w.cluster.URL(w.database)+"&replication=database")
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	if err := conn.Exec(w.t.Context(), command).Close(); err != nil {
		w.t.Fatalf("%s: %v", command, err)
	}
}

// advice runs check and returns the part of its output that matches.
func (w *world) advice(pattern string) string {
	w.t.Helper()
	output, _ := w.command("check")
	found := regexp.MustCompile(pattern).FindStringSubmatch(output)
	if found == nil {
		w.t.Fatalf("check does not say %s:\n%s", pattern, output)
	}
	return found[len(found)-1]
}

// mendFailover gives the slot the shape that one of an earlier release has, and
// does what check says then.
func (w *world) mendFailover(p *process) *process {
	w.t.Helper()
	p.stop(w.t)
	w.replicate(`ALTER_REPLICATION_SLOT ` + w.config.slot + ` (FAILOVER false)`)
	w.replicate(w.advice(`(ALTER_REPLICATION_SLOT .* \(FAILOVER true\));`))
	return w.start()
}

// waitForStandby has changes wait for the standby, as check says to.
func (w *world) waitForStandby() {
	w.t.Helper()
	w.exec(w.advice(`(ALTER SYSTEM SET synchronized_standby_slots = '[^']*');`))
	w.exec(`SELECT pg_reload_conf()`)
	w.advice(`ok +failover +(the slot is copied)`)
}

// awaitCopy waits until the standby has a copy of the slot that it can go on
// with. That takes the primary's next note of its running transactions, and the
// standby's worker sleeps for up to half a minute; a reload wakes it.
func (w *world) awaitCopy(standby *cluster.Cluster) {
	w.t.Helper()
	conn, err := pgconn.Connect(w.t.Context(), standby.URL("postgres"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	await(w.t, time.Minute, func() (bool, string) {
		w.exec(`SELECT pg_log_standby_snapshot()`)
		results, err := conn.Exec(w.t.Context(), `SELECT pg_reload_conf(); SELECT FROM pg_replication_slots s WHERE synced AND NOT temporary`).ReadAll()
		if err != nil {
			w.t.Fatal(err)
		}
		return len(results[1].Rows) == 1, "the standby has no copy of the slot:\n" + standby.Log()
	})
}

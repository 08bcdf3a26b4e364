package acceptance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// newest starts the server of the newest version when the first test needs it;
// newestStarted says whether there is one to close.
var (
	newest = sync.OnceValues(func() (*cluster.Cluster, error) {
		newestStarted.Store(true)
		return cluster.Start(context.Background(), cluster.Options{Version: 18, Settings: roomy})
	})
	newestStarted atomic.Bool
)

// closeNewest stops that server, if one was started.
func closeNewest() error {
	if !newestStarted.Load() {
		return nil
	}
	c, err := newest()
	if err != nil {
		return nil // the tests have told
	}
	return c.Close()
}

// newestServer is a server of the newest version that tests share.
func newestServer(t *testing.T) *cluster.Cluster {
	t.Helper()
	needServer(t)
	place(t)
	c, err := newest()
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGeneratedColumnIsPublished maps a stored generated column, which
// PostgreSQL 18 can publish. The rows are older than the slot and their large
// values are left alone, so that they are read again, generated column and all.
func TestGeneratedColumnIsPublished(t *testing.T) {
	t.Parallel()
	c := newestServer(t)
	for _, api := range apis {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			w := newPages(t, c, api, 0)
			w.config.mappings = strings.Replace(pages, "n: n,", "n: n, name: name,", 1)
			w.exec(`ALTER TABLE pages ADD name text GENERATED ALWAYS AS (upper(code)) STORED`)
			w.exec(`INSERT INTO pages SELECT 'a' || i, i, repeat(md5(i::text), 300) FROM generate_series(1, 20) i`)
			w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE pages WITH (publish_generated_columns = stored)`)
			p := w.start()
			w.exec(`UPDATE pages SET n = n + 1`)
			w.settle(p)
			w.agree()
			if got := w.sim.Objects("Page")["a1"]["name"]; got != "A1" {
				t.Errorf("name = %q, want A1", got)
			}
			w.exec(`UPDATE pages SET code = 'b' || code`)
			w.settle(p)
			w.agree()
			p.stop(t)
		})
	}
}

// TestTimeoutsOfTheRole connects as a role whose every timeout is short.
// Whatever the program relies on, it sets for its own sessions.
func TestTimeoutsOfTheRole(t *testing.T) {
	t.Parallel()
	c := newestServer(t)
	w := newPages(t, c, "rest", 5)
	w.config.maxPending = 200
	if err := w.sim.Fail(simulator.Rule{Name: "slow", Operation: "sync", Hang: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	role := "hasty_" + w.database
	w.exec(`CREATE ROLE ` + role + ` SUPERUSER LOGIN`)
	for _, name := range []string{"transaction_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"} {
		w.exec(`ALTER ROLE ` + role + ` SET ` + name + ` = '700ms'`)
	}
	w.config.url = strings.Replace(w.config.url, "postgres@", role+"@", 1)
	p := w.start()
	const sender = `SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1`
	before := w.value(sender, w.config.slot)
	w.exec(`UPDATE pages SET n = n + 1`)
	w.fill("b", 1500) // what decodes it is in a transaction of its own, for as long as that takes
	w.settle(p)
	w.agree()
	if after := w.value(sender, w.config.slot); before != after || before == "" {
		t.Errorf("the walsender was process %s and is %s now: a timeout ended it", before, after)
	}
	p.stop(t)
}

// TestIdleSlotTimeout stops the program for longer than a server of PostgreSQL
// 18 keeps an idle slot. check tells before, and the next start refuses.
func TestIdleSlotTimeout(t *testing.T) {
	t.Parallel()
	c := versionServer(t, 18, map[string]string{"idle_replication_slot_timeout": "1s"})
	w := newItems(t, c, "rest", 10, simulator.Options{})
	p := w.start()
	w.exec(`UPDATE items SET version = 1`)
	w.settle(p)
	if output, _ := w.command("check"); !strings.Contains(output, "is 1s: the slot is lost when cdcsync is stopped for that long") {
		t.Errorf("check does not tell of the timeout:\n%s", output)
	}
	time.Sleep(1500 * time.Millisecond)
	w.exec(`CHECKPOINT`) // which is when PostgreSQL looks
	w.exec(`UPDATE items SET version = 2`)
	w.settle(p) // a slot in use is not idle
	p.stop(t)

	await(t, time.Minute, func() (bool, string) {
		w.exec(`CHECKPOINT`)
		reason := w.value(`SELECT invalidation_reason FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
		return reason == "idle_timeout", "the slot is not invalidated: " + reason
	})
	p = w.launch()
	if got := p.exit(t, time.Minute); got != 3 {
		t.Errorf("exit code = %d, want 3", got)
	}
	for _, want := range []string{"slot_lost", "idle_timeout", "idle_replication_slot_timeout", "pg_drop_replication_slot"} {
		if !strings.Contains(p.output.String(), want) {
			t.Errorf("the start does not say %q", want)
		}
	}
	if output, code := w.command("check"); code == 0 || !strings.Contains(output, "idle_timeout") {
		t.Errorf("check of a lost slot: exit code %d:\n%s", code, output)
	}
}

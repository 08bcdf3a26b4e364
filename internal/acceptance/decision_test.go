package acceptance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// delivered is a world on c whose program has delivered an update of all rows
// and ended.
func delivered(t *testing.T, c *cluster.Cluster) *world {
	t.Helper()
	w := newItems(t, c, "rest", 10, simulator.Options{})
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	return w
}

// refused starts the program, which must refuse with a code and send nothing.
func (w *world) refused(code string) {
	w.t.Helper()
	calls := len(w.sim.Calls())
	p := w.launch()
	w.endsRefused(p, code)
	if got := len(w.sim.Calls()); got != calls {
		w.t.Errorf("%d calls were made", got-calls)
	}
}

func (w *world) endsRefused(p *process, code string) {
	w.t.Helper()
	if got := p.exit(w.t, time.Minute); got != 3 || !strings.Contains(p.output.String(), code) {
		w.t.Errorf("exit code = %d, want 3 with the code %s", got, code)
	}
}

// TestServerIsNotWhatItWas does to a server of its own what takes its slot or
// its WAL away.
func TestServerIsNotWhatItWas(t *testing.T) {
	t.Parallel()
	c := ownServer(t, map[string]string{"max_slot_wal_keep_size": "4MB"})

	// It is lost while the program is stopped.
	w := delivered(t, c)
	w.exec(`CREATE TABLE busy (n int, pad text)`)
	await(t, time.Minute, func() (bool, string) {
		w.exec(`INSERT INTO busy SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i`)
		w.exec(`SELECT pg_switch_wal()`)
		w.exec(`CHECKPOINT`)
		status := w.value(`SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
		return status == "lost", "wal_status is " + status
	})
	w.refused("slot_lost")

	// An older base backup is put back: slot and position of the server, too,
	// are those of then.
	w = delivered(t, c)
	data, backup := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "backup")
	w.stopServer(cluster.Fast)
	copied(t, data, backup)
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.stopServer(cluster.Fast)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copied(t, backup, data)
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.refused("server_behind")
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	if output, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, output)
	}
}

// TestHostsOfTwoClusters names two servers in the URL, of which the second is
// another cluster: what is judged is the server that would stream.
func TestHostsOfTwoClusters(t *testing.T) {
	t.Parallel()
	first := ownServer(t, nil)
	w := newItems(t, server, "soap", 10, simulator.Options{}) // the other one: it fits in every other way
	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE items`)
	w.disconnect()
	if _, err := first.NewDatabase(t.Context(), w.database); err != nil {
		t.Fatal(err)
	}
	w.cluster = first
	w.exec(`CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, pad text)`)
	w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, 10) i`)
	w.config.url = both(t, w.database, first, server)
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	calls := len(w.sim.Calls())
	w.stopServer(cluster.Fast)
	w.endsRefused(p, "wrong_system") // while it runs
	w.refused("wrong_system")
	if got := len(w.sim.Calls()); got != calls {
		t.Errorf("%d calls were made", got-calls)
	}
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
}

// TestKilledWhileTheSlotIsMade kills the first start while a transaction keeps
// its slot from being made: the server goes on making it. The next start waits
// for that, and takes it over, or makes one where the server has given up.
func TestKilledWhileTheSlotIsMade(t *testing.T) {
	t.Parallel()
	c := ownServer(t, nil) // the open transaction holds every slot of the server up
	w := newItems(t, c, "rest", 10, simulator.Options{})
	open := &world{t: t, cluster: c, database: w.database}
	defer open.disconnect()
	open.exec(`BEGIN`)
	open.exec(`UPDATE items SET version = version + 1 WHERE id = 1`)
	p := w.launch()
	made := func() (bool, string) {
		return w.value(`SELECT count(*) FROM pg_replication_slots WHERE confirmed_flush_lsn IS NULL AND slot_name = $1`, w.config.slot) == "1", "no slot is being made"
	}
	await(t, time.Minute, made)
	// While it waits, it says for what.
	writer := open.value(`SELECT 'pid ' || pid || ' of user ' || usename || ' (transaction ' || backend_xid || ')' FROM pg_stat_activity WHERE pid = pg_backend_pid()`)
	await(t, time.Minute, func() (bool, string) {
		_, body := w.get("/readyz")
		return strings.HasPrefix(body, "starting: creating the slot waits") && strings.Contains(body, writer), "readyz says: " + body
	})
	p.awaitLog(t, "creating the slot waits for the end of open transactions")
	p.kill()
	// A server that has noticed the end of the connection has given up.
	goesOn := func() bool { ok, _ := made(); return ok }
	output, code := w.command("check")
	if code != 0 || goesOn() && strings.Count(output, "is being created") != 2 {
		t.Errorf("check: exit code %d:\n%s", code, output)
	}
	p = w.launch()
	await(t, time.Minute, func() (bool, string) {
		_, body := w.get("/readyz")
		return strings.HasPrefix(body, "starting: ") && strings.Contains(body, writer), "readyz says: " + body
	})
	open.exec(`COMMIT`)
	p.kill() // it would look again in half a minute
	p = w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
}

// TestServerIsRestoredFromACopy puts a copy of the server's disk back that is older
// than what was delivered, and has it go on: its identity, its slot and all of its
// positions look right, and its changes are others.
func TestServerIsRestoredFromACopy(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		running := api == "soap"
		c := ownServer(t, nil)
		w := newItems(t, c, api, 10, simulator.Options{})
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		p.stop(t)
		data, backup := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "backup")
		w.stopServer(cluster.Fast)
		copied(t, data, backup)
		if err := c.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		p = w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		if !running {
			p.stop(t)
		}
		reached := w.lsn(`SELECT pg_current_wal_lsn()`)
		w.stopServer(cluster.Fast)
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		copied(t, backup, data)
		if running {
			p.signal(t, syscall.SIGSTOP) // it would find the server before that has gone on
		}
		if err := c.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first thing that tells comes late.
		w.exec(`CREATE TABLE others AS SELECT i FROM generate_series(1, 200000) i`)
		for w.lsn(`SELECT pg_current_wal_lsn()`) <= reached {
			w.exec(`UPDATE items SET version = version + 10 WHERE id % 2 = 0`)
		}
		const confirmed = `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1`
		kept := w.lsn(confirmed, w.config.slot)
		if running {
			p.signal(t, syscall.SIGCONT)
			w.endsRefused(p, "wrong_history")
		}
		w.refused("wrong_history")
		if now := w.lsn(confirmed, w.config.slot); now != kept {
			t.Errorf("a server that is not the one was told of a position: its slot was at %s and is at %s", kept, now)
		}
		// The server may not have noticed yet that nobody listens.
		await(t, time.Minute, func() (bool, string) {
			return w.value(`SELECT active FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot) == "false", "the slot is in use"
		})
		if code, said := w.check(); code != 3 || !strings.Contains(said, "wrong_history") {
			t.Errorf("check ends with %d: %s", code, said)
		}
		p = w.launch()
		p.exit(t, time.Minute)
		p = w.launchAccepting(named(t, p.output.String()))
		w.awaitReady(p)
		w.exec(`UPDATE items SET id = id`)
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
		w.start().stop(t)
	})
}

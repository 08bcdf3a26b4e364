package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// statesOfThePipeline are those that a server may be stopped in: enter brings
// a program there that streams the table items, with 10 rows.
func statesOfThePipeline() []struct {
	name      string
	configure func(w *world)
	enter     func(w *world, p *process)
} {
	nothing := func(*world) {}
	many := func(w *world) {
		w.exec(`INSERT INTO items SELECT i, 1, repeat('x', 500) FROM generate_series(100, 20000) i`)
	}
	faults := func(rule simulator.Rule, state string) func(w *world, p *process) {
		return func(w *world, _ *process) {
			rule.Operation = "sync"
			w.failing(rule)
			many(w)
			w.awaitWord(state)
		}
	}
	return []struct {
		name      string
		configure func(w *world)
		enter     func(w *world, p *process)
	}{
		{"streaming", nothing, func(w *world, p *process) {
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
		}},
		{"halted", nothing, func(w *world, _ *process) {
			w.exec(`TRUNCATE items`)
			many(w)
			w.awaitWord("halted")
		}},
		{"Marketo is down", nothing, faults(simulator.Rule{Status: 503}, "marketo_failing")},
		{"Marketo hangs, memory is full", func(w *world) { w.config.maxPending = 1000 }, func(w *world, _ *process) {
			w.failing(simulator.Rule{Operation: "sync", Hang: simulator.HangForever, Apply: simulator.ApplyNever})
			many(w)
			await(w.t, time.Minute, func() (bool, string) {
				_, body := w.get("/api/v1/status")
				return strings.Contains(body, `"backpressure": true`), "no back-pressure: " + body
			})
		}},
		{"quota used, memory is full", func(w *world) { w.config.maxPending = 1000 }, faults(simulator.Rule{Code: "607"}, "quota_used")},
		{"mapping blocked", nothing, faults(simulator.Rule{Objects: &simulator.ObjectFault{Code: "1006", Message: "Field not found"}}, "mapping_blocked")},
		{"parked objects are full", func(w *world) { w.config.maxParked = 5 }, func(w *world, _ *process) {
			w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 7, Message: "not now"}})
			many(w)
			w.awaitWord("mapping_blocked")
		}},
		{"deletions are held", func(w *world) { w.config.maxDeletes = 5 }, func(w *world, p *process) {
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			w.exec(`DELETE FROM items`)
			w.awaitWord("deletes_held")
		}},
		{reconnecting, nothing, func(w *world, _ *process) {
			w.allow(false)
			w.exec(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '` + w.config.slot + `'`)
			w.awaitWord("disconnected")
		}},
	}
}

// reconnecting is the state of a program that the server does not let in.
const reconnecting = "reconnecting"

// allow lets new sessions into the database, or keeps them out.
func (w *world) allow(in bool) {
	w.t.Helper()
	if err := w.cluster.Exec(w.t.Context(), "postgres", fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", w.database, in)); err != nil {
		w.t.Fatal(err)
	}
}

// TestServerStopsFastInEveryState stops a server from which programs stream in
// all of their states at once. PostgreSQL waits for each of them. When it is
// back each uses its slot again, whether it can go on or not: a slot that nobody
// uses may be invalidated.
func TestServerStopsFastInEveryState(t *testing.T) {
	needServer(t)
	t.Parallel()
	c := ownServer(t, nil)
	var worlds []*world
	var programs []*process
	states := statesOfThePipeline()
	for _, state := range states {
		w := newItems(t, c, "rest", 10, simulator.Options{})
		w.config.timeout, w.config.hold = time.Second, time.Second
		state.configure(w)
		p := w.start()
		state.enter(w, p)
		worlds, programs = append(worlds, w), append(programs, p)
	}
	for i, w := range worlds {
		if (w.activePID() == "") != (states[i].name == reconnecting) {
			t.Errorf("%s: streaming is %t", states[i].name, w.activePID() != "")
		}
		w.disconnect()
	}
	// One more waits for a transaction to end, which keeps its slot from being made.
	first := newItems(t, c, "rest", 10, simulator.Options{})
	open := &world{t: t, cluster: c, database: first.database}
	defer open.disconnect()
	open.exec(`BEGIN`)
	open.exec(`UPDATE items SET version = version + 1 WHERE id = 1`)
	starting := first.launch()
	await(t, time.Minute, func() (bool, string) {
		_, body := first.get("/readyz")
		return strings.HasPrefix(body, "starting: creating the slot waits"), body
	})
	first.disconnect()
	began := time.Now()
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Round(time.Millisecond)
	if took > 30*time.Second {
		t.Errorf("stopping took %s, want 8 s or a little more", took)
	}
	t.Logf("stopping took %s", took)
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.awaitReady(starting)
	for i, w := range worlds {
		if states[i].name == reconnecting {
			w.allow(true)
		}
		await(t, time.Minute, func() (bool, string) {
			return w.activePID() != "", states[i].name + ": nobody streams again"
		})
		if programs[i].ended() {
			t.Errorf("%s: the program ended", states[i].name)
		}
		if states[i].name == "halted" {
			w.awaitWord("halted")
		}
	}
}

// TestOtherDatabaseWritesWAL writes much WAL in another database. The slot
// follows, although none of it comes over the stream.
func TestOtherDatabaseWritesWAL(t *testing.T) {
	needServer(t)
	t.Parallel()
	megabytes := 200
	if *long {
		megabytes = 1000
	}
	c := ownServer(t, nil)
	w := newItems(t, c, "rest", 10, simulator.Options{})
	other := &world{t: t, cluster: c, database: "postgres"}
	defer other.disconnect()
	other.exec(`CREATE TABLE busy (pad text); ALTER TABLE busy ALTER pad SET STORAGE PLAIN`)
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	began := w.lsn(`SELECT pg_current_wal_lsn()`)
	for int(w.lsn(`SELECT pg_current_wal_lsn()`)-began)>>20 < megabytes {
		other.exec(`INSERT INTO busy SELECT repeat('x', 7000) FROM generate_series(1, 2000) i`)
	}
	// What a slot keeps begins where PostgreSQL last noted its running
	// transactions: every 15 seconds, and with every checkpoint.
	await(t, time.Minute, func() (bool, string) {
		other.exec(`CHECKPOINT`)
		kept := w.value(`SELECT pg_current_wal_lsn() - restart_lsn < 64 * 1024 * 1024 FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
		return kept == "true", "the slot keeps " + w.value(`SELECT pg_size_pretty(pg_current_wal_lsn() - restart_lsn) FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
	})
	t.Logf("%d MB were written, the slot keeps %s", megabytes, w.value(`SELECT pg_size_pretty(pg_current_wal_lsn() - restart_lsn) FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot))
	if n := len(w.writes()); n != 1 {
		t.Errorf("%d calls were made", n)
	}
	p.stop(t)
}

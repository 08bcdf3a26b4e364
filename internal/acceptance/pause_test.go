package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// two is a second table beside items.
const two = items + `
  - table: public.others
    object: Other
    key: {id: id}
    attributes: {version: version}
    on_delete: delete
`

// newTwo is a world with two tables and a mapping for each.
func newTwo(t *testing.T, api string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{RecordHistory: true, Dedupe: map[string][]string{"Item": {"id"}, "Other": {"id"}}})
	w.exec(`CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, pad text)`)
	w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, 10) i`)
	w.exec(`CREATE TABLE others (id bigint PRIMARY KEY, version bigint NOT NULL)`)
	w.config.mappings = two
	return w
}

// succeeds runs a command that has to end well, and returns what it prints.
func (w *world) succeeds(args ...string) string {
	w.t.Helper()
	output, code := w.command(args...)
	if code != 0 {
		w.t.Fatalf("%v: exit code %d: %s", args, code, output)
	}
	return output
}

// TestPausedOverRestarts pauses one mapping: nothing of it is sent, through an
// orderly end and a kill, the other goes on, and people are told since when, by
// what, and what it costs. Resumed, it is as if nothing had been.
func TestPausedOverRestarts(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
		p := w.start()
		if output, code := w.command("pause", "nothing"); code == 0 || !strings.Contains(output, "there is no mapping nothing; there are items, others") {
			t.Errorf("an unknown mapping: exit code %d: %s", code, output)
		}
		if output := w.succeeds("pause", "items", "--reason", "type is fixed"); !strings.Contains(output, "paused: items\n") {
			t.Errorf("pause: %s", output)
		}
		w.exec(`UPDATE items SET version = 1`)
		w.exec(`INSERT INTO others SELECT i, 0 FROM generate_series(1, 5) i`)
		await(t, time.Minute, func() (bool, string) { return len(w.sim.Objects("Other")) == 5, "the other mapping stands" })
		// An orderly end leaves what is paused behind, without waiting for it.
		began := time.Now()
		p.stop(t)
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("the end took %s, as it has waited for what is paused", took)
		}
		for range 2 {
			p = w.launch()
			p.awaitLog(t, "mapping paused")
			w.awaitState("mapping_paused")
			w.exec(`UPDATE items SET version = version + 1`)
			w.exec(`UPDATE others SET version = version + 1`)
			want := w.value(`SELECT max(version) FROM others`)
			await(t, time.Minute, func() (bool, string) {
				return w.sim.Objects("Other")["5"]["version"] == want, "the other mapping stands"
			})
			output, _ := w.command("status")
			for _, text := range []string{"items is paused", "by cdcsync pause items: type is fixed", "of WAL are kept for it", "cdcsync resume"} {
				if !strings.Contains(output, text) {
					t.Errorf("status does not say %q:\n%s", text, output)
				}
			}
			if m := w.status().Report.Mappings[0]; m.Paused == "" || m.PausedWAL == 0 || m.Pending == 0 {
				t.Errorf("the API does not tell of it: %+v", m)
			}
			p.kill()
		}
		if n := len(w.sim.Objects("Item")); n != 0 {
			t.Fatalf("%d objects of a paused mapping were sent", n)
		}
		p = w.launch()
		p.awaitLog(t, "mapping paused")
		await(t, time.Minute, func() (bool, string) {
			output, code := w.command("resume", "items")
			return code == 0, output
		})
		w.settle(p)
		w.itemsAgree()
		w.awaitReady(p)
		p.stop(t)
	})
}

// TestPausedAltogether pauses everything, over a restart; one mapping is resumed
// out of it. What is paused for too long is bounded by what the slot may keep.
func TestPausedAltogether(t *testing.T) {
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		w.config.maxRetained = "1MiB"
		p := w.start()
		w.succeeds("pause")
		if output := w.succeeds("pause", "items", "others"); !strings.Contains(output, "nothing was changed") || !strings.Contains(output, "by cdcsync pause\n") {
			t.Errorf("pause of what is paused: %s", output)
		}
		w.exec(`UPDATE items SET version = 1`)
		w.exec(`INSERT INTO others VALUES (1, 0)`)
		p.stop(t)
		p = w.launch()
		w.awaitState("mapping_paused")
		w.exec(`SELECT pg_logical_emit_message(true, 'filler', repeat('x', 3000000))`)
		await(t, time.Minute, func() (bool, string) {
			w.status()
			return strings.Contains(w.status().Reason, "keep"), w.status().Reason
		})
		w.awaitState("wal_retained")
		if output := w.succeeds("resume", "others"); !strings.Contains(output, "resumed: others\n") || !strings.Contains(output, "items is paused") {
			t.Errorf("resume of one: %s", output)
		}
		await(t, time.Minute, func() (bool, string) { return len(w.sim.Objects("Other")) == 1, "what was resumed stands" })
		p.stop(t)
		p = w.launch()
		w.awaitState("mapping_paused")
		if n := len(w.sim.Objects("Item")); n != 0 {
			t.Fatalf("%d objects of a paused mapping were sent", n)
		}
		w.succeeds("resume")
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

// TestPausedBackfill: the backfill of a paused mapping stands with it, that of
// another goes on.
func TestPausedBackfill(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		p := w.start()
		w.exec(`INSERT INTO others SELECT i, 0 FROM generate_series(1, 5) i`)
		w.settle(p)
		w.succeeds("pause", "items")
		w.succeeds("backfill", "start", "items")
		w.succeeds("backfill", "start", "others", "--force")
		w.awaitBackfill(p, "done")
		if b := w.backfills()[0]; b.State == "done" || !strings.Contains(b.Reason, "cdcsync resume items") {
			t.Errorf("the backfill of the paused mapping is %+v", b)
		}
		if n := len(w.sim.Objects("Item")); n != 0 {
			t.Errorf("%d objects of a paused mapping were sent", n)
		}
		w.succeeds("resume", "items")
		await(t, time.Minute, func() (bool, string) { return w.backfills()[0].State == "done", "it is not done" })
		if n := len(w.sim.Objects("Item")); n != 10 {
			t.Errorf("%d objects of 10 rows", n)
		}
		p.stop(t)
	})
}

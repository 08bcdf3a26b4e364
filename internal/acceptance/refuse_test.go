package acceptance_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// loseState removes the state file and what SQLite has beside it.
func (w *world) loseState() {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "state.db*"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("state files: %v, %v", files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestRefusals takes away, one by one, what the program needs in order to go
// on without a gap. It must end with exit code 3, say why and what to do, and
// send nothing.
func TestRefusals(t *testing.T) {
	needServer(t)
	t.Parallel()
	tests := []struct {
		name   string
		change func(w *world)
		want   []string
	}{
		{"another database", func(w *world) {
			url, err := w.cluster.NewDatabase(w.t.Context(), w.database+"_other")
			if err != nil {
				w.t.Fatal(err)
			}
			w.config.url = url
		}, []string{"wrong_database", "source.url"}},
		{"another slot", func(w *world) { w.config.slot += "_other" }, []string{"wrong_slot", "source.slot"}},
		{"slot advanced", func(w *world) {
			w.exec(`SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())`, w.config.slot)
		}, []string{"gap", "pg_drop_replication_slot"}},
		{"slot dropped", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
		}, []string{"slot_missing", "move the state file away"}},
		{"slot made anew", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			w.exec(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, w.config.slot)
		}, []string{"gap", "created it anew"}},
		{"physical slot", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			w.exec(`SELECT pg_create_physical_replication_slot($1)`, w.config.slot)
		}, []string{"slot_wrong_plugin", "physical", "source.slot"}},
		{"slot of another plugin", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			w.exec(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, w.config.slot)
		}, []string{"slot_wrong_plugin", "test_decoding", "source.slot"}},
		{"slot with two_phase", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			w.exec(`SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, true)`, w.config.slot)
		}, []string{"slot_two_phase", "pg_drop_replication_slot"}},
		{"temporary slot", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			w.exec(`SELECT pg_create_logical_replication_slot($1, 'pgoutput', true)`, w.config.slot)
		}, []string{"slot_temporary", "source.slot"}},
		{"slot of another database", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
			other := &world{t: w.t, cluster: w.cluster, database: "postgres"}
			defer other.disconnect()
			other.exec(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, w.config.slot)
			w.t.Cleanup(func() {
				_ = w.cluster.Exec(context.Background(), "postgres", "SELECT pg_drop_replication_slot('"+w.config.slot+"')")
			})
		}, []string{"wrong_database", `one of database`}},
		{"state file lost", (*world).loseState, []string{"store_lost", "put the state file back"}},
		{"publication dropped", func(w *world) {
			w.exec(`DROP PUBLICATION ` + w.config.publication)
		}, []string{"publication_missing", "pg_drop_replication_slot"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 10, simulator.Options{})
			p := w.start()
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			p.stop(t)
			calls := len(w.sim.Calls())

			w.exec(`UPDATE items SET version = version + 1`)
			tt.change(w)
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 {
				t.Errorf("exit code = %d, want 3", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(p.output.String(), want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if got := len(w.sim.Calls()); got != calls {
				t.Errorf("%d calls were made", got-calls)
			}
		})
	}
}

// takeSlot ends the session that serves the slot, and runs statements in one
// transaction before another one serves it. $slot stands for its name.
func (w *world) takeSlot(sql string) {
	w.t.Helper()
	name := "'" + w.config.slot + "'"
	// The session ends in its own time, and the program may be back by then.
	await(w.t, time.Minute, func() (bool, string) {
		w.exec(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = ` + name)
		_, err := w.db().Exec(w.t.Context(), strings.ReplaceAll(sql, "$slot", name))
		return err == nil, sql + ": " + errorText(err)
	})
}

// TestRefusalsWhileRunning takes the same away from a running program. It sends
// nothing more.
func TestRefusalsWhileRunning(t *testing.T) {
	needServer(t)
	t.Parallel()
	slot := func(sql string) func(w *world) {
		return func(w *world) { w.takeSlot(sql) }
	}
	const drop = `SELECT pg_drop_replication_slot($slot); `
	tests := []struct {
		name   string
		change func(w *world)
		want   []string
	}{
		{"publication dropped", func(w *world) {
			w.exec(`DROP PUBLICATION ` + w.config.publication)
			w.exec(`UPDATE items SET version = version + 1`)
		}, []string{"publication"}},
		{"slot dropped", slot(drop), []string{"slot_missing"}},
		{"slot advanced", slot(`SELECT pg_switch_wal(); SELECT pg_replication_slot_advance($slot, pg_current_wal_lsn())`), []string{"gap", "somebody advanced it"}},
		{"slot made anew", slot(drop + `SELECT pg_create_logical_replication_slot($slot, 'pgoutput')`), []string{"gap", "created it anew"}},
		{"physical slot", slot(drop + `SELECT pg_create_physical_replication_slot($slot)`), []string{"slot_wrong_plugin", "physical"}},
		{"slot of another plugin", slot(drop + `SELECT pg_create_logical_replication_slot($slot, 'test_decoding')`), []string{"slot_wrong_plugin", "test_decoding"}},
		{"slot with two_phase", slot(drop + `SELECT pg_create_logical_replication_slot($slot, 'pgoutput', false, true)`), []string{"slot_two_phase"}},
		{"temporary slot", slot(drop + `SELECT pg_create_logical_replication_slot($slot, 'pgoutput', true)`), []string{"slot_temporary"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 10, simulator.Options{})
			p := w.start()
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			calls := len(w.sim.Calls())
			tt.change(w)
			if got := p.exit(t, time.Minute); got != 3 {
				t.Errorf("exit code = %d, want 3", got)
			}
			lines := strings.Split(strings.TrimSpace(p.output.String()), "\n")
			for _, want := range tt.want {
				if last := lines[len(lines)-1]; !strings.Contains(last, want) {
					t.Errorf("the last line %q does not say %q", last, want)
				}
			}
			if got := len(w.sim.Calls()); got != calls {
				t.Errorf("%d calls were made", got-calls)
			}
		})
	}
}

// TestSlotInUse starts the program while another one, which confirms nothing,
// reads from its slot: it says which process that is, waits, and goes on without
// a gap. While it runs, that is a step of TestNoErrorLeavesTheDaemonReady.
func TestSlotInUse(t *testing.T) {
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		p.stop(t)
		thief := w.steal()
		w.exec(`UPDATE items SET version = version + 1`)
		p = w.launch()
		await(t, time.Minute, func() (bool, string) {
			_, body := w.get("/readyz")
			return strings.Contains(body, "is active for PID "+w.activePID()), body
		})
		if err := thief.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
	})
}

// TestAnotherCluster points the program at a server that is not the one its
// state is of.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	other := ownServer(t, nil)
	w := newItems(t, server, "rest", 10, simulator.Options{})
	w.start().stop(t)
	calls := len(w.sim.Calls())
	url, err := other.NewDatabase(t.Context(), w.database)
	if err != nil {
		t.Fatal(err)
	}
	w.config.url = url
	p := w.launch()
	if got := p.exit(t, time.Minute); got != 3 || !strings.Contains(p.output.String(), "wrong_system") {
		t.Errorf("exit code = %d, want 3 with the code wrong_system", got)
	}
	if got := len(w.sim.Calls()); got != calls {
		t.Errorf("%d calls were made", got-calls)
	}
}

// TestWrongConfiguration expects exit code 2 and the place of the mistake.
func TestWrongConfiguration(t *testing.T) {
	needServer(t)
	t.Parallel()
	tests := []struct {
		name   string
		change func(w *world)
		want   []string
	}{
		{"two mistakes", func(w *world) {
			w.config.mappings += "    operation: MERGE\n    colour: red\n"
		}, []string{"cdcsync.yaml:", "MERGE", "UPSERT", "colour"}},
		{"no mapping", func(w *world) { w.config.mappings = "  []\n" }, []string{"mappings"}},
		{"column that is not there", func(w *world) {
			w.config.mappings = strings.Replace(items, "pad: pad", "pad: padd", 1)
		}, []string{"padd", "cdcsync.yaml:"}},
		{"table that is not there", func(w *world) {
			w.config.mappings = strings.Replace(items, "public.items", "public.itemz", 1)
		}, []string{"itemz"}},
		{"table without replica identity", func(w *world) {
			w.exec(`ALTER TABLE items REPLICA IDENTITY NOTHING`)
		}, []string{"replica identity", "ALTER TABLE"}},
		{"hold shorter than a call", func(w *world) { w.config.hold = time.Second }, []string{"unknown_hold", "timeout"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 1, simulator.Options{})
			tt.change(w)
			p := w.launch()
			if got := p.exit(t, time.Minute); got != 2 {
				t.Errorf("exit code = %d, want 2", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(strings.ToLower(p.output.String()), strings.ToLower(want)) {
					t.Errorf("it does not say %q", want)
				}
			}
			if n := len(w.sim.Calls()); n > 0 {
				t.Errorf("%d calls were made", n)
			}
			if n := w.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot); n != "0" {
				t.Error("a slot was made")
			}
		})
	}
	t.Run("wrong flag", func(t *testing.T) {
		p := launch(t, program, "run", "--colour")
		if got := p.exit(t, time.Minute); got != 2 || !strings.Contains(p.output.String(), "--help") {
			t.Errorf("exit code = %d, want 2 with a pointer to --help", got)
		}
	})
	t.Run("no file", func(t *testing.T) {
		p := launch(t, program, "run", "-c", filepath.Join(t.TempDir(), "none.yaml"))
		if got := p.exit(t, time.Minute); got != 2 || !strings.Contains(p.output.String(), "none.yaml") {
			t.Errorf("exit code = %d, want 2 with the file's name", got)
		}
	})
}

// TestServerComesLater starts the program before PostgreSQL.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	c := ownServer(t, nil)
	w := newItems(t, c, "soap", 10, simulator.Options{})
	w.stopServer(cluster.Fast)
	p := w.launch()
	await(t, time.Minute, func() (bool, string) {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "postgresql"), "readyz says: " + body
	})
	if status, body := w.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz = %d %q, want 200: restarting would not help", status, body)
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitReady(p)
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
}

// TestWrongSecretIsCorrected starts with a wrong secret and corrects its file
// while the program runs.
func TestWrongSecretIsCorrected(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		w.secret("a wrong key", "a wrong secret")
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		reason := ""
		await(t, time.Minute, func() (bool, string) {
			var status int
			status, reason = w.get("/readyz")
			return status == http.StatusServiceUnavailable, "ready with a wrong secret"
		})
		if !strings.Contains(reason, "marketo") || !strings.Contains(reason, "credentials") && !strings.Contains(reason, "20014") && !strings.Contains(reason, "601") {
			t.Errorf("readyz says %q, want that marketo refuses the credentials", reason)
		}
		if status, body := w.get("/healthz"); status != http.StatusOK {
			t.Errorf("healthz = %d %q, want 200", status, body)
		}
		w.secret(simulator.DefaultSecretKey, simulator.DefaultClientSecret)
		w.awaitReady(p)
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
	})
}

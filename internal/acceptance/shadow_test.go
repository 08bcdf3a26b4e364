package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/shadow"
)

// every runs a statement again and again, over a connection of its own, until stop
// is called.
func (w *world) every(pause time.Duration, sql string) (stop func()) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.cluster.URL(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := conn.Exec(ctx, sql); err != nil && ctx.Err() == nil {
				w.t.Errorf("%s: %v", sql, err)
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		done.Wait()
		_ = conn.Close(context.Background())
	})
}

// TestShadow takes a few seconds for a day: it is delivered, and then a shadow run
// watches a part of the next one, while the daemon goes on. Its estimate of calls is
// within a fifth of what the day has cost, for keys that are hot, for rows that are
// appended, and for a load at night that it has not seen.
func TestShadow(t *testing.T) {
	const hot, appended, trickle = `UPDATE items SET version = version + 1 WHERE id IN (SELECT 1 + (random() * 49)::int FROM generate_series(1, 5))`,
		`INSERT INTO items SELECT nextval('ids'), 0, 'x' FROM generate_series(1, 20)`, `INSERT INTO items VALUES (nextval('ids'), 0, 'x')`
	for _, tt := range []struct {
		name, api string
		pause     time.Duration
		load      string
		night     string
	}{
		{"hot keys", "soap", 10 * time.Millisecond, hot, ""},
		{"appends", "rest", 10 * time.Millisecond, appended, ""},
		{"nightly bulk", "rest", 50 * time.Millisecond, trickle, `INSERT INTO items SELECT nextval('ids'), 0, 'x' FROM generate_series(1, 9000)`},
		{"nightly bulk over SOAP", "soap", 50 * time.Millisecond, trickle, `INSERT INTO items SELECT nextval('ids'), 0, 'x' FROM generate_series(1, 3000)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			needServer(t)
			t.Parallel()
			busyPlace(t)
			// A machine that stands still for a moment makes another day of one: then it
			// is tried once more.
			for tries := 1; ; tries++ {
				estimate, cost := shadowDay(t, tt.api, tt.pause, tt.load, tt.night)
				if cost >= 20 && math.Abs(estimate-cost) <= 0.2*cost {
					return
				}
				if tries == 2 {
					t.Fatalf("the day took %.0f calls, the estimate is %.1f", cost, estimate)
				}
			}
		})
	}
}

// shadowDay delivers a day, and has a shadow run watch a part of the next one.
func shadowDay(t *testing.T, api string, pause time.Duration, load, night string) (estimate, cost float64) {
	t.Helper()
	w := newItems(t, server, api, 50, simulator.Options{Latency: simulator.Latency{Fixed: 20 * time.Millisecond}})
	w.config.maxWait = 200 * time.Millisecond
	w.exec(`CREATE SEQUENCE ids START 1000`)
	p := w.start()
	stop := w.every(pause, load)
	defer stop()
	time.Sleep(500 * time.Millisecond)
	w.exec(`SELECT pg_stat_reset()`)
	began := time.Now()
	time.Sleep(2 * time.Second)
	if night != "" {
		w.exec(night)
	}
	w.disconnect() // which has it in the statistics
	time.Sleep(4 * time.Second)
	output, code := w.command("run", "--shadow", "--for", "3s", "--latency", "20ms", "--json")
	stop()
	var e shadow.Estimate
	if code != 0 || json.Unmarshal([]byte(output[strings.Index(output, "\n{")+1:]), &e) != nil {
		t.Fatalf("exit code %d: %s", code, output)
	}
	day := time.Duration(e.Statistics * float64(time.Second))
	for _, c := range w.writes() {
		if c.Start.After(began) && c.Start.Before(began.Add(day)) {
			cost++
		}
	}
	part := day.Hours() / 24
	t.Logf("a day of %s took %.0f calls, %.1f by the estimate; watched: %+v", day, cost, e.CallsDay*part, e.Mappings)
	if bound := *e.Mappings[0].Day * part; bound < cost {
		t.Errorf("the upper bound by statistics is %.0f, and the day took %.0f calls", bound, cost)
	}
	w.goes(`SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE slot_name LIKE 'cdcsync_shadow_%' AND database = current_database()`)
	w.settle(p)
	w.itemsAgree()
	p.stop(t)
	w.noViolations()
	return e.CallsDay * part, cost
}

// goes waits until a query finds nothing: the server takes a moment to end a
// session.
func (w *world) goes(sql string) {
	w.t.Helper()
	await(w.t, 10*time.Second, func() (bool, string) {
		left := w.value(sql)
		return left == "", left + " is left"
	})
}

// TestShadowLeavesNothing runs before there is anything: no state file, slot or
// publication is there afterwards, and Marketo was not called. It is shown while it
// runs, and ends in order.
func TestShadowLeavesNothing(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		w.config.suppress = true
		p := launch(t, w.program, "run", "--shadow", "-c", w.configure())
		p.awaitLog(t, "streaming")
		w.exec(`UPDATE items SET version = 1; UPDATE items SET version = 1; DELETE FROM items WHERE id = 3`)
		await(t, 20*time.Second, func() (bool, string) {
			output, _ := w.command("status")
			return strings.Contains(output, "NOT READY (shadow): nothing is sent; by the ") && strings.Contains(output, "items"), output
		})
		await(t, 20*time.Second, func() (bool, string) {
			_, body := w.get("/metrics")
			return strings.Contains(body, "cdcsync_calls_total 2\n"), body
		})
		if output, code := w.command("pause"); code == 0 || !strings.Contains(output, "nothing to act on") {
			t.Errorf("pause: exit code %d: %s", code, output)
		}
		p.stop(t)
		for _, want := range []string{"a day takes about ", "10 objects in 2 calls; nothing was sent", "MAPPING", "FILTERED"} {
			if !strings.Contains(p.output.String(), want) {
				t.Errorf("no %q", want)
			}
		}
		if n := len(w.sim.Calls()); n != 0 {
			t.Errorf("%d calls to Marketo", n)
		}
		w.goes(`SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE database = current_database()`)
		w.goes(`SELECT string_agg(pubname, ',') FROM pg_publication`)
		if _, err := os.Stat(filepath.Join(w.dir, w.config.state)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is a state file, or: %v", err)
		}
		if output, code := w.command("run", "--for", "1s"); code != 2 || !strings.Contains(output, "go with --shadow") {
			t.Errorf("exit code %d: %s", code, output)
		}
	})
}

// TestShadowLeavesAPublicationInUse: a publication that the shadow run made, and that a
// daemon reads by which was started meanwhile, is left: without it the daemon could not
// read what is in its slot any more.
func TestShadowLeavesAPublicationInUse(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		s := launch(t, w.program, "run", "--shadow", "-c", w.configure())
		s.awaitLog(t, "publication created, until the end of the shadow run")
		s.awaitLog(t, `msg=streaming`)
		w.config.listen = fmt.Sprint("127.0.0.1:", freePort(t))
		p := w.start()
		w.exec(`UPDATE items SET version = 1`)
		s.stop(t)
		s.awaitLog(t, "the publication that the shadow run made is still there")
		w.exec(`UPDATE items SET version = 2`)
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

// TestShadowLosesItsSlot ends its connection: what was seen by then is told, with why
// there is no more, and the daemon beside it does not notice.
func TestShadowLosesItsSlot(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		w := newItems(t, server, api, 10, simulator.Options{})
		p := w.start()
		s := launch(t, w.program, "run", "--shadow", "-c", w.dir+"/cdcsync.yaml")
		s.awaitLog(t, "cdcsync_shadow_")
		s.awaitLog(t, `msg=streaming`)
		s.awaitLog(t, "the shadow run is not shown over HTTP")
		w.exec(`UPDATE items SET version = 1`)
		w.settle(p)
		time.Sleep(2 * time.Second) // it looks every second
		w.exec(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name LIKE 'cdcsync_shadow_%' AND database = current_database()`)
		if code := s.exit(t, 30*time.Second); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		for _, want := range []string{"a day takes about ", "10 objects in 1 call; nothing was sent", "cdcsync: shadow run: the connection to postgresql was lost, and with it the slot of the shadow run; start it again"} {
			if !strings.Contains(s.output.String(), want) {
				t.Errorf("no %q", want)
			}
		}
		w.exec(`UPDATE items SET version = 2`)
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

// TestShadowIsInterrupted: who ends a shadow run has its estimate, every time.
func TestShadowIsInterrupted(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		for range 3 {
			s := launch(t, w.program, "run", "--shadow", "-c", w.configure())
			s.awaitLog(t, `msg=streaming`)
			s.stop(t)
			s.awaitLog(t, "CHANGES A DAY")
		}
	})
}

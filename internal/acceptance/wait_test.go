package acceptance_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// waits runs cdcsync wait, and reads its answer.
func (w *world) waits(args ...string) (answer admin.Waited, code int) {
	w.t.Helper()
	output, code := w.command(append([]string{"wait", "--json"}, args...)...)
	if i := strings.Index(output, "{"); i >= 0 {
		if err := json.NewDecoder(strings.NewReader(output[i:])).Decode(&answer); err != nil {
			w.t.Fatalf("wait: %v in %s", err, output)
		}
	}
	return answer, code
}

// TestWait: a yes means that the objects are there; a no says what for; parked
// objects are counted, over a restart, too; and what is not published any more is
// never called delivered.
func TestWait(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
		p := w.start()
		for i := range 3 {
			w.exec(`INSERT INTO items SELECT i, 1, 'pad' FROM generate_series($1::int, $1::int + 99) i`, 1+100*i)
			place, want := []string{"--now"}, 100*(i+1)
			if i%2 == 1 {
				place = []string{"--lsn", w.value(`SELECT pg_current_wal_lsn()`), "--timeline", "1"}
			}
			answer, code := w.waits(append(place, "--timeout", "1m")...)
			if got := w.sim.Count("Item"); code != 0 || !answer.Reached || answer.Timeline != 1 || got != want {
				t.Fatalf("%v: exit code %d, %+v, with %d objects, want a yes and %d", place, code, answer, got, want)
			}
		}
		// Commits that were not waited for, and a transaction that stays open.
		open, err := pgx.Connect(t.Context(), w.cluster.URL(w.database))
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close(context.Background())
		for _, sql := range []string{`BEGIN`, `INSERT INTO items VALUES (9001, 1, 'open')`} {
			if _, err := open.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		w.exec(`SET synchronous_commit = off`)
		w.exec(`INSERT INTO items VALUES (301, 1, 'pad')`)
		if answer, code := w.waits("--now", "--timeout", "1m"); code != 0 || w.sim.Count("Item") != 301 {
			t.Fatalf("synchronous_commit off: exit code %d, %+v, with %d objects, want 301", code, answer, w.sim.Count("Item"))
		}

		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 1, Code: "1003", Message: "Value not allowed"}})
		w.exec(`INSERT INTO items VALUES (302, 1, 'pad')`)
		answer, code := w.waits("--now", "--timeout", "1m")
		if code != 0 || answer.Parked != 1 {
			t.Errorf("parked: exit code %d, %+v, want a yes but for one", code, answer)
		}
		if output, code := w.command("wait", "--lsn", answer.LSN, "--fail-parked"); code != 5 || !strings.Contains(output, "1 object of what was committed before "+answer.LSN) {
			t.Errorf("--fail-parked: exit code %d: %s", code, output)
		}
		before := answer.LSN
		w.sim.Heal()
		w.failing(simulator.Rule{Status: 503})
		w.exec(`INSERT INTO items VALUES (303, 1, 'pad')`)
		output, code := w.command("wait", "--now", "--timeout", "1s")
		if code != 4 || !strings.Contains(output, "wait: not in marketo within 1s: ") || !strings.Contains(output, "calls to marketo fail") {
			t.Errorf("marketo is down: exit code %d: %s", code, output)
		}
		if answer, code := w.waits("--lsn", before, "--timeout", "10s"); code != 0 || !answer.Reached {
			t.Errorf("what was there before the outage: exit code %d, %+v", code, answer)
		}
		// It goes on asking over a restart, and the outage ends meanwhile.
		place := w.value(`SELECT pg_current_wal_lsn()`)
		waiting := launch(t, program, "wait", "-c", w.dir+"/cdcsync.yaml", "--lsn", place)
		p.kill()
		time.Sleep(500 * time.Millisecond)
		w.sim.Heal()
		w.start()
		if code := waiting.exit(t, time.Minute); code != 0 || w.sim.Count("Item") != 302 {
			t.Errorf("over a restart: exit code %d with %d objects, want 0 and 302", code, w.sim.Count("Item"))
		}
		w.exec(`ALTER PUBLICATION ` + w.config.publication + ` DROP TABLE items`)
		w.exec(`INSERT INTO items VALUES (304, 1, 'pad')`)
		if output, code := w.command("wait", "--now", "--timeout", "2s"); code != 4 || !strings.Contains(output, "publication") {
			t.Errorf("not published: exit code %d: %s", code, output)
		}
		w.noViolations()
	})
}

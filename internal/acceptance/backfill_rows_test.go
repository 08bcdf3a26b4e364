package acceptance_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// state changes the state file while the program does not run.
func (w *world) state(statement string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, w.config.state))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		w.t.Fatal(err)
	}
}

// TestBackfillWaitsForLeads has rows refused for which there is no lead yet. They
// are sent again a day later, as they are then; those whose rows have gone by
// then are forgotten.
func TestBackfillWaitsForLeads(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 400, simulator.Options{RecordHistory: true})
		w.config.mappings = backfilled
		w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 20, Code: "1004", Message: "lead not found"}})
		p := w.start()
		if done := w.awaitBackfill(p, "done"); done.Refused != 20 {
			t.Errorf("the backfill says %+v", done)
		}
		p.stop(t)
		w.sim.Heal()
		w.exec(`DELETE FROM items WHERE id = 40`)
		w.exec(`UPDATE items SET pad = 'later' WHERE id = 60`)
		w.state(`UPDATE refused SET next = '2020-01-01T00:00:00.000000000Z', at = CASE WHEN hex(key) LIKE '%0031303000' THEN '2020-01-01T00:00:00.000000000Z' ELSE at END`)
		p = w.start()
		await(t, time.Minute, func() (bool, string) { return w.backfills()[0].Refused == 1, "refused rows stay" })
		w.settle(p)
		objects := w.sim.Objects("Item")
		if len(objects) != 398 || objects["60"]["pad"] != "later" || objects["40"] != nil || objects["100"] != nil {
			t.Errorf("%d objects; of row 60 %v, of 40 %v, of 100, which has waited for too long, %v", len(objects), objects["60"], objects["40"], objects["100"])
		}
		p.stop(t)
	})
}

// TestBackfillUnreadableRow has a row that the server cannot read, as the row
// filter of the publication fails for it. It is left out, and all others arrive.
func TestBackfillUnreadableRow(t *testing.T) {
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 300, simulator.Options{RecordHistory: true})
		if w.version() < 15 {
			t.Skip("publications have no row filters before PostgreSQL 15")
		}
		w.config.mappings = backfilled
		w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE items WHERE (1000 / (id - 123) < 1000000)`)
		p := w.start()
		done := w.awaitBackfill(p, "done")
		if n := len(w.sim.Objects("Item")); n != 299 || done.Rows != 300 || !strings.Contains(p.output.String(), "a row cannot be read") {
			t.Errorf("%d objects, and the backfill says %+v", n, done)
		}
		p.stop(t)
	})
}

// TestBackfillLargeValues updates rows without touching their large values while
// they are being read: an object that Marketo has already, from before such an
// attribute was mapped, gets all of it.
func TestBackfillLargeValues(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 2000, simulator.Options{RecordHistory: true})
		w.exec(`ALTER TABLE items ALTER pad SET STORAGE EXTERNAL`)
		w.exec(`UPDATE items SET pad = repeat('x', 3000) || id`)
		w.config.mappings = strings.Replace(items, ", pad: pad", "", 1)
		p := w.start()
		w.exec(`UPDATE items SET version = 1`)
		w.settle(p)
		p.stop(t)

		w.config.mappings = items
		p = w.start()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		conn, err := pgx.Connect(t.Context(), w.cluster.URL(w.database))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(done)
			defer conn.Close(context.Background())
			for n := 0; ctx.Err() == nil; n++ {
				_, _ = conn.Exec(context.Background(), `UPDATE items SET version = version + 1 WHERE id % 40 = $1`, n%40)
			}
		}()
		for range 2 {
			if output, code := w.command("backfill", "start", "items"); code != 0 {
				t.Fatalf("backfill start: exit code %d: %s", code, output)
			}
			w.awaitBackfill(p, "done")
		}
		cancel()
		<-done
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// newSides is a world with two tables, left and right, each with a mapping.
func newSides(t *testing.T, api string) *world {
	t.Helper()
	fields := []simulator.Field{{Name: "id", Type: simulator.Integer}, {Name: "n", Type: simulator.Integer}}
	w := newWorld(t, server, api, simulator.Options{Types: []simulator.Type{{Name: "Left", Dedupe: []string{"id"}, Fields: fields}, {Name: "Right", Dedupe: []string{"id"}, Fields: fields}}})
	for _, side := range []string{"left", "right"} {
		w.exec(fmt.Sprintf(`CREATE TABLE %q (id int PRIMARY KEY, n int, m int)`, side))
	}
	w.mapSides("n", "")
	return w
}

// mapSides maps both tables, the left one's n from a column, and with more to it.
func (w *world) mapSides(column, more string) {
	w.config.mappings = fmt.Sprintf(`
  - {name: left, table: public.left, object: Left, key: {id: id}, attributes: {n: %s}, on_delete: delete%s}
  - {name: right, table: public.right, object: Right, key: {id: id}, attributes: {n: n}, on_delete: delete}
`, column, more)
}

// onBoth makes the same change to each table, in one transaction.
func (w *world) onBoth(sql string) {
	w.t.Helper()
	w.exec(`BEGIN; ` + strings.ReplaceAll(sql, "TABLE", `"left"`) + `; ` + strings.ReplaceAll(sql, "TABLE", `"right"`) + `; COMMIT`)
}

// writesOf counts the objects of a type in all calls that were executed.
func (w *world) writesOf(object string) int {
	n := 0
	for _, c := range w.writes() {
		if c.Type == object {
			n += c.Objects
		}
	}
	return n
}

func (w *world) arrives(object, id, n string) {
	w.t.Helper()
	await(w.t, time.Minute, func() (bool, string) {
		got := w.sim.Objects(object)[id]["n"]
		return got == n, fmt.Sprintf("%s %s has n = %q, not %q", object, id, got, n)
	})
}

// TestMappingIsStoppedAndOthersGoOn breaks one mapping in the middle of a
// transaction: that one stands at the change, says so, and the other goes on, over
// a restart that fixes nothing, too, and with more changes than are kept one by one.
// Once it is fixed all of it comes, in order, and nothing of the other goes again.
func TestMappingIsStoppedAndOthersGoOn(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		for _, tt := range []struct {
			name, sql, reason string
			// starts is set where a start does not find what is wrong.
			starts bool
			fix    func(w *world)
		}{
			{"a column is dropped", `ALTER TABLE "left" DROP n`, `column "n"`, false, func(w *world) { w.mapSides("m", "") }},
			{"the table is truncated", `TRUNCATE "left"; INSERT INTO "left" (id, m) VALUES (1, 3)`, "was truncated", true, func(w *world) { w.mapSides("m", ", on_truncate: ignore") }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				w := newSides(t, api)
				p := w.start()
				w.onBoth(`INSERT INTO TABLE VALUES (1, 1, 1), (2, 1, 1)`)
				w.settle(p)
				before := w.confirmed()
				w.exec(`BEGIN; UPDATE "left" SET n = 2; UPDATE "right" SET n = 2; ` + tt.sql + `; UPDATE "left" SET m = 3; UPDATE "right" SET n = 3; COMMIT`)
				w.onBoth(`UPDATE TABLE SET m = 4 WHERE id = 1; INSERT INTO TABLE (id, m) VALUES (3, 4)`)
				w.exec(`UPDATE "right" SET n = 4`)
				w.exec(`DELETE FROM "left" WHERE id = 2`)
				w.arrives("Right", "3", "4")
				w.arrives("Left", "1", "2")
				w.awaitState("mapping_stopped")
				w.halts(time.Minute, "mapping left is stopped since", tt.reason, "--accept-gap")
				w.exec(`INSERT INTO "right" SELECT i, 1 FROM generate_series(100, 25000) i`) // more than are kept one by one
				w.arrives("Right", "25000", "1")
				if _, metrics := w.get("/metrics"); !strings.Contains(metrics, `cdcsync_mapping_stopped{mapping="left"} 1`) || !strings.Contains(metrics, `cdcsync_mapping_stopped{mapping="right"} 0`) {
					t.Error("the metrics do not say which mapping is stopped")
				}
				if tt.starts {
					p.kill()
					p = w.launch()
					w.awaitState("mapping_stopped")
				}
				w.exec(`UPDATE "right" SET n = 5 WHERE id <= 3`)
				w.arrives("Right", "3", "5")
				if got := w.confirmed(); got > w.lsn(`SELECT pg_current_wal_lsn()`) || got < before {
					t.Errorf("the slot is at %s, was at %s", got, before)
				}
				p.stop(t)
				stopped := w.confirmed()

				written := w.writesOf("Right")
				tt.fix(w)
				p = w.start()
				w.settle(p)
				p.stop(t)
				if got := w.confirmed(); got <= stopped {
					t.Errorf("the slot is still at %s", got)
				}
				for id, n := range map[string]string{"1": "4", "3": "4"} {
					if got := w.sim.Objects("Left")[id]["n"]; got != n {
						t.Errorf("Left %s has n = %q, want %q", id, got, n)
					}
				}
				if o, ok := w.sim.Objects("Left")["2"]; ok != tt.starts { // truncated, and to be left alone
					t.Errorf("Left 2 is there: %t, %v", ok, o)
				}
				if again := w.writesOf("Right") - written; again != 0 {
					t.Errorf("%d objects of the other mapping went again", again)
				}
			})
		}
	})
}

// TestTableLeavesAndOthersGoOn takes one of two tables out of the publication, which
// the stream does not tell: its mapping stops once a look finds it, and the other
// goes on.
func TestTableLeavesAndOthersGoOn(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newSides(t, "rest")
	p := w.start()
	w.exec(`ALTER PUBLICATION ` + w.config.publication + ` DROP TABLE "left"`)
	w.halts(time.Minute, "table public.left was taken out of the publication")
	w.exec(`ALTER PUBLICATION ` + w.config.publication + ` ADD TABLE "left"`)
	w.onBoth(`INSERT INTO TABLE VALUES (1, 1, 1)`)
	w.arrives("Right", "1", "1")
	w.awaitState("mapping_stopped")
	w.exec(`UPDATE "right" SET n = 2`)
	w.arrives("Right", "1", "2")
	if o, ok := w.sim.Objects("Left")["1"]; ok {
		t.Errorf("the mapping that is stopped has delivered %v", o)
	}
	p.stop(t)
	if got := w.launch().exit(t, time.Minute); got != 3 {
		t.Errorf("exit code of the next start = %d, want 3", got)
	}
	p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.left")
	w.arrives("Left", "1", "1")
	w.awaitReady(p)
	w.settle(p)
	p.stop(t)
}

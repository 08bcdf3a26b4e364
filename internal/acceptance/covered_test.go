package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestRowThatWasReadIsNotGoneBackFrom has changes of the same rows wait, the
// first of which the stream does not carry whole: a large value that no update
// touches, of a row that is older than the slot, and a column that was added
// behind the first changes. The row that is read for one of them has all the
// others; without what its snapshot tells they would be sent after it.
func TestRowThatWasReadIsNotGoneBackFrom(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		w := newWorld(t, server, api, simulator.Options{RecordHistory: true, Types: []simulator.Type{{Name: "Thing", Dedupe: []string{"code"}, Fields: []simulator.Field{
			{Name: "code", Type: simulator.String}, {Name: "n", Type: simulator.Integer}, {Name: "name", Type: simulator.String}, {Name: "memo", Type: simulator.Text},
		}}}})
		w.exec(`CREATE TABLE thing (code text PRIMARY KEY, n int, memo text); ALTER TABLE thing ALTER memo SET STORAGE EXTERNAL`)
		w.exec(`INSERT INTO thing VALUES ('old', 0, repeat('x', 9000)), ('gone', 0, repeat('x', 9000))`)
		w.mapThing("public.thing", "code", "{n: n, memo: memo}")
		w.start().stop(t)

		change := func(times int, sql string) {
			for range times {
				w.exec(sql)
			}
		}
		w.exec(`INSERT INTO thing VALUES ('new', 0, 'short')`)
		change(1, `UPDATE thing SET n = n + 1`)
		w.exec(`INSERT INTO thing SELECT 'other ' || i, 1000, repeat('y', 900) FROM generate_series(1, 600) i`)
		change(4, `UPDATE thing SET n = n + 1 WHERE n < 1000`)
		w.exec(`ALTER TABLE thing ADD COLUMN title text DEFAULT 'title'`)
		change(3, `UPDATE thing SET n = n + 1 WHERE n < 1000`)
		w.exec(`BEGIN; UPDATE thing SET n = n + 1 WHERE n < 1000; SAVEPOINT s; UPDATE thing SET n = n + 1 WHERE n < 1000; RELEASE s; UPDATE thing SET n = n + 1 WHERE n < 1000; COMMIT`)
		w.exec(`DELETE FROM thing WHERE code = 'gone'`)

		w.mapThing("public.thing", "code", "{n: n, name: title, memo: memo}")
		// What waits beside each other merges: little is held at once.
		w.config.maxPending = 2
		p := w.start()
		w.settle(p)
		change(2, `UPDATE thing SET n = n + 1, memo = 'changed' WHERE n < 1000`)
		w.settle(p)

		log, err := evidence.Of(w.sim, "Thing", "n")
		if err != nil {
			t.Fatal(err)
		}
		w.holds(log.Once(), 4)
		w.wantThing("old", "n=13 name=title")
		w.wantThing("new", "n=13 name=title")
		w.wantThing("gone", "")
		if memo := w.sim.Objects("Thing")["old"]["memo"]; memo != "changed" {
			t.Errorf("memo has %d bytes, %d of them x", len(memo), strings.Count(memo, "x"))
		}
		p.stop(t)
		w.noViolations()
	})
}

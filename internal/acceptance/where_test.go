package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestWhereTransitions: a row that begins to match becomes a whole object, with the
// large value that its update left alone; one that stops follows on_delete; and
// back again, also in one transaction.
func TestWhereTransitions(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{RecordHistory: true})
		w.exec(`ALTER TABLE items ALTER pad SET STORAGE EXTERNAL`)
		w.config.mappings = items + "    where: version > 0\n"
		p := w.start()
		large := strings.Repeat("x", 9000)
		w.exec(`INSERT INTO items SELECT i, 0, $1 FROM generate_series(1, 6) i`, large)
		w.settle(p)
		if n := len(w.sim.Objects("Item")); n != 0 {
			t.Errorf("%d objects of rows that do not match", n)
		}
		w.exec(`UPDATE items SET version = 1 WHERE id <= 4`)
		w.settle(p)
		objects := w.sim.Objects("Item")
		for _, id := range []string{"1", "2", "3", "4"} {
			if o := objects[id]; o["version"] != "1" || o["pad"] != large {
				t.Errorf("row %s begins to match: version %q, %d bytes of the large value", id, o["version"], len(o["pad"]))
			}
		}
		w.exec(`UPDATE items SET version = -1 WHERE id = 1`)
		w.exec(`BEGIN; UPDATE items SET version = -1 WHERE id = 2; UPDATE items SET version = 7 WHERE id = 2; COMMIT`)
		w.exec(`BEGIN; UPDATE items SET version = 9 WHERE id = 5; UPDATE items SET version = -1 WHERE id = 5; COMMIT`)
		w.exec(`DELETE FROM items WHERE id = 6`)
		w.settle(p)
		objects = w.sim.Objects("Item")
		if len(objects) != 3 || objects["2"]["version"] != "7" || objects["2"]["pad"] != large || objects["1"] != nil {
			t.Errorf("%d objects, want those of rows 2 to 4; row 2 has version %q and %d bytes", len(objects), objects["2"]["version"], len(objects["2"]["pad"]))
		}
		w.exec(`UPDATE items SET version = 3 WHERE id = 1`)
		w.settle(p)
		if o := w.sim.Objects("Item")["1"]; o["version"] != "3" || o["pad"] != large {
			t.Errorf("row 1 matches again: version %q, %d bytes", o["version"], len(o["pad"]))
		}
		p.stop(t)
	})
}

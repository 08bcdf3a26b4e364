package acceptance_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillEndsBesideInserts: rows that are inserted behind the last one while a
// backfill runs come with the stream, and not a second time with the backfill, which
// ends however fast they come.
func TestBackfillEndsBesideInserts(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 3000, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 200 * time.Millisecond}})
		p := w.start()
		w.settle(p)
		stop := w.every(time.Millisecond, `INSERT INTO items SELECT (SELECT max(id) FROM items) + i, 0, 'new' FROM generate_series(1, 2) i`)
		w.succeeds("backfill", "start", "items")
		await(t, time.Minute, func() (bool, string) { return w.backfills()[0].Rows > 0, "nothing is read" })
		// What was inserted before the first part was read belongs to it, too.
		most, err := strconv.ParseInt(w.value(`SELECT count(*) FROM items`), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		done := w.awaitBackfill(p, "done")
		stop()
		w.settle(p)
		if done.Rows < 3000 || done.Rows > most {
			t.Errorf("%d rows were read, of %d when that began; now there are %s", done.Rows, most, w.value(`SELECT count(*) FROM items`))
		}
		w.itemsAgree()
		p.stop(t)
		w.noViolations()
	})
}

package acceptance_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillLarge sends very many rows while 500 changes a second go on, of all
// kinds and on the same rows, and kills the program on the way. How many rows is
// said by CDCSYNC_BACKFILL_ROWS; without it, it is left out.
func TestBackfillLarge(t *testing.T) {
	rows, _ := strconv.Atoi(os.Getenv("CDCSYNC_BACKFILL_ROWS"))
	if rows == 0 {
		t.Skip("CDCSYNC_BACKFILL_ROWS says how many rows")
	}
	kills := 10
	if rows < 1_000_000 {
		kills = 3
	}
	for _, api := range apis {
		t.Run(api, func(t *testing.T) {
			needServer(t)
			w := newItems(t, server, api, rows, simulator.Options{Latency: simulator.Latency{Fixed: 5 * time.Millisecond}})
			w.config.mappings = backfilled
			w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
			w.program = static
			w.exec(`ANALYZE items`)
			began := time.Now()
			p := w.start()
			changes, stop := w.startChanges(rows)
			seen := w.observe()
			for i := range kills {
				want := int64(rows) * int64(i+1) / int64(kills+1)
				await(t, 20*time.Minute, func() (bool, string) {
					return w.backfills()[0].Rows >= want, "the backfill stands"
				})
				p.atMost(t, 96*mebibyte)
				p.kill()
				p = w.start()
			}
			await(t, 20*time.Minute, func() (bool, string) { return w.backfills()[0].State == "done", "the backfill does not end" })
			took := time.Since(began)
			stop()
			w.settle(p)
			p.atMost(t, 96*mebibyte)
			if wrong := seen(); len(wrong) > 0 {
				t.Errorf("seen of our sessions: %v", wrong)
			}
			again := int64(w.sim.Stats().Objects) - int64(rows) - 2*changes.Load()
			t.Logf("%d rows in %s, %.0f a second, %d changes beside them; %d calls, at least %d objects again after %d kills",
				rows, took.Round(time.Second), float64(rows)/took.Seconds(), changes.Load(), len(w.writes()), max(again, 0), kills)
			if most := int64(kills * onTheWay * capacity[api]); again > most {
				t.Errorf("%d objects were sent again after %d kills, want at most %d", again, kills, most)
			}
			w.itemsAgree()
			p.stop(t)
		})
	}
}

// startChanges makes 500 changes a second: updates, deletes and new rows, and
// changes of keys.
func (w *world) startChanges(rows int) (*atomic.Int64, func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var changes atomic.Int64
	done := make(chan struct{})
	conn, err := pgx.Connect(ctx, w.cluster.URL(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(done)
		defer conn.Close(context.Background())
		fresh := 10 * rows
		for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			var batch pgx.Batch
			for range 10 {
				id, other := 1+rand.IntN(rows), fresh+rand.IntN(rows)
				switch rand.IntN(10) {
				case 0:
					batch.Queue(`DELETE FROM items WHERE id = $1`, id)
				case 1:
					batch.Queue(`INSERT INTO items VALUES ($1, 1, 'new') ON CONFLICT (id) DO UPDATE SET version = items.version + 1`, id)
				case 2:
					batch.Queue(`UPDATE items SET id = $2, version = version + 1 WHERE id = $1 AND NOT EXISTS (SELECT FROM items WHERE id = $2)`, id, other)
				default:
					batch.Queue(`UPDATE items SET version = version + 1 WHERE id = $1`, id)
				}
			}
			if err := conn.SendBatch(context.Background(), &batch).Close(); err != nil {
				w.t.Errorf("changes: %v", err)
				return
			}
			changes.Add(10)
		}
	}()
	return &changes, func() {
		cancel()
		<-done
	}
}

package acceptance_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// items is the mapping of the tests under load. Every change of a row raises
// its version, so that the simulator's history tells what was sent when.
const items = `
  - table: public.items
    object: Item
    key: {id: id}
    attributes: {version: version, pad: pad}
    on_delete: delete
`

// newItems is a world with the table items, holding rows 1 to rows.
func newItems(t *testing.T, c *cluster.Cluster, api string, rows int, options simulator.Options) *world {
	t.Helper()
	options.Dedupe = map[string][]string{"Item": {"id"}}
	w := newWorld(t, c, api, options)
	w.config.mappings = items
	w.exec(`CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, pad text)`)
	w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, $1::bigint) i`, rows)
	return w
}

// load changes rows of items until it is stopped, over several connections
// with keys of their own. It survives lost connections.
type load struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
	count  atomic.Int64
}

// startLoad starts connections that each commit a transaction of up to rows
// changes every pause.
func (w *world) startLoad(keys, rows int, pause time.Duration) *load {
	w.t.Helper()
	const connections = 2
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	url := w.cluster.URL(w.database)
	for i := range connections {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.change(ctx, url, func() []int64 {
					var ids []int64
					for range 1 + rand.IntN(rows) {
						ids = append(ids, int64(1+i+connections*rand.IntN(keys/connections)))
					}
					return ids
				}, pause)
			}
		})
	}
	w.t.Cleanup(l.stop)
	return l
}

// change commits transactions over one connection until it breaks. One that has
// begun is waited for: given up, it might still commit when all is thought to
// be at rest.
func (l *load) change(ctx context.Context, url string, choose func() []int64, pause time.Duration) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		sleep(ctx, 20*time.Millisecond)
		return
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		patience, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		_, err := conn.Exec(patience, `UPDATE items SET version = version + 1 WHERE id = ANY ($1)`, choose())
		done()
		if err != nil {
			return
		}
		l.count.Add(1)
		sleep(ctx, pause)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// await waits until that many transactions more are committed.
func (l *load) await(t *testing.T, more int64) {
	t.Helper()
	want := l.count.Load() + more
	await(t, time.Minute, func() (bool, string) { return l.count.Load() >= want, "the load does not commit" })
}

func (l *load) stop() {
	l.cancel()
	l.wait.Wait()
}

// itemsAgree compares the table with the simulator: every row has its object
// with its version, and no object is without a row. Rows that never changed
// since the slot was made have none.
func (w *world) itemsAgree() {
	w.t.Helper()
	rows, err := w.db().Query(w.t.Context(), `SELECT id::text, version::text, coalesce(pad, '') FROM items`)
	if err != nil {
		w.t.Fatal(err)
	}
	objects := w.sim.Objects("Item")
	differ, seen := 0, map[string]bool{}
	var id, version, pad string
	_, err = pgx.ForEachRow(rows, []any{&id, &version, &pad}, func() error {
		o, ok := objects[id]
		seen[id] = ok
		if !ok && version == "0" || ok && o["version"] == version && o["pad"] == pad {
			return nil
		}
		if differ++; differ < 10 {
			w.t.Errorf("row %s has version %s, its object %q: %v", id, version, o["version"], w.log().Writes[id])
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if differ > 0 {
		w.t.Errorf("%d rows differ from their objects", differ)
	}
	for id := range objects {
		if !seen[id] {
			w.t.Errorf("object %s has no row", id)
		}
	}
	w.noViolations()
}

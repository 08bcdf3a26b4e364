package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// workers is the number of sessions that change rows.
	workers = 4
	// hotRows is the number of customers that all workers keep changing.
	hotRows = 8
)

// workload changes the shop: plain transactions of 1 to 50 row changes, now
// and then a big one, now and then one that is rolled back.
type workload struct {
	database string
	seed     uint64
	rate     int
	hot      []int64

	// changed counts the row changes of committed transactions.
	changed, committed, rolledBack, big atomic.Int64
}

// run works until stop. It ends between two transactions; the end of ctx cuts
// them off.
func (w *workload) run(ctx context.Context, stop <-chan struct{}) error {
	if err := w.open(ctx); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for number := range workers {
		group.Go(func() error {
			worker := &worker{workload: w, number: int64(number), rng: rand.New(rand.NewPCG(w.seed, uint64(number)))}
			if err := worker.run(ctx, stop); err != nil {
				return fmt.Errorf("workload: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// open makes the customers that everybody changes.
func (w *workload) open(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `INSERT INTO customers (email, name, city)
		SELECT 'regular' || n || '@example.com', 'Regular ' || n, 'Springfield' FROM generate_series(1, $1) n RETURNING id`, hotRows)
	if err != nil {
		return err
	}
	if w.hot, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
		return err
	}
	w.changed.Add(hotRows)
	w.committed.Add(1)
	return nil
}

// worker is one session. It changes rows that it made itself, so that no two
// wait for each other, and at the end of some transactions one hot row: a wait
// for it cannot become a deadlock.
type worker struct {
	*workload
	number int64
	rng    *rand.Rand
	// serial numbers the visits.
	serial int64

	customers pool[int64]
	orders    pool[string]
	visits    pool[visit]
}

// visit is the key of a visit.
type visit struct{ lead, number int64 }

func (w *worker) run(ctx context.Context, stop <-chan struct{}) error {
	conn, err := pgx.Connect(ctx, w.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	due := time.Now()
	for {
		changed, err := w.transact(ctx, conn)
		if err != nil {
			return err
		}
		due = due.Add(time.Duration(changed) * time.Second * workers / time.Duration(w.rate))
		// A machine that cannot keep up does not try to make up for it.
		if behind := time.Now().Add(-time.Second); due.Before(behind) {
			due = behind
		}
		select {
		case <-time.After(time.Until(due)):
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// transact runs one transaction and returns the number of rows it asked to
// change.
func (w *worker) transact(ctx context.Context, conn *pgx.Conn) (int, error) {
	size := 1 + w.rng.IntN(1+w.rng.IntN(50))
	big := w.rng.IntN(1000) == 0
	if big {
		size = max(100, w.rate/2)
	}
	t := &transaction{}
	for range size {
		w.change(t)
	}
	if w.rng.IntN(3) == 0 {
		w.changeHot(t)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	if err := tx.SendBatch(ctx, &t.batch).Close(); err != nil {
		return 0, err
	}
	if w.rng.IntN(40) == 0 {
		w.rolledBack.Add(1)
		return size, tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, err
	}
	for _, effect := range t.effects {
		effect()
	}
	w.changed.Add(t.rows)
	w.committed.Add(1)
	if big {
		w.big.Add(1)
	}
	return size, nil
}

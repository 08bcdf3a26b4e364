package demo

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transaction is one being put together.
type transaction struct {
	batch pgx.Batch
	// effects are what its commit makes of the pools.
	effects []func()
	// rows counts the rows that were changed.
	rows int64
}

func (t *transaction) queue(sql string, arguments ...any) {
	t.batch.Queue(sql, arguments...).Exec(func(tag pgconn.CommandTag) error {
		t.rows += tag.RowsAffected()
		return nil
	})
}

func (t *transaction) then(effect func()) { t.effects = append(t.effects, effect) }

// change adds one row change. Where there is no row yet to change, it is an
// insert.
func (w *worker) change(t *transaction) {
	switch n := w.rng.IntN(100); {
	case n < 12:
		w.insertCustomer(t)
	case n < 30:
		w.updateCustomer(t)
	case n < 32:
		w.deleteCustomer(t)
	case n < 46:
		w.insertOrder(t)
	case n < 64:
		w.updateOrder(t)
	case n < 68:
		w.deleteOrder(t)
	case n < 82:
		w.insertVisit(t)
	case n < 90:
		w.updateVisit(t)
	case n < 94:
		w.deleteVisit(t)
	default:
		w.moveVisit(t)
	}
}

// changeHot changes a row that every worker changes.
func (w *worker) changeHot(t *transaction) {
	t.queue(`UPDATE customers SET credit = credit + $2::text::numeric, vip = NOT vip WHERE id = $1`, w.hot[w.rng.IntN(len(w.hot))], w.money(10))
}

func (w *worker) insertCustomer(t *transaction) {
	name := w.one(firstNames) + " " + w.one(lastNames)
	t.batch.Queue(`INSERT INTO customers (email, name, city, vip, credit, birthday, preferences, note)
		VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7, $8) RETURNING id`,
		strings.ReplaceAll(strings.ToLower(name), " ", ".")+"@example.com", name, w.maybe(w.one(cities)), w.rng.IntN(10) == 0,
		w.money(1000), w.birthday(), w.preferences(), w.prose()).QueryRow(func(row pgx.Row) error {
		var id int64
		err := row.Scan(&id)
		t.rows++
		t.then(func() { w.customers.add(id) })
		return err
	})
}

func (w *worker) updateCustomer(t *transaction) {
	id, ok := w.customers.pick(w.rng)
	if !ok {
		w.insertCustomer(t)
		return
	}
	switch w.rng.IntN(6) {
	case 0:
		t.queue(`UPDATE customers SET note = $2 WHERE id = $1`, id, w.prose())
	case 1:
		t.queue(`UPDATE customers SET preferences = $2 WHERE id = $1`, id, w.preferences())
	case 2:
		t.queue(`UPDATE customers SET birthday = $2 WHERE id = $1`, id, w.birthday())
	default:
		t.queue(`UPDATE customers SET city = $2, credit = credit + $3::text::numeric WHERE id = $1`, id, w.maybe(w.one(cities)), w.money(100))
	}
}

func (w *worker) deleteCustomer(t *transaction) {
	if id, ok := w.customers.pick(w.rng); ok {
		t.queue(`DELETE FROM customers WHERE id = $1`, id)
		t.then(func() { w.customers.remove(id) })
	}
}

var statuses = []string{"draft", "placed", "paid", "shipped", "returned"}

func (w *worker) insertOrder(t *transaction) {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], w.rng.Uint64())
	binary.BigEndian.PutUint64(id[8:], w.rng.Uint64())
	text := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	customer, ok := w.customers.pick(w.rng)
	if !ok {
		customer = w.hot[0]
	}
	t.queue(`INSERT INTO orders (id, customer_id, amount, status, placed_at, tags) VALUES ($1, $2, $3::text::numeric, $4, now(), $5)`,
		text, customer, w.money(1000), w.one(statuses[:2]), w.tags())
	t.then(func() { w.orders.add(text) })
}

// updateOrder gives an order any status, "draft" included: then its object
// goes, and comes again with the next.
func (w *worker) updateOrder(t *transaction) {
	id, ok := w.orders.pick(w.rng)
	switch {
	case !ok:
		w.insertOrder(t)
	case w.rng.IntN(4) == 0:
		t.queue(`UPDATE orders SET tags = $2, amount = amount + 1 WHERE id = $1`, id, w.tags())
	default:
		t.queue(`UPDATE orders SET status = $2, placed_at = now() WHERE id = $1`, id, w.one(statuses))
	}
}

func (w *worker) deleteOrder(t *transaction) {
	if id, ok := w.orders.pick(w.rng); ok {
		t.queue(`DELETE FROM orders WHERE id = $1`, id)
		t.then(func() { w.orders.remove(id) })
	}
}

// lead returns one of the worker's leads; they are few, so that a visit may
// come back to one it has left.
func (w *worker) lead() int64 { return w.number*1000 + w.rng.Int64N(300) }

func (w *worker) insertVisit(t *transaction) {
	w.serial++
	key := visit{w.lead(), w.serial}
	var transcript any
	if w.rng.IntN(20) == 0 {
		transcript = w.text(3000)
	}
	t.queue(`INSERT INTO visits (lead_id, visit_no, page, seconds, score, seen_at, transcript) VALUES ($1, $2, $3, $4, $5::text::numeric, now(), $6)`,
		key.lead, key.number, "https://shop.example.com/"+w.one(pages), w.maybe(w.rng.IntN(600)), w.money(100), transcript)
	t.then(func() { w.visits.add(key) })
}

func (w *worker) updateVisit(t *transaction) {
	key, ok := w.visits.pick(w.rng)
	if !ok {
		w.insertVisit(t)
		return
	}
	t.queue(`UPDATE visits SET seconds = $3, score = $4::text::numeric, seen_at = now() WHERE lead_id = $1 AND visit_no = $2`,
		key.lead, key.number, w.maybe(w.rng.IntN(600)), w.money(100))
}

func (w *worker) deleteVisit(t *transaction) {
	if key, ok := w.visits.pick(w.rng); ok {
		t.queue(`DELETE FROM visits WHERE lead_id = $1 AND visit_no = $2`, key.lead, key.number)
		t.then(func() { w.visits.remove(key) })
	}
}

// moveVisit changes the key: the visit turns out to be another lead's.
func (w *worker) moveVisit(t *transaction) {
	from, ok := w.visits.pick(w.rng)
	if !ok {
		w.insertVisit(t)
		return
	}
	to := visit{w.lead(), from.number}
	t.queue(`UPDATE visits SET lead_id = $3 WHERE lead_id = $1 AND visit_no = $2`, from.lead, from.number, to.lead)
	t.then(func() {
		w.visits.remove(from)
		w.visits.add(to)
	})
}

func (w *worker) birthday() any {
	if w.rng.IntN(3) == 0 {
		return nil
	}
	return time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, w.rng.IntN(20000))
}

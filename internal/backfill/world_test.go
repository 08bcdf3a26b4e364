package backfill_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// row is a row of the world's table: v is the number of the write that made it,
// big a large value that an update may leave alone; missing where it is not known.
type row struct{ v, big int }

const missing = -1

// op is what a transaction does to a row. Of an update from is the old key.
type op struct {
	kind      string // insert, update, delete, truncate, rewrite
	from, key int
	row       row
	leftBig   bool
}

// tx is a transaction of the world. It is in the log from its commit record on,
// and seen, with its locks let go, when it has become visible.
type tx struct {
	xid     uint64
	ops     []op
	visible bool
	mark    string
	// start is the start of its commit record; the next one starts at its end.
	start pgoutput.LSN
}

func (t *tx) end() pgoutput.LSN { return t.start + 8 }

// world is a server with one table, whose commits are in the log before they are
// visible, and on disk some time after.
type world struct {
	rng *rand.Rand
	// next is the number of the next transaction, completed the highest that has
	// ended.
	next, completed uint64
	// slow is how long a commit is in the log and not visible.
	slow    int
	writes  int
	running []*tx
	log     []*tx
	flushed int
	locks   map[int]*tx
	// exclusive holds the table, readers share it.
	exclusive *tx
	reading   bool
}

const firstLSN = 1000

func newWorld(rng *rand.Rand) *world {
	w := &world{rng: rng, next: 1<<32 - 40 + rng.Uint64N(80), locks: map[int]*tx{}, slow: 1 + rng.IntN(8)}
	t := w.begin()
	for key := range 12 {
		if w.rng.IntN(2) == 0 {
			w.writes++
			t.ops = append(t.ops, op{kind: "insert", key: key, row: row{w.writes, w.writes}})
		}
	}
	w.commit(t)
	w.show(t)
	w.flushed = 1
	return w
}

func (w *world) begin() *tx {
	for uint32(w.next) < 3 { // they are no ordinary numbers
		w.next++
	}
	t := &tx{xid: w.next}
	w.next++
	w.running = append(w.running, t)
	return t
}

func (w *world) end() pgoutput.LSN {
	if len(w.log) == 0 {
		return firstLSN
	}
	return w.log[len(w.log)-1].end()
}

func (w *world) commit(t *tx) {
	t.start = w.end()
	w.log = append(w.log, t)
	w.running = slices.DeleteFunc(w.running, func(r *tx) bool { return r == t })
}

// number gives a transaction that does nothing, and has ended at once, a number.
func (w *world) number() uint64 {
	t := w.begin()
	w.running = slices.DeleteFunc(w.running, func(r *tx) bool { return r == t })
	w.release(t)
	return t.xid
}

// show makes a committed transaction visible.
func (w *world) show(t *tx) {
	t.visible = true
	w.release(t)
}

func (w *world) release(t *tx) {
	w.completed = max(w.completed, t.xid)
	maps.DeleteFunc(w.locks, func(_ int, by *tx) bool { return by == t })
	if w.exclusive == t {
		w.exclusive = nil
	}
}

// snapshot is what is visible.
func (w *world) snapshot() backfill.Snapshot {
	var s backfill.Snapshot
	s.Xmax = w.completed + 1
	for uint32(s.Xmax) < 3 {
		s.Xmax++
	}
	s.Xmin = s.Xmax
	for _, t := range slices.Concat(w.running, w.log) {
		if !t.visible && t.xid < s.Xmax {
			s.Running = append(s.Running, t.xid)
			s.Xmin = min(s.Xmin, t.xid)
		}
	}
	return s
}

// table is what the given transactions have made of it, in the order of the log.
func table(log []*tx, sees func(*tx) bool) map[int]row {
	rows := map[int]row{}
	for _, t := range log {
		if !sees(t) {
			continue
		}
		for _, o := range t.ops {
			switch o.kind {
			case "insert":
				rows[o.key] = o.row
			case "update":
				delete(rows, o.from)
				rows[o.key] = o.row
			case "delete":
				delete(rows, o.key)
			case "truncate":
				clear(rows)
			}
		}
	}
	return rows
}

// read is the table as a snapshot has it: behind a rewrite that it does not see,
// empty.
func (w *world) read(s *backfill.Snapshot) map[int]row {
	for _, t := range w.log {
		if !s.See(uint32(t.xid)) && slices.ContainsFunc(t.ops, func(o op) bool { return o.kind == "rewrite" }) {
			return nil
		}
	}
	return table(w.log, func(t *tx) bool { return s.See(uint32(t.xid)) })
}

// act does a step of one of the application's sessions.
func (w *world) act() {
	switch n := w.rng.IntN(10); {
	case n < 2 && len(w.running) < 5:
		w.begin()
	case n < 5 && len(w.running) > 0:
		w.write(w.running[w.rng.IntN(len(w.running))])
	case n == 5 && len(w.running) > 0:
		t := w.running[w.rng.IntN(len(w.running))]
		if w.rng.IntN(4) == 0 { // rolled back
			w.running = slices.DeleteFunc(w.running, func(r *tx) bool { return r == t })
			w.release(t)
			return
		}
		w.commit(t)
	case n == 6:
		w.flushed += w.rng.IntN(len(w.log) - w.flushed + 1)
	case w.rng.IntN(w.slow) == 0:
		var limbo []*tx
		for _, t := range w.log {
			if !t.visible {
				limbo = append(limbo, t)
			}
		}
		if len(limbo) > 0 {
			w.show(limbo[w.rng.IntN(len(limbo))])
		}
	}
}

// lock takes the lock of a key, unless another holds it.
func (w *world) lock(t *tx, key int) bool {
	if by := w.locks[key]; by != nil && by != t || w.exclusive != nil && w.exclusive != t {
		return false
	}
	w.locks[key] = t
	return true
}

func (w *world) write(t *tx) {
	if n := w.rng.IntN(16); n < 2 {
		for _, by := range w.locks {
			if by != t {
				return
			}
		}
		if w.reading || w.exclusive != nil && w.exclusive != t {
			return
		}
		w.exclusive = t
		t.ops = append(t.ops, op{kind: []string{"truncate", "rewrite"}[n]})
		return
	}
	key, other := w.rng.IntN(12), w.rng.IntN(12)
	if !w.lock(t, key) {
		return
	}
	rows := table(append(slices.Clone(w.log), t), func(*tx) bool { return true })
	now, there := rows[key]
	w.writes++
	o := op{kind: "update", from: key, key: key, row: row{w.writes, w.writes}}
	switch {
	case !there:
		o.kind = "insert"
	case w.rng.IntN(4) == 0:
		o.kind = "delete"
	default:
		if _, taken := rows[other]; !taken && w.rng.IntN(4) == 0 && w.lock(t, other) {
			o.key = other
		}
		if w.rng.IntN(2) == 0 {
			o.row.big, o.leftBig = now.big, true
		}
	}
	t.ops = append(t.ops, o)
}

// crash takes what is not on disk, and what runs; the numbers are given anew.
func (w *world) crash() {
	w.log = w.log[:w.flushed]
	w.running, w.locks, w.exclusive, w.reading = nil, map[int]*tx{}, nil, false
	w.next, w.completed = 0, 0
	for _, t := range w.log {
		t.visible = true
		w.completed = max(w.completed, t.xid)
		w.next = max(w.next, t.xid+1)
	}
}

func keyName(key int) string { return strconv.Itoa(key) }

func (r row) String() string { return fmt.Sprintf("%d/%d", r.v, r.big) }

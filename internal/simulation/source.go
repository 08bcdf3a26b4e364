package simulation

import (
	"sort"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Values of attributes. A value is otherwise the index of the change that set
// it, so that no two of a run are the same.
const (
	omitted int32 = -1
	null    int32 = 0
)

// texts holds the decimal text of small numbers.
var texts = func() (t [16384]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

// key is one row of one table, and the object it is mapped to. One source
// table feeds one mapping.
type key struct {
	mapping int
	// The row as committed.
	present, bad bool
	a, b         int32
	// differs is set while there is a row that does not match.
	differs bool
	// before is what a was before.
	before int32
	// old is set when the row is older than the slot.
	old bool
	// last is the newest change.
	last int32

	truth
}

// change is one object operation that a row change asked for, in the order of
// the stream. Index 0 is none.
type change struct {
	key, previous int32
	tx            int32
	seq           uint64
	operation     marketo.Operation
	set           bool // the update that a delete became
	// removal: on_delete's; held: some row holds the key when the transaction
	// has ended; hides: the row does not match any more, which the stream does
	// not tell; respelled: the row has moved here from another spelling.
	removal, held, hides, respelled bool
	// suppressed: it was settled without a call, as Marketo had its object.
	suppressed bool
	a, b       int32
	rowB       int32 // b in the row, sent or not
	partial    bool
	reread     bool
	problem    bool
	settled    bool
	// parkedBy is the save that settled it by parking.
	parkedBy int32
	object   marketo.Object
}

type transaction struct {
	final, end LSN
	first, n   int32
	at         time.Duration
}

const firstLSN = LSN(1000)

func (s *Simulator) resetSource() {
	s.keys = append(s.keys[:0], make([]key, s.profile.keys)...)
	for i := range s.keys {
		s.keys[i].mapping = min(s.rng.IntN(len(mappings)+3), s.rng.IntN(len(mappings)))
		if s.profile.spellings {
			s.keys[i].mapping = s.keys[i&^1].mapping
		}
		if s.chance(s.profile.old) {
			// No change of its own has the number of its values.
			s.keys[i].present, s.keys[i].a, s.keys[i].b = true, int32(len(texts)-1-i), int32(len(texts)-1-i)
			s.keys[i].old = true
			s.covered.Old++
		}
	}
	s.changes = append(s.changes[:0], change{settled: true})
	s.txs = s.txs[:0]
	s.low = 1
	s.walEnd, s.longest = firstLSN, 0
	s.slot = slot{memory: firstLSN, disk: firstLSN}
}

// commit is the end of a transaction at the source, and plans the next one.
func (s *Simulator) commit() {
	if s.healed {
		return
	}
	s.plan(s.exponential(s.profile.commitEvery), evCommit, 0)
	if s.chance(s.profile.foreign) {
		s.walEnd += LSN(1 + s.rng.IntN(500))
		s.covered.Foreign++
	}
	if s.rng.IntN(20) == 0 {
		// A rollback leaves nothing but WAL.
		s.walEnd += 40
		s.covered.Rollbacks++
		s.notice()
		return
	}
	n := s.rng.IntN(4)
	if s.chance(s.profile.huge) {
		n = 40 + s.rng.IntN(120)
		s.covered.Huge++
	}
	if len(s.changes)+2*n >= len(texts)-len(s.keys) {
		return
	}
	tx := transaction{first: int32(len(s.changes)), at: s.now}
	s.txs = append(s.txs, tx)
	for seq := uint64(0); n > 0; n-- {
		seq = s.operate(seq + 1)
	}
	s.hold(tx.first)
	t := &s.txs[len(s.txs)-1]
	t.n = int32(len(s.changes)) - t.first
	s.longest = max(s.longest, int(t.n))
	s.walEnd += LSN(10 + 10*int(t.n))
	t.final = s.walEnd
	s.walEnd += 8
	t.end = s.walEnd
	s.tracef("commit %s..%s, changes %d to %d", t.final, t.end, t.first, int(t.first+t.n)-1)
	s.notice()
}

// operate changes one row, or two that exchange their keys. It returns the
// number of the last change in the transaction.
func (s *Simulator) operate(seq uint64) uint64 {
	k := int32(s.rng.IntN(len(s.keys)))
	if s.chance(s.profile.hot) {
		k = int32(s.rng.IntN(min(3, len(s.keys))))
	}
	switch r := s.rng.Float64(); {
	case s.keys[k].differs && r < 0.3:
		s.delete(k, seq)
	case !s.keys[k].present:
		s.insert(k, seq)
	case r < 0.2:
		s.delete(k, seq)
	case s.chance(s.profile.hide):
		s.hide(k, seq)
	case s.chance(s.profile.respell) && !s.keys[s.twin(k)].present:
		s.respell(k, seq)
	case s.chance(s.profile.exchange):
		return s.exchange(k, seq)
	case s.chance(s.profile.keyChange):
		s.changeKey(k, seq)
	default:
		s.update(k, seq)
	}
	return seq
}

// add appends a change of key k.
func (s *Simulator) add(k int32, seq uint64, c change) int32 {
	i := int32(len(s.changes))
	c.key, c.previous, c.seq, c.tx = k, s.keys[k].last, seq, int32(len(s.txs)-1)
	s.changes = append(s.changes, c)
	s.tracef("change %d of key %d: %s, a %d, b %d of %d, partial %v, reread %v", i, k, c.operation, c.a, c.b, c.rowB, c.partial, c.reread)
	s.keys[k].last = i
	return i
}

func (s *Simulator) insert(k int32, seq uint64) {
	next, row := int32(len(s.changes)), &s.keys[k]
	row.present, row.differs, row.a, row.b = true, false, next, next
	row.bad = s.chance(s.profile.problem)
	if s.chance(s.profile.null) {
		row.a = null
	}
	if s.chance(s.profile.null) {
		row.b = null
	}
	s.add(k, seq, s.whole(k))
}

// whole is the change that carries the whole row. A null in b is left out, one
// in a clears.
func (s *Simulator) whole(k int32) change {
	row := &s.keys[k]
	c := change{operation: mappings[row.mapping].operation, a: row.a, b: row.b, rowB: row.b, problem: row.bad}
	if row.b == null {
		c.b = omitted
	}
	return c
}

func (s *Simulator) update(k int32, seq uint64) {
	next, row := int32(len(s.changes)), &s.keys[k]
	row.bad = s.chance(s.profile.problem)
	switch r := s.rng.IntN(10); {
	case r < 3 && s.profile.record:
		row.a, row.before = row.before, row.a // back and forth
	case r < 7:
		row.a, row.before = next, row.a
	case s.chance(s.profile.null):
		row.a = null
	}
	touched := s.rng.IntN(2) == 0
	if touched {
		row.b = next
		if s.chance(s.profile.null) {
			row.b = null
		}
	}
	c := s.whole(k)
	if !touched && row.b != null && s.chance(s.profile.toast) {
		c.b = omitted
		// An insert that the stream does not carry whole is completed first.
		c.reread = mappings[row.mapping].operation == marketo.Insert
		if c.partial = !c.reread; c.partial {
			s.covered.Partial++
		}
	}
	s.add(k, seq, c)
}

func (s *Simulator) delete(k int32, seq uint64) {
	next, row := int32(len(s.changes)), &s.keys[k]
	row.present, row.differs, row.a, row.b, row.bad = false, false, null, null, false
	s.add(k, seq, s.removal(k, next))
}

// removal is what on_delete asks for, as the change of that number.
func (s *Simulator) removal(k, number int32) change {
	if mappings[s.keys[k].mapping].set {
		return change{operation: marketo.Update, set: true, removal: true, a: number, b: omitted}
	}
	return change{operation: marketo.Delete, removal: true, a: omitted, b: omitted}
}

// changeKey moves a row to another key of its table: the old object goes, and
// a whole new one comes, for which the stream may lack values.
func (s *Simulator) changeKey(k int32, seq uint64) {
	from := s.keys[k]
	for to := range s.keys {
		row := &s.keys[to]
		if row.present || row.differs || row.mapping != from.mapping || int32(to) == k || int32(to) == s.twin(k) {
			continue
		}
		s.delete(k, seq)
		row.present, row.bad = true, false
		row.a, row.b = int32(len(s.changes)), from.b
		c := s.whole(int32(to))
		if row.b != null && s.chance(s.profile.toast) {
			c.b, c.reread = omitted, true
		}
		s.add(int32(to), seq, c)
		s.covered.KeyChanges++
		return
	}
	s.update(k, seq)
}

// position is the place of a change in the stream.
func (s *Simulator) position(i int32) pgoutput.Position {
	c := &s.changes[i]
	return pgoutput.Position{Commit: s.txs[c.tx].final, Seq: c.seq}
}

// changeAt returns the change of a key at a position; 0 when there is none.
func (s *Simulator) changeAt(k int32, at pgoutput.Position) int32 {
	i := s.keys[k].last
	for i != 0 && s.position(i).Compare(at) > 0 {
		i = s.changes[i].previous
	}
	if i == 0 || s.position(i) != at {
		return 0
	}
	return i
}

// end is the end of the transaction of a change.
func (s *Simulator) end(i int32) LSN { return s.txs[s.changes[i].tx].end }

// txAfter returns the index of the first transaction that ends after lsn.
func (s *Simulator) txAfter(lsn LSN) int {
	return sort.Search(len(s.txs), func(i int) bool { return s.txs[i].end > lsn })
}

// write is what the mapping makes of a change.
func (s *Simulator) write(i int32) mapping.Write {
	c := &s.changes[i]
	if c.object.Shape == nil {
		c.object = s.object(c.key, i, c.a, c.b)
	}
	w := mapping.Write{
		Mapping: s.keys[c.key].mapping, Key: s.text(c.key), Operation: c.operation,
		Object:  c.object,
		Partial: c.partial, Reread: c.reread, Bytes: 50,
		Removal: c.removal, Ask: c.removal && s.profile.asks, Unsure: c.hides, Respelled: c.respelled,
	}
	if c.problem {
		w.Problem = badRow
	}
	return w
}

var badRow = &mapping.Problem{Code: "value", Message: "column a is not a number"}

// object returns the object of a key. The stamp names the change its values are
// from; the machine passes it on as it would any other attribute.
func (s *Simulator) object(k, stamp, a, b int32) marketo.Object {
	return marketo.NewObject(mappings[s.keys[k].mapping].shape, []marketo.Value{
		{Kind: marketo.String, Text: s.text(k)}, {Kind: marketo.String, Text: texts[stamp]}, value(a), value(b),
	})
}

func value(v int32) marketo.Value {
	switch v {
	case omitted:
		return marketo.Value{}
	case null:
		return marketo.Value{Kind: marketo.Null}
	}
	return marketo.Value{Kind: marketo.String, Text: texts[v]}
}

func number(v marketo.Value) int32 {
	switch v.Kind {
	case marketo.Omitted:
		return omitted
	case marketo.Null:
		return null
	}
	return parse(v.Text)
}

// parse reads a decimal number of ours.
func parse(text string) int32 {
	n := int32(0)
	for i := range len(text) {
		n = 10*n + int32(text[i]-'0')
	}
	return n
}

func stampOf(o marketo.Object) int32 { return number(o.Value(1)) }
func keyOf(o marketo.Object) int32   { return parseKey(o.Value(0).Text) }

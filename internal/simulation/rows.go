package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// reading is one row on its way to the machine.
type reading struct {
	id  uint64
	key int32
	// asked is the change that the machine asked for.
	asked int32
	// carried is the change whose values the question carried.
	carried int32
	retry   bool // of a parked object
	now     bool // taken when asked for, not when answered
	row     key
	// seen are the transactions whose changes the row has.
	seen pgoutput.Transactions
	// folded: a row of the other spelling will do.
	folded bool
	other  key
}

// read takes the machine's question for a row.
func (s *Simulator) read(e delivery.Read) {
	s.covered.Reads++
	k := keyOf(e.Object)
	q := reading{id: e.Read, key: k, asked: stampOf(e.Object), now: s.rng.IntN(2) == 0, row: s.keys[k], other: s.keys[s.twin(k)], seen: s.seen()}
	q.folded = e.Folded && s.profile.spellings
	if key := &s.keys[k]; key.whole && q.asked == key.read && covers(key.mapping) {
		q.asked = key.asked // the row was read before, for that
	}
	q.carried = q.asked
	if parked, held := s.parkedChange(k); parked != 0 && (s.durable(k, parked) || s.durable(s.changes[parked].key, parked)) && (q.asked == omitted || q.asked == held && s.changes[held].operation != marketo.Delete) {
		if q.asked, q.retry = parked, true; held > parked && !s.changes[held].settled {
			s.keys[k].alsoFor = held // it may be that very change
		}
		if q.carried == omitted {
			q.carried = parked
		}
		s.covered.Retries++
	}
	if q.asked == omitted {
		// The retry of a delete whose entry is being saved anew.
		q.asked, q.carried = 0, 0
	}
	s.reads = append(s.reads, q)
	s.tracef("read %d: key %d for change %d", e.Read, k, q.asked)
	s.planFor(s.between(time.Millisecond, 3*time.Second), evRow, len(s.reads)-1)
}

// rowRead answers it with the row as committed.
func (s *Simulator) rowRead(n int) {
	q := &s.reads[n]
	if s.chance(s.profile.readErrors) {
		s.covered.ReadErrors++
		s.step(delivery.RowRead{Read: q.id, Err: errNoSpace})
		return
	}
	if !q.now {
		q.row, q.other, q.seen = s.keys[q.key], s.keys[s.twin(q.key)], s.seen()
	}
	if s.chance(s.profile.unreadable) {
		s.covered.Unreadable++
		s.keys[q.key].refused = max(s.keys[q.key].refused, s.keys[q.key].last, q.asked)
		s.step(delivery.RowRead{Read: q.id, Problem: unreadable})
		return
	}
	if q.folded && !q.row.present && q.other.present {
		// The row has the key in its other spelling.
		s.keys[q.key].inexact = true
		s.settle(q.asked, 0)
		s.keys[q.key].refused = max(s.keys[q.key].refused, q.asked)
		q.key, q.row = s.twin(q.key), q.other
		s.keys[q.key].alsoFor = q.asked
		q.asked, q.carried = 0, 0
	}
	s.tracef("row %d: key %d, found %v, change %d", q.id, q.key, q.row.present, q.row.last)
	s.rowKnown(q)
	if q.row.present && q.asked < q.row.last {
		s.covered.RowsAhead++
	}
	if q.row.differs {
		s.step(s.rowDiffers(q))
		return
	}
	if !q.row.present {
		s.covered.RowsGone++
		s.step(delivery.RowRead{Read: q.id, Seen: &q.seen})
		return
	}
	b := q.row.b
	if b == null {
		b = omitted
	}
	m, stamp := &mappings[q.row.mapping], s.effective(q.row.last)
	if key := &s.keys[q.key]; stamp != q.row.last {
		key.named = stamp + 1
	}
	w := mapping.Write{
		Mapping: q.row.mapping, Key: s.text(q.key), Operation: m.operation, Bytes: 50,
		Object: s.object(q.key, stamp, q.row.a, b),
	}
	if q.row.bad {
		w.Problem = badRow
	}
	s.step(delivery.RowRead{Read: q.id, State: delivery.RowMatches, Write: w, Seen: &q.seen})
}

// seen is what a snapshot sees now: all that has committed.
func (s *Simulator) seen() pgoutput.Transactions {
	s.backfill.visible = len(s.txs)
	next := s.xid(len(s.txs))
	return pgoutput.Transactions{Xmin: next, Xmax: next, Flushed: s.walEnd}
}

var unreadable = &mapping.Problem{Code: "unreadable", Message: "the server cannot make a text of the row"}

// rowDiffers answers a question for a row that does not match.
func (s *Simulator) rowDiffers(q *reading) delivery.RowRead {
	s.covered.Differed++
	c := s.removal(q.key, q.asked)
	w := mapping.Write{
		Mapping: q.row.mapping, Key: s.text(q.key), Operation: c.operation, Bytes: 50, Removal: true,
		Object: s.object(q.key, q.asked, c.a, c.b),
	}
	return delivery.RowRead{Read: q.id, State: delivery.RowDiffers, Write: w, Removes: true, Seen: &q.seen}
}

// rowKnown takes note of a row that the machine is about to get.
func (s *Simulator) rowKnown(q *reading) {
	key := &s.keys[q.key]
	key.inexact = true
	if q.row.differs && !q.retry {
		key.differed, key.wentAt = q.asked, q.row.last // what on_delete asks for is still to be sent
		s.coversGone(q, !s.changes[q.asked].removal)
		return
	}
	if !q.row.present {
		if q.retry {
			// Whatever is sent of it before its end comes is of no matter.
			key.fromRow, key.asked, key.lacking = q.carried, q.asked, false
			deletes := s.parkedAs(q.key) == marketo.Delete
			if q.row.differs || deletes {
				key.differed = q.asked
			}
			if q.row.differs {
				s.coversGone(q, !deletes)
			}
		}
		if q.asked == 0 {
			return
		}
		key.wentFor, key.wentAt = q.asked, q.row.last
		s.went(q.asked)
		c := &s.changes[q.asked]
		if key.goneLast = 0; c.removal && !q.retry {
			s.coversGone(q, false)
		} else if q.asked <= key.covers && !s.deletesAgain(q) {
			key.goneLast = key.covers
		}
		switch {
		case c.removal && !q.retry && !(mappings[key.mapping].set && q.asked <= key.covers): // it is still to be sent
		case q.retry || q.asked <= key.covers || c.hides || !mappings[key.mapping].set || key.made == q.asked:
			key.whole = false
			if s.settle(q.asked, 0); q.asked <= key.covers {
				s.settle(key.covers, 0)
				if !q.retry && !c.hides && mappings[key.mapping].set && key.made != q.asked {
					key.asIs = q.asked
				}
			}
		case !c.set:
			key.whole = true // there is no more of it
		}
		return
	}
	stamp := s.effective(q.row.last)
	key.fromRow, key.asked, key.whole = stamp, q.asked, true
	if key.read = stamp; !q.row.bad && q.row.b != null && covers(key.mapping) {
		key.covers, s.rowsCover = max(key.covers, q.row.last), true
	}
	if q.row.bad || s.oversize(stamp) {
		key.refused = max(q.row.last, q.asked)
	}
}

// coversGone takes note of what the removal of a row covers that does not match,
// or was gone: all that the row had, where the removal is newer than its change.
func (s *Simulator) coversGone(q *reading, newer bool) {
	key := &s.keys[q.key]
	if key.goneLast = 0; !covers(key.mapping) {
		return
	}
	covered := q.asked <= key.covers && !s.deletesAgain(q)
	if (newer || covered) && !mappings[key.mapping].set {
		key.covers = max(key.covers, q.row.last)
		covered = true
	}
	if covered {
		key.goneLast = key.covers
	}
	if s.oversize(q.asked) {
		key.refused = max(key.refused, key.goneLast)
	}
}

// deletesAgain reports whether a parked deletion is tried again: what the table says of
// its key covers nothing.
func (s *Simulator) deletesAgain(q *reading) bool {
	return q.retry && s.parkedAs(q.key) == marketo.Delete
}

// covers reports whether rows of a mapping cover changes: those that are only
// inserted do not, nor those of which every change is sent.
func covers(mapping int) bool {
	return mappings[mapping].operation != marketo.Insert && !mappings[mapping].separate
}

// parkedAs is the operation of the entry that the store has parked for a key.
func (s *Simulator) parkedAs(k int32) marketo.Operation {
	if s.disk.now.parked[k].Operation == marketo.Delete.String() {
		return marketo.Delete
	}
	return marketo.Upsert
}

// standsFor is the newest change that is sent with a stamp: the one that a row
// was read for may be newer than what the row has.
// What a row covers is settled with it.
func (k *truth) standsFor(stamp int32) int32 {
	newest := stamp
	if stamp == k.read {
		newest = max(newest, k.asked, k.covers, k.alsoFor)
	}
	if stamp == k.fromRow {
		newest = max(newest, k.asked)
	}
	if stamp == k.differed || stamp == k.wentFor {
		newest = max(newest, k.goneLast)
	}
	return newest
}

// checkAhead: what a row had that was sent is not sent after it, in this life.
// Of a key with two spellings that is not so, nor is it of what a row sets that
// stopped matching, or of mappings whose rows cover nothing.
func (s *Simulator) checkAhead(k, stamp int32) {
	key := &s.keys[k]
	switch {
	case s.profile.spellings, !covers(key.mapping):
	case stamp != 0 && (stamp == key.differed || stamp == key.wentFor && s.changes[stamp].removal):
		key.ahead = max(key.ahead, key.goneLast)
	case stamp < key.ahead && stamp != key.fromRow:
		s.fail("I4", "key %d: change %d is sent after a row that had change %d", k, stamp, key.ahead)
	case stamp == key.read:
		if stamp < key.ahead {
			s.fail("I4", "key %d: a row with change %d is sent after one that had change %d", k, stamp, key.ahead)
		}
		if stamp <= key.covers {
			key.ahead = stamp
		}
	}
}

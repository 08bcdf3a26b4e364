package simulation

import (
	"fmt"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// quiet reports whether everything has converged.
func (s *Simulator) quiet() bool {
	if !s.process.alive() {
		return false
	}
	objects, _ := s.process.machine.Load()
	return objects == 0 && s.backfilled() && s.process.flying == 0 && int(s.low) == len(s.changes) &&
		s.slot.memory == s.walEnd && s.disk.synced.lsn == s.walEnd && s.disk.under == nil
}

// condition says in a few words where a run stands.
func (s *Simulator) condition() string {
	text := fmt.Sprintf("%s, wal end %s, slot %s, checkpoint %s, first unsettled change %d of %d, in flight %d",
		s.now, s.walEnd, s.slot.memory, s.disk.now.lsn, s.low, len(s.changes), s.process.flying)
	if s.process.alive() {
		r := s.process.machine.Report(s.time())
		text += fmt.Sprintf(", pending %d, held %d, stalled %v", r.Pending, r.Held, r.Stalled)
	}
	return text
}

// compare holds what Marketo has against the tables.
func (s *Simulator) compare() {
	for k := range s.keys {
		if s.profile.spellings {
			s.compareSpellings(int32(k))
			continue
		}
		key, have := &s.keys[k], s.sink[k]
		have.stamp = s.effective(have.stamp)
		if p, parked := s.disk.now.parked[int32(k)]; parked {
			if i := s.changeAt(int32(k), p.At); i != key.last {
				s.fail("I6", "key %d is parked with change %d, although change %d is settled", k, i, key.last)
			}
			continue
		}
		last := s.effective(key.last)
		if s.compareBackfilled(int32(k), last, have) || last == 0 || key.discarded == key.last {
			continue
		}
		operation := mappings[key.mapping].operation
		if operation == marketo.Insert {
			s.compareInserted(int32(k), have)
			continue
		}
		want, optional := s.sum(int32(k))
		if key.excused {
			have.b, want.b = key.b, key.b
		}
		if optional && have.b == null {
			want.b = null
		}
		if !key.inexact && have != want {
			s.fail("I3", "key %d is %+v at marketo, its changes make %+v", k, have, want)
		}
		if key.inexact {
			s.compareInexact(int32(k), have)
		}
		s.covered.Compared++
	}
}

// sum applies the changes of a key in order. optional says that b, which is
// null by now, need not be there: the row is older than the slot, and no change
// carried it.
func (s *Simulator) sum(k int32) (o object, optional bool) {
	var order []int32
	for i := s.keys[k].last; i != 0; i = s.changes[i].previous {
		order = append(order, i)
	}
	o = object{present: mappings[s.keys[k].mapping].operation == marketo.Update}
	for n := len(order) - 1; n >= 0; n-- {
		c := &s.changes[order[n]]
		if c.held {
			optional = optional || !c.set // what the next one leaves out is cleared
			continue
		}
		if c.hides && mappings[s.keys[k].mapping].set {
			c = &change{operation: marketo.Update, set: true, a: order[n], b: omitted}
		}
		if c.operation == marketo.Delete || c.hides {
			o = object{}
			continue
		}
		if c.operation == marketo.Update && !o.present {
			continue
		}
		if c.partial && !o.present {
			o.b, optional = c.rowB, s.keys[k].b == null
		}
		if o.present = true; !c.suppressed {
			o.stamp = order[n]
		}
		if c.a != omitted {
			o.a = c.a
		}
		if c.b != omitted {
			o.b, optional = c.b, false
		}
	}
	return o, optional
}

// compareInserted: an object that is only ever inserted has the values of one
// of the changes since the row came to be.
func (s *Simulator) compareInserted(k int32, have object) {
	key := &s.keys[k]
	if have.present != key.present {
		s.fail("I3", "key %d: in the table %v, at marketo %v", k, key.present, have.present)
	}
	if !have.present {
		return
	}
	for i := key.last; s.since(i, key); i = s.changes[i].previous {
		if i == have.stamp {
			if b := s.changes[i].rowB; b != null && have.b != b {
				s.fail("I3", "key %d has b of %d, change %d has %d", k, have.b, i, b)
			}
			s.covered.Compared++
			return
		}
	}
	s.fail("I3", "key %d has the values of change %d, which are gone", k, have.stamp)
}

// since reports whether a change may still be seen in a key's object: none
// before the row came to be, unless the object that was to take the place of
// the deleted one was refused and parked.
func (s *Simulator) since(i int32, k *key) bool {
	return i != 0 && (k.inexact || s.changes[i].operation != marketo.Delete)
}

// compareInexact compares an object that was parked or read again on the way:
// what the row left out may come from any change since the row came to be.
func (s *Simulator) compareInexact(k int32, have object) {
	key := &s.keys[k]
	newest := s.effective(key.last)
	last := &s.changes[newest]
	switch {
	case last.operation == marketo.Delete, last.hides && !mappings[key.mapping].set:
		if have.present {
			s.fail("I3", "key %d is deleted, but not at marketo", k)
		}
		return
	case last.set, last.hides:
		if have.present && (have.stamp != newest || have.a != newest) {
			s.fail("I3", "key %d is %+v at marketo, the row's end in change %d set otherwise", k, have, key.last)
		}
		return
	}
	if !have.present || have.stamp != newest || have.a != key.a || key.b != null && have.b != key.b {
		s.fail("I3", "key %d is %+v at marketo, the row is %d: %d, %d", k, have, key.last, key.a, key.b)
	}
	if key.b != null || have.b == null {
		return
	}
	for i := key.last; s.since(i, key); i = s.changes[i].previous {
		if s.changes[i].rowB == have.b {
			return
		}
	}
	if key.old && have.b == int32(len(texts)-1-int(k)) && s.profile.backfill {
		return
	}
	s.fail("I3", "key %d has b of %d, which is gone", k, have.b)
}

package simulation

import (
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Worlds in which keys change hands: rows exchange them within a transaction,
// give them up and take them over, stop matching without a word, and spell them
// in another way.

// twin is the other spelling of a key where keys have two; itself elsewhere.
func (s *Simulator) twin(k int32) int32 {
	if !s.profile.spellings {
		return k
	}
	return k ^ 1
}

// text is a key as the mapping writes it.
func (s *Simulator) text(k int32) string {
	switch {
	case !s.profile.spellings:
		return texts[k]
	case k&1 == 0:
		return "K" + texts[k/2]
	}
	return "k" + texts[k/2]
}

// parseKey reads what text wrote.
func parseKey(text string) int32 {
	switch {
	case text == "":
		return 0
	case text[0] == 'K':
		return 2 * parse(text[1:])
	case text[0] == 'k':
		return 2*parse(text[1:]) + 1
	}
	return parse(text)
}

// changeOf is the change of a key, or of its other spelling, at a position: a
// removal may have become an object of the row that holds the other one.
func (s *Simulator) changeOf(k int32, at pgoutput.Position) int32 {
	if i := s.changeAt(k, at); i != 0 || s.twin(k) == k {
		return i
	}
	return s.changeAt(s.twin(k), at)
}

// stored is where Marketo keeps the object of a key.
func (s *Simulator) stored(k int32) int32 {
	if s.profile.folds {
		return k &^ 1
	}
	return k
}

// exchange has two rows take each other's keys: the key of the second is given
// up only after the first has taken it over.
func (s *Simulator) exchange(k int32, seq uint64) uint64 {
	for other := range int32(len(s.keys)) {
		if other == k || other == s.twin(k) || !s.keys[other].present || s.keys[other].mapping != s.keys[k].mapping {
			continue
		}
		a, b := s.keys[k], s.keys[other]
		s.take(k, other, a, seq)
		s.take(other, k, b, seq+1)
		s.covered.Exchanges++
		return seq + 1
	}
	s.update(k, seq)
	return seq
}

// take moves a row from one key to another, which may be taken.
func (s *Simulator) take(from, to int32, row key, seq uint64) {
	s.add(from, seq, s.removal(from, int32(len(s.changes))))
	s.keys[to].a, s.keys[to].b, s.keys[to].bad = int32(len(s.changes)), row.b, false
	s.add(to, seq, s.whole(to))
}

// respell writes a row's key in another way.
func (s *Simulator) respell(k int32, seq uint64) {
	row, to := &s.keys[k], s.twin(k)
	next := &s.keys[to]
	next.present, next.differs, next.bad, next.a, next.b = true, false, false, int32(len(s.changes)), row.b
	row.present, row.a, row.b, row.bad = false, null, null, false
	c := s.whole(to)
	c.respelled = true
	s.add(to, seq, c)
	s.covered.Respelled++
}

// hide has a row stop matching, where the stream lacks the value that where
// needs.
func (s *Simulator) hide(k int32, seq uint64) {
	next, row := int32(len(s.changes)), &s.keys[k]
	row.present, row.differs, row.a, row.b, row.bad = false, true, null, null, false
	s.add(k, seq, change{operation: mappings[row.mapping].operation, hides: true, reread: true, a: next, b: omitted})
	s.covered.Hidden++
}

// hold notes which removals of a transaction, that begins with the change first,
// must not be made.
func (s *Simulator) hold(first int32) {
	for i := first; int(i) < len(s.changes); i++ {
		c := &s.changes[i]
		if c.removal && (s.keys[c.key].present || s.keys[s.twin(c.key)].present) {
			c.held = true
			s.covered.Held++
		}
	}
}

// removes reports whether a change, as it is sent, takes the object away.
func (s *Simulator) removes(i int32) bool {
	c := &s.changes[i]
	key := &s.keys[c.key]
	if mappings[key.mapping].set {
		return false
	}
	return i != 0 && (c.operation == marketo.Delete && (!c.held || key.wentFor == i || key.differed == i) || c.hides || key.differed == i)
}

// effective is the newest change up to i that is more than a removal that was
// not to be made.
func (s *Simulator) effective(i int32) int32 {
	for s.changes[i].held || s.changes[i].suppressed {
		i = s.changes[i].previous
	}
	return i
}

// compareSpellings compares what Marketo has for two spellings of a key: where
// one row holds it, the object is that row's.
func (s *Simulator) compareSpellings(k int32) {
	row, other := &s.keys[k], &s.keys[s.twin(k)]
	_, parked := s.disk.now.parked[k]
	_, otherParked := s.disk.now.parked[s.twin(k)]
	if !row.present || other.present || parked || otherParked || mappings[row.mapping].operation != marketo.Upsert || row.discarded != 0 || other.discarded != 0 || row.last == 0 {
		return
	}
	have := s.sink[s.stored(k)]
	if !have.present || have.a != row.a || row.b != null && have.b != row.b && !row.excused {
		s.fail("I3", "key %d, whose other spelling no row has, is %+v at marketo, the row is %d, %d", k, have, row.a, row.b)
	}
	s.covered.Compared++
}

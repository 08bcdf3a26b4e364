package delivery

import (
	"iter"
	"math/bits"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

// KeyHash is worked out where a key is put together: to look at its text again
// in another goroutine costs more than all the rest of finding its chain. All
// spellings of a key have one.
func KeyHash(key string) uint64 {
	hash, _ := HashKey(key)
	return hash
}

// HashKey returns the KeyHash of a key, and whether the key is the spelling that
// mapping.Fold gives all others.
func HashKey(key string) (hash uint64, folded bool) {
	as := mapping.Fold(key)
	return xxhash.Sum64String(as), as == key
}

// sameChain reports whether two keys, whose hashes are equal, are spellings of
// one.
func sameChain(a, b string) bool { return a == b || mapping.Fold(a) == mapping.Fold(b) }

// chains finds the first item of a key's chain. Spellings of a key, which
// Marketo may take for one, share a chain: so they are never in two calls, nor
// twice in one. It is a hash table of its own because the items have what a map
// would keep a second time: a removal need not hash the key again, and a key
// that is not there costs no look at an item.
//
// Slots are probed one after the other; a removal moves back those that it
// would cut off. There is no order to observe, so the seed changes nothing.
type keyIndex struct {
	slots []slot // their number is a power of two, at least twice n
	n     int
	// salt and seed spread the hashes in a way that nobody can know, who might
	// choose keys to make them meet.
	salt, seed uint64
}

// slot is empty when it has no item.
type slot struct {
	hash  uint64
	first *item
}

const fewestSlots = 64

func newKeyIndex(rng *rand.Rand) keyIndex {
	return keyIndex{slots: make([]slot, fewestSlots), salt: rng.Uint64(), seed: rng.Uint64() | 1}
}

func (c *keyIndex) hash(keyHash uint64) uint64 {
	high, low := bits.Mul64(keyHash^c.salt, c.seed)
	return high ^ low
}

// first returns the first item of a key whose hash is known, nil where there
// is none.
func (c *keyIndex) first(hash uint64, key string) *item {
	for i := hash; ; i++ {
		s := c.at(i)
		if s.first == nil || s.hash == hash && sameChain(s.first.key, key) {
			return s.first
		}
	}
}

// put makes it the first item of its key, in place of any other.
func (c *keyIndex) put(it *item) {
	for i := it.hash; ; i++ {
		s := c.at(i)
		if s.first != nil && (s.hash != it.hash || !sameChain(s.first.key, it.key)) {
			continue
		}
		if s.first == nil {
			c.n++
		}
		s.hash, s.first = it.hash, it
		break
	}
	if 2*c.n > len(c.slots) {
		c.grow()
	}
}

func (c *keyIndex) grow() {
	old := c.slots
	c.slots, c.n = make([]slot, 2*len(old)), 0
	for i := range old {
		if old[i].first != nil {
			c.put(old[i].first)
		}
	}
}

// remove forgets a key. it must be its first item.
func (c *keyIndex) remove(it *item) {
	hole := it.hash
	for c.at(hole).first != it {
		hole++
	}
	for i := hole + 1; c.at(i).first != nil; i++ {
		// One that is found by starting at or before the hole may fill it.
		if mask := uint64(len(c.slots) - 1); (i-c.at(i).hash)&mask >= (i-hole)&mask {
			*c.at(hole) = *c.at(i)
			hole = i
		}
	}
	*c.at(hole) = slot{}
	c.n--
}

func (c *keyIndex) at(i uint64) *slot { return &c.slots[i&uint64(len(c.slots)-1)] }

// items are all items, those of a key in the order of their changes.
func (c *keyIndex) items() iter.Seq[*item] {
	return func(yield func(*item) bool) {
		for i := range c.slots {
			for it := c.slots[i].first; it != nil; it = it.after {
				if !yield(it) {
					return
				}
			}
		}
	}
}

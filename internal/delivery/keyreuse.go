package delivery

import (
	"cmp"
	"time"
)

const (
	// worthWaiting is the share of changes whose key has come not long before
	// from which on it saves calls to wait for them. Below it, who waits for
	// nothing makes at most 1/(1-worthWaiting), a tenth more.
	worthWaiting = 1.0 / 11
	// memoryOfShares is over how many changes the shares are taken.
	memoryOfShares = 512
	// sightingSlots is how many keys are remembered.
	sightingSlots = 1 << 12
	// Where a batch has manyKeys, every eighth key tells enough of all: then
	// about as many are known as DefaultConfig().MaxPendingBytes can hold.
	manyKeys = 64
	eighth   = 1<<3 - 1
)

// keyReuse is how often the keys of one mapping come again.
type keyReuse struct {
	// soon is the share of changes whose key had come within MaxWait, ever the
	// share of those whose key was remembered at all.
	soon, ever float32
}

func (r *keyReuse) note(soon, ever bool) {
	r.soon += (share(soon) - r.soon) / memoryOfShares
	r.ever += (share(ever) - r.ever) / memoryOfShares
}

func share(of bool) float32 {
	if of {
		return 1
	}
	return 0
}

// sightings remembers when keys came last. Every key has one slot, which others
// have, too: the latest takes it. What is forgotten, or taken for another, only
// moves a share a little. It is small enough to stay in a processor's cache.
type sightings struct {
	slots [sightingSlots]sighting
	// skip are bits of a key's hash, which has none of them if the key counts.
	skip uint64
}

// sighting is a part of a key's hash, and when it came: in milliseconds, of
// which uint32 tells those of 49 days apart.
type sighting struct{ mark, at uint32 }

func newSightings(keysOfBatch int) *sightings {
	if keysOfBatch < manyKeys {
		return &sightings{}
	}
	return &sightings{skip: eighth}
}

// counts reports whether the key of that hash is one that shares are made of.
func (s *sightings) counts(hash uint64) bool { return hash&s.skip == 0 }

func (s *sightings) at(hash uint64) *sighting { return &s.slots[hash>>3%sightingSlots] }

// see notes that the key of that hash comes now. It returns whether it had come
// no longer ago than within, and whether it had come at all, as far as is
// remembered.
func (s *sightings) see(hash uint64, now time.Time, within time.Duration) (soon, ever bool) {
	// The mark of an empty slot is zero.
	mark, at := uint32(hash>>32)|1, uint32(now.UnixMilli())
	slot := s.at(hash)
	if slot.mark == mark {
		ever = true
		soon = time.Duration(at-slot.at)*time.Millisecond <= within
	}
	slot.mark, slot.at = mark, at
	return soon, ever
}

// merges reports whether enough changes of the mapping merge, when again is the
// share whose keys come again.
func (m *Machine) merges(mapping int, again float32) bool {
	return again > worthWaiting && !m.cfg.Mappings[mapping].Separate
}

// waitingPays reports whether a batch of the mapping that is full had better
// wait as long as it may: so many of its keys come again meanwhile, for which
// no other call is needed then.
func (m *Machine) waitingPays(mapping int) bool {
	return m.merges(mapping, m.states[mapping].keys.soon)
}

const (
	// suppliedRounds is for how many rounds of calls batches are held ready.
	suppliedRounds = 2
	// roundOfUnlimited is the number of calls in a round where as many as one
	// likes may be under way.
	roundOfUnlimited = 10
)

// supplied reports whether enough full batches wait for all calls to go on.
// Reading on would only fill memory, which costs time: what was not touched for
// long has to come from far. It pays where keys come again, as their changes
// merge; those mappings' batches do not count.
func (m *Machine) supplied() bool {
	enough := suppliedRounds * cmp.Or(m.cfg.Limits.ConcurrentCalls, roundOfUnlimited)
	if m.liveItems() < enough*m.cfg.Capacity.Objects {
		return false
	}
	full := 0
	for _, l := range m.queue.listed {
		s := &m.states[l.mapping]
		if l.class == live && !m.silent(l.mapping) && !m.merges(l.mapping, s.keys.ever) {
			full += l.n / m.cfg.Capacity.Objects
		}
	}
	return full >= enough
}

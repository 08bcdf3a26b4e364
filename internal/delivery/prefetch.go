package delivery

import "runtime"

// What the machine works on has mostly been touched last by another processor,
// or long ago, so each object costs some waits for memory. These add up when
// they come one after the other, as they do while an object is worked on. So
// the memory of a number of objects is read in advance: loads that do not need
// each other's results are waited for together. Nothing but time depends on it.

// prefetchAtOnce is for how many entries of a piece memory is read in advance: few
// enough for all of it to be there still when it is used.
const prefetchAtOnce = 64

// prefetchKeys reads what enqueue is about to look up for the next entries, and
// the items that it uses for them.
func (m *Machine) prefetchKeys(entries []Entry) {
	sum := uint64(0)
	for i := range entries[:min(len(entries), prefetchAtOnce)] {
		hash := entries[i].Hash
		sum += m.keys.at(m.keys.hash(hash)).hash
		if m.queue.seen.counts(hash) {
			sum += uint64(m.queue.seen.at(hash).mark)
		}
	}
	runtime.KeepAlive(sum)
	m.prefetchFree()
}

// prefetchFree reads the items that are about to be used again.
func (m *Machine) prefetchFree() {
	m.prefetchItems(m.memory.free[len(m.memory.free)-min(len(m.memory.free), prefetchAtOnce):])
}

// prefetchOffered is prefetchKeys for rows of a backfill.
func (m *Machine) prefetchOffered(keys *[prefetchAtOnce]hashedKey) {
	sum := uint64(0)
	for i := range keys {
		sum += m.keys.at(m.keys.hash(keys[i].hash)).hash
	}
	runtime.KeepAlive(sum)
	m.prefetchFree()
}

// prefetchNext reads the items that fill is about to take from l.
func (m *Machine) prefetchNext(l *lane, n int) {
	sum := uint64(0)
	for spot := l.head; spot != l.tail && n > 0; spot++ {
		if it := *l.at(spot); it != nil {
			sum += it.spot + it.sequence
			n--
		}
	}
	runtime.KeepAlive(sum)
}

// prefetchItems reads all of the items.
func (m *Machine) prefetchItems(items []*item) {
	sum := uint64(0)
	for _, it := range items {
		sum += it.spot + it.sequence + uint64(it.xid) + uint64(it.bytes)
	}
	runtime.KeepAlive(sum)
}

// prefetchExisting reads where the items are remembered to be there.
func (m *Machine) prefetchExisting(items []*item) {
	sum := uint64(0)
	for _, it := range items[:min(len(items), len(m.known.existing.places))] {
		sum += *m.known.existing.at(it)
	}
	runtime.KeepAlive(sum)
}

// prefetchReleased reads the next items that are about to be released, and where
// they are found by their keys.
func (m *Machine) prefetchReleased(items []*item) {
	items = items[:min(len(items), prefetchAtOnce)]
	m.prefetchItems(items)
	sum := uint64(0)
	for _, it := range items {
		sum += m.keys.at(it.hash).hash
	}
	runtime.KeepAlive(sum)
}

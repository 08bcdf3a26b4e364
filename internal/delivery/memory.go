package delivery

import "github.com/cdcsync/cdcsync/internal/mapping"

// memory is what the items hold.
type memory struct {
	items, bytes int
	// fetched is the part of bytes that was read from tables.
	fetched int
	// free are items that are over, to be used again.
	free []*item
}

// itemBytes is what an item costs besides the bytes of its write: the item
// itself, its place in the index of keys and in its batch.
const itemBytes = 320

// full reports whether as much is held in memory as may be.
func (m *Machine) full() bool {
	return m.memory.items >= m.cfg.MaxPending || m.memory.bytes >= m.cfg.MaxPendingBytes
}

// liveItems counts the items but those of backfills that no call carries: nobody
// waits for these when the Machine stops.
func (m *Machine) liveItems() int { return m.memory.items - m.feeds.waiting }

// Load returns what is held in memory: objects, and the bytes they hold.
func (m *Machine) Load() (objects, bytes int) { return m.memory.items, m.memory.bytes }

// add counts a new item.
func (m *Machine) add(it *item) {
	m.memory.items++
	m.memory.bytes += int(it.bytes)
	m.states[it.mapping].pending++
	m.states[it.mapping].bytes += int(it.bytes)
}

// sizeOf is what an item of a write holds in memory, about.
func sizeOf(w *mapping.Write) int32 { return int32(w.Bytes + itemBytes) }

// resized accounts for an item that held so many bytes before.
func (m *Machine) resized(it *item, before int32) {
	m.memory.bytes += int(it.bytes) - int(before)
	m.states[it.mapping].bytes += int(it.bytes) - int(before)
}

// blankItem returns an item with nothing in it, in the memory of one that is over.
func (m *Machine) blankItem() *item {
	if n := len(m.memory.free); n > 0 {
		it := m.memory.free[n-1]
		m.memory.free = m.memory.free[:n-1]
		return it
	}
	return new(item)
}

// itemOf returns the newest item of the queue, of a write: its fields are set one
// by one, as to make it anew and copy it costs more.
func (m *Machine) itemOf(w *mapping.Write, hash uint64, folded bool) *item {
	m.queue.sequence++
	it := m.blankItem()
	it.content = contentOf(w)
	it.mapping, it.key, it.hash, it.folded = int32(w.Mapping), w.Key, hash, folded
	it.bytes, it.sequence = sizeOf(w), m.queue.sequence
	return it
}

// forget keeps the memory of an item that is over for the next one.
func (m *Machine) forget(it *item) {
	*it = item{}
	if len(m.memory.free) < 10_000 {
		m.memory.free = append(m.memory.free, it)
	}
}

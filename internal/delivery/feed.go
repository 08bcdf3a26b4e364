package delivery

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// feed is whom an item is from. It says who is told that it is settled, and
// whether it may be merged (mayMerge), and which lanes it waits in.
type feed uint8

const (
	// fromStream: its transaction waits for it in the window.
	fromStream feed = iota
	// fromParked: a parked object that is tried again; its entry waits for it.
	fromParked
	// fromBackfill: a row that was handed in; its ticket waits for it. An item
	// of the stream may have a ticket, too: then it stands for both.
	fromBackfill
)

// windowed reports whether a transaction waits for it.
func (it *item) windowed() bool { return it.feed == fromStream }

// class says whose turn it is: objects of a backfill go when no live ones have
// to, within bounds, or where a call has room.
type class uint8

const (
	live class = iota
	bulk
	classes
)

func (f feed) class() class {
	if f == fromBackfill {
		return bulk
	}
	return live
}

// Offered hands in rows of a backfill, outside a transaction, where the stream
// has brought all that their snapshot sees and nothing else of them. They are
// settled like changes, but for what is refused: that is kept as Save.Refused.
type Offered struct {
	// Ticket is given back when all of them are settled; it is used once in a
	// life. Feed is the name of the backfill.
	Ticket uint64
	Feed   string
	// Writes may lack values, with Reread; none is Partial. A Removal of an object
	// that no row wants has Ask, as a row may come to want it. The Machine keeps
	// nothing of the slice itself.
	Writes []mapping.Write
	// Cursor is saved when these and all earlier ones of the feed are settled.
	Cursor string
	// Refused has, by the keys of rows that were refused before, the feeds that keep
	// them as that. Once such a row is settled they do no more, but for Feed where it
	// is refused again. The Machine reads it until all are settled.
	Refused map[string][]string
	// Force has them sent although Marketo is known to have them.
	Force bool
	// Announced is how many objects of the mapping the backfill may create in an hour:
	// see creations. Zero means any number.
	Announced int
	// Last says that nothing follows soon: they need not wait for a full batch.
	Last bool
}

// TicketSettled says that what was handed in with a ticket is settled, and its
// cursor saved. Those of one feed come in the order in which they were handed in.
type TicketSettled struct{ Ticket uint64 }

// BackfillPaused says that Marketo refuses every object of a backfill, or that it
// creates more of them than were announced: it is
// paused, with that reason.
type BackfillPaused struct {
	Feed    string
	Mapping int
	Reason  string
}

func (*Offered) event()        {}
func (TicketSettled) effect()  {}
func (BackfillPaused) effect() {}

// feeds are the tickets that are not settled and saved.
type feeds struct {
	// tickets are in the order in which they came.
	tickets []*ticket
	// writes counts what is not settled and saved of them: until then it is in
	// memory. bytes is what their tickets brought.
	writes, bytes int
	// waiting counts the items of backfills that no call carries.
	waiting int
	// ended are tickets whose cursors are in the draft of the next save, saving
	// those of the save under way.
	ended, saving []uint64
	// last is set when no more rows are expected soon.
	last  bool
	share bulkShare
}

// ticket is what rows of a backfill settle.
type ticket struct {
	id     uint64
	feed   string
	cursor string
	// refused is Offered's.
	refused map[string][]string
	force   bool
	// announced is Offered's.
	announced int
	// left counts what is not settled, unsaved what is, and not in the store yet.
	left, unsaved, bytes int
}

// feedsShare is the part of memory that feeds other than the stream may take.
const feedsShare = 4

// Credits returns how many writes the Machine takes in Offered now; one piece may
// exceed it.
func (m *Machine) Credits() int {
	if m.end.stopping || m.end.halted != "" || m.feeds.bytes >= m.cfg.MaxPendingBytes/feedsShare {
		return 0
	}
	return max(0, max(1, m.cfg.MaxPending/feedsShare)-m.feeds.writes)
}

// offered takes in what a backfill hands in.
func (m *Machine) offered(now time.Time, ev *Offered) {
	t := &ticket{id: ev.Ticket, feed: ev.Feed, cursor: ev.Cursor, refused: ev.Refused, force: ev.Force, announced: ev.Announced, left: 1}
	m.feeds.tickets = append(m.feeds.tickets, t)
	m.feeds.last = ev.Last
	for writes := range slices.Chunk(ev.Writes, prefetchAtOnce) {
		keys := hashKeys(writes)
		m.prefetchOffered(&keys)
		for i := range writes {
			m.offer(now, t, &writes[i], keys[i])
		}
	}
	m.punch(t)
}

// hashedKey is what HashKey says of a key.
type hashedKey struct {
	hash   uint64
	folded bool
}

func hashKeys(writes []mapping.Write) (keys [prefetchAtOnce]hashedKey) {
	for i := range writes {
		keys[i].hash, keys[i].folded = HashKey(writes[i].Key)
	}
	return keys
}

// offer takes in one row: as a part of the change of its key that waits, or as
// an item of its own.
func (m *Machine) offer(now time.Time, t *ticket, w *mapping.Write, key hashedKey) {
	t.left++
	t.bytes += w.Bytes + itemBytes
	m.feeds.writes++
	m.feeds.bytes += w.Bytes + itemBytes
	state := &m.states[w.Mapping]
	state.count.Offered++
	hash := m.keys.hash(key.hash)
	if m.hasNewerRow(hash, w) {
		state.count.Coalesced++
		m.unrefuse(t, w.Key, false)
		m.feeds.writes--
		m.punch(t)
		return
	}
	head := m.keys.first(hash, w.Key)
	if head != nil && m.mergeOffered(now, head.last, t, w) {
		state.count.Coalesced++
		return
	}
	it := m.itemOf(w, hash, key.folded)
	it.feed, it.ticket, it.since = fromBackfill, t, stampOf(now)
	m.add(it)
	m.feeds.waiting++
	m.chain(now, head, it)
}

// hasNewerRow reports whether the row was read in this life, by itself, and the
// stream has brought nothing since that it did not have: then it is as new as
// what a backfill hands in, or newer, and changes that the stream still has to
// bring are taken for sent with it.
func (m *Machine) hasNewerRow(hash uint64, w *mapping.Write) bool {
	row, ok := m.reads.rows.find(hash)
	return ok && row.key == w.Key && int(row.mapping) == w.Mapping
}

// mergeOffered merges a row into the newest change of its key, if that waits.
func (m *Machine) mergeOffered(now time.Time, it *item, t *ticket, w *mapping.Write) bool {
	was := it.wants()
	if !it.idle() || m.undecided(it) || !m.blend(it, w, fromBackfill, t) {
		return false
	}
	it.ticket = t
	m.relane(now, it, was)
	return true
}

// punch notes that one write of a ticket is settled.
func (m *Machine) punch(t *ticket) {
	if t.left--; t.left > 0 {
		return
	}
	m.leaveMemory(t)
	var open []string
	m.feeds.tickets = slices.DeleteFunc(m.feeds.tickets, func(t *ticket) bool {
		if t.left > 0 || slices.Contains(open, t.feed) {
			open = append(open, t.feed)
			return false
		}
		m.ledger.draft.Cursors = append(m.ledger.draft.Cursors, checkpoint.Cursor{Feed: t.feed, Value: t.cursor})
		m.feeds.ended = append(m.feeds.ended, t.id)
		return true
	})
}

// settleTicket is what settling an item is to the backfill that handed it in.
func (m *Machine) settleTicket(it *item) {
	m.unrefuse(it.ticket, it.key, it.refused)
	it.ticket.unsaved++
	m.punch(it.ticket)
}

// ticketReleased gives back what an item, whose end is in the store, took of the part
// of feeds: not before, or rows that Marketo has already would fill memory while a save
// takes its time.
func (m *Machine) ticketReleased(t *ticket) {
	t.unsaved--
	m.feeds.writes--
	m.leaveMemory(t)
}

// leaveMemory gives back the bytes of a ticket of which nothing is in memory any more.
func (m *Machine) leaveMemory(t *ticket) {
	if t.left == 0 && t.unsaved == 0 {
		m.feeds.bytes -= t.bytes
	}
}

// ticketsSaved tells whose cursors are in the store.
func (m *Machine) ticketsSaved() {
	for _, id := range m.feeds.saving {
		m.emit(TicketSettled{Ticket: id})
	}
	m.feeds.saving = m.feeds.saving[:0]
}

// adopt makes an item of a backfill one of the stream, as a change of its key has
// joined it: the open transaction waits for it from now on.
func (m *Machine) adopt(it *item, ref checkpoint.Ref, from uint32, committed stamp) {
	if it.feed != fromBackfill {
		return
	}
	m.feeds.waiting--
	it.feed, it.ref, it.from, it.committed = fromStream, ref, from, committed
}

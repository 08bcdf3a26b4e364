package simulation

import (
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// backfill is what the world has of a backfill: its reader, which is part of the
// process, and what every snapshot has to see. It takes the rows of all tables
// whose mappings write whole objects.
type backfill struct {
	// visible counts the transactions that some look at the database has seen, or
	// that the stream has brought: no later snapshot sees fewer.
	visible int
	// next is the key that follows the rows which were handed in.
	next  int32
	chunk chunk
	// tickets are those that are not settled, oldest first, with the keys that
	// follow them; last is the number of the newest.
	tickets []ticket
	last    uint64
	largest int
	// created has when Marketo's word came that rows were created of keys that
	// nothing else has changed, by mapping, since the life began or the backfill was
	// resumed; many is when these were more than announced in an hour.
	created [len(mappings)][]time.Duration
	many    [len(mappings)]time.Duration
}

type ticket struct {
	number uint64
	next   int32
}

// chunk is rows that were read and are not handed in yet.
type chunk struct {
	open bool
	// from and to are its keys; sees is how many transactions its snapshot sees,
	// mark how many there were when its mark was put into the WAL.
	from, to   int32
	sees, mark int
}

func (b *backfill) closeChunk() { b.chunk = chunk{} }

// dropChunk gives up what was read: the stream may come to its mark by another
// connection, which did not follow it from the start. It is read again.
func (s *Simulator) dropChunk() {
	if s.backfill.chunk.open {
		s.backfill.closeChunk()
		s.planChunk()
	}
}

// beginBackfill goes on where the store says that an earlier life was.
func (s *Simulator) beginBackfill() {
	b := &s.backfill
	b.closeChunk()
	b.forgetCreated()
	b.tickets, b.last, b.next = b.tickets[:0], 0, s.disk.now.cursor
	if s.profile.backfill && int(b.next) < len(s.keys) {
		s.planChunk()
	}
}

func (s *Simulator) planChunk() {
	longest := s.profile.commitEvery
	if s.healed {
		longest /= 10
	}
	s.planFor(s.exponential(longest), evChunk, 0)
}

// readChunk takes a snapshot, and what rows there are in it.
func (s *Simulator) readChunk() {
	b, r := &s.backfill, &s.reader
	if s.process.stopping || int(b.next) >= len(s.keys) {
		return
	}
	if !r.connected || b.chunk.open || s.process.machine.Credits() == 0 {
		s.planFor(s.between(time.Second, time.Hour), evChunk, 0)
		return
	}
	c := chunk{open: true, from: b.next, to: min(b.next+1+int32(s.rng.IntN(8)), int32(len(s.keys))), mark: len(s.txs)}
	least := max(b.visible, r.tx)
	if r.inside {
		least = max(least, r.tx+1)
	}
	// Some commits are in the WAL, and nobody sees them yet.
	c.sees = least + s.rng.IntN(c.mark-least+1)
	b.visible, b.chunk = c.sees, c
	s.covered.Chunks++
	s.tracef("chunk of keys %d to %d: sees %d transactions, mark behind %d", c.from, c.to-1, c.sees, c.mark)
	if s.atMark() {
		s.offerAtMark()
	}
}

// atMark reports whether the stream has come to the mark of the chunk.
func (s *Simulator) atMark() bool {
	c, r := &s.backfill.chunk, &s.reader
	return c.open && (r.tx >= c.mark || s.plant.early) && !r.inside && !r.begun
}

// offerAtMark hands the rows of the chunk in that no transaction has touched
// which their snapshot did not see.
func (s *Simulator) offerAtMark() {
	if !s.process.alive() || !s.atMark() {
		return
	}
	b := &s.backfill
	c := b.chunk
	b.closeChunk()
	offer := &delivery.Offered{Feed: "backfill:1", Cursor: strconv.Itoa(int(c.to)), Last: int(c.to) == len(s.keys), Announced: s.profile.announced}
	for k := c.from; k < c.to; k++ {
		if touched := !s.plant.keepTouched && s.touched(k, c.sees, c.mark); !s.offerRemoval(offer, k, c.sees) && !touched {
			s.offerRow(offer, k, c.sees)
		}
	}
	b.last++
	offer.Ticket = b.last
	b.tickets, b.next = append(b.tickets, ticket{b.last, c.to}), c.to
	b.largest = max(b.largest, len(offer.Writes))
	s.covered.Offered += len(offer.Writes)
	s.tracef("ticket %d: %d rows of keys %d to %d", offer.Ticket, len(offer.Writes), c.from, c.to-1)
	s.step(offer)
	if s.process.alive() {
		s.planChunk()
	}
}

// touched reports whether a transaction in [from, to) has changed the key.
func (s *Simulator) touched(k int32, from, to int) bool {
	for i := s.keys[k].last; i != 0 && int(s.changes[i].tx) >= from; i = s.changes[i].previous {
		if int(s.changes[i].tx) < to {
			s.covered.Touched++
			return true
		}
	}
	return false
}

// offerRow adds the row that a key had after so many transactions, if it had one
// that matches.
func (s *Simulator) offerRow(offer *delivery.Offered, k int32, sees int) {
	key := &s.keys[k]
	if !backfills(key.mapping) {
		return
	}
	i := key.last
	for i != 0 && int(s.changes[i].tx) >= sees {
		i = s.changes[i].previous
	}
	c := &s.changes[i]
	if i == 0 && !key.old || i != 0 && (c.removal || c.hides) {
		return
	}
	w := mapping.Write{Mapping: key.mapping, Key: s.text(k), Operation: mappings[key.mapping].operation, Bytes: 50}
	if i == 0 {
		value := int32(len(texts) - 1 - int(k))
		w.Object = s.object(k, 0, value, value)
	} else {
		b := c.rowB
		if b == null {
			b = omitted
		}
		w.Object = s.object(k, i, c.a, b)
		if c.problem {
			w.Problem = badRow
		}
	}
	key.offered, key.inexact = i+1, true
	offer.Writes = append(offer.Writes, w)
}

// offerRemoval adds, now and then, the removal of an object whose row was gone after
// so many transactions: an audit has found it. What the stream has of the key since
// does not keep it from being handed in, as there is no row to tell that by.
func (s *Simulator) offerRemoval(offer *delivery.Offered, k int32, sees int) bool {
	key := &s.keys[k]
	if !backfills(key.mapping) {
		return false
	}
	i := key.last
	for i != 0 && int(s.changes[i].tx) >= sees {
		i = s.changes[i].previous
	}
	if c := &s.changes[i]; i == 0 || !c.removal || c.hides || c.operation != marketo.Delete || !s.chance(removed) {
		return false
	}
	w := s.write(i)
	w.Ask, w.Reread, w.Partial = !s.plant.unasked, false, false
	key.offered, key.inexact = i+1, true
	offer.Writes = append(offer.Writes, w)
	s.covered.Removed++
	return true
}

// removed is the part of the rows that are gone whose objects are to be removed.
const removed = 0.3

// backfills reports whether the rows of a mapping are handed in.
func backfills(mapping int) bool { return mappings[mapping].operation == marketo.Upsert }

// ticketSettled: the cursor of a ticket is in the store before anybody is told
// so, and tickets end in order.
func (s *Simulator) ticketSettled(number uint64) {
	b := &s.backfill
	if len(b.tickets) == 0 || b.tickets[0].number != number {
		s.fail("I9", "ticket %d is settled, the oldest is another", number)
	}
	if s.disk.now.cursor < b.tickets[0].next {
		s.fail("I9", "ticket %d is settled, its cursor is not saved", number)
	}
	s.covered.Cursors++
	b.tickets = b.tickets[1:]
}

func (b *backfill) forgetCreated() {
	for i := range b.created {
		b.created[i], b.many[i] = nil, 0
	}
}

// noteCreated counts a row that was created of a key that nothing else has changed.
func (s *Simulator) noteCreated(k int32) {
	b, key := &s.backfill, &s.keys[k]
	if s.profile.announced == 0 || key.last != 0 || key.offered == 0 {
		return
	}
	created := append(b.created[key.mapping], s.now)
	b.created[key.mapping] = created
	// The machine counts by minutes.
	if n := s.profile.announced; len(created) > n && s.now-created[len(created)-1-n] < 58*time.Minute && b.many[key.mapping] == 0 {
		b.many[key.mapping] = s.now
		s.covered.Announced++
	}
}

// checkAnnounced: where a backfill has created more objects than were announced, it
// sends no more until somebody resumes it, but what a call that was not answered may
// have created already.
func (s *Simulator) checkAnnounced(k int32) {
	key := &s.keys[k]
	if many := s.backfill.many[key.mapping]; many != 0 && key.last == 0 && len(key.unknown) == 0 && s.now > many+time.Minute {
		s.fail("creations", "a row of mapping %d is sent, although more were created than announced", key.mapping)
	}
}

func (s *Simulator) resumeBackfill() {
	s.backfill.forgetCreated()
	for i := range mappings {
		s.step(delivery.Pause{Mapping: i, Backfill: true})
		if !s.process.alive() {
			return
		}
	}
}

// checkOffered: a row of a backfill is never sent after a newer one. It reports
// whether that is what is sent.
func (s *Simulator) checkOffered(k, stamp int32) bool {
	key := &s.keys[k]
	if key.offered != stamp+1 || key.named == stamp+1 {
		return false
	}
	newest := stamp
	if stamp != 0 && (stamp == key.wentFor || stamp == key.differed) && s.changes[stamp].removal {
		newest = max(stamp, key.wentAt)
	}
	if newest < key.floor {
		s.fail("I9", "key %d: a row with change %d is sent after change %d", k, stamp, key.floor)
	}
	return true
}

// offeredOf returns the changes that refused rows had.
func (s *Simulator) offeredOf(refused []checkpoint.Refused) map[int32]int32 {
	if len(refused) == 0 {
		return nil
	}
	s.covered.RowsRefused += len(refused)
	of := make(map[int32]int32, len(refused))
	for _, r := range refused {
		k := parseKey(r.Key)
		if s.keys[k].offered == 0 {
			s.fail("I9", "key %d is refused, and no backfill has handed it in", k)
		}
		of[k] = s.keys[k].offered - 1
		// Nothing is parked that would stand for what the row had, and what follows is not
		// that row.
		key := &s.keys[k]
		key.covers, key.ahead = 0, 0
		key.read, key.fromRow, key.asked, key.whole = 0, 0, 0, false
	}
	return of
}

// backfilled reports whether nothing is left to be done.
func (s *Simulator) backfilled() bool {
	return !s.profile.backfill || int(s.disk.now.cursor) == len(s.keys) && len(s.backfill.tickets) == 0
}

// compareBackfilled holds an object against its row, where no change has been
// since the row was handed in. It reports whether that is all there is to compare.
func (s *Simulator) compareBackfilled(k, last int32, have object) bool {
	key := &s.keys[k]
	if !s.profile.backfill || !backfills(key.mapping) {
		return false
	}
	if i, refused := s.disk.now.refused[k]; refused && i == last {
		return true
	}
	if last != 0 {
		return false
	}
	if key.old && key.last == 0 && (!have.present || have.a != key.a || have.b != key.b) {
		s.fail("I9", "key %d, whose row is older than the slot, is %+v at marketo", k, have)
	}
	return true
}

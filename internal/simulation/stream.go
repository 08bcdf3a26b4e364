package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// slot is the server's memory of how far it was told to forget. A crash of
// the server takes it back to what is on its disk.
type slot struct{ memory, disk LSN }

// reader reads the stream for one life of the process. Like the one that the
// machine's shell has, it keeps its place in memory: after a broken connection
// it goes on behind what it has handed over, and skips by count the changes of
// a transaction that was cut.
type reader struct {
	connected, due bool
	received       LSN
	inside         bool
	final          LSN
	seq, skip      uint64
	// tx and change are the place of the server in the WAL; begun is set when
	// the BEGIN of tx was sent.
	tx      int
	change  int32
	begun   bool
	entries []delivery.Entry
	// stops are the mappings of which nothing more is handed over.
	stops [len(mappings)]bool
	// left are those of which the machine takes nothing more.
	left [len(mappings)]bool
}

// connect starts streaming.
func (s *Simulator) connect() {
	r := &s.reader
	if !s.process.alive() || r.connected || s.process.stopping {
		return
	}
	from := max(r.received, s.slot.memory)
	r.connected, r.tx, r.begun = true, s.txAfter(from), false
	s.tracef("streaming from %s", from)
	if s.process.acknowledged > s.slot.memory {
		s.slot.memory = s.process.acknowledged
	}
	s.notice()
}

func (s *Simulator) disconnect() {
	if s.reader.connected {
		s.reader.connected = false
		s.covered.Disconnects++
		s.dropChunk()
		s.tracef("connection lost")
		s.planFor(s.between(10*time.Millisecond, 20*time.Second), evConnect, 0)
	}
}

// notice plans the next piece when there is something to read and the machine
// takes it.
func (s *Simulator) notice() {
	r := &s.reader
	if !r.connected || r.due || !s.process.alive() {
		return
	}
	if !s.process.machine.Accepting() {
		s.covered.notAccepting(s)
		return
	}
	if r.tx < len(s.txs) {
		r.due = true
		s.planFor(s.between(0, 5*time.Millisecond), evDeliver, 0)
		return
	}
	if r.received < s.walEnd && (s.healed || s.rng.IntN(4) == 0) {
		r.due = true
		s.planFor(s.between(0, 3*time.Second), evKeepalive, 0)
	}
}

// keepalive brings the server's WAL end.
func (s *Simulator) keepalive() {
	r := &s.reader
	r.due = false
	if !r.connected || !s.process.machine.Accepting() {
		return
	}
	if r.tx < len(s.txs) {
		s.notice()
		return
	}
	mark := delivery.Entry{Kind: delivery.EntryMark, LSN: s.walEnd, Urgent: s.rng.IntN(4) == 0}
	r.received = s.walEnd
	s.covered.Marks++
	if mark.Urgent {
		s.covered.Urgent++
	}
	r.entries = append(r.entries[:0], mark)
	s.tracef("mark %s", mark.LSN)
	s.step(&delivery.Received{Entries: r.entries})
}

// deliver hands the next piece of the stream to the machine.
func (s *Simulator) deliver() {
	r := &s.reader
	r.due = false
	if !r.connected || !s.process.machine.Accepting() {
		return
	}
	r.entries = r.entries[:0]
	for len(r.entries) < s.profile.piece && r.tx < len(s.txs) && !s.atMark() {
		s.send(&s.txs[r.tx])
	}
	if s.reader.inside && s.rng.IntN(8) == 0 {
		// What a server says of its WAL end inside a transaction.
		r.entries = append(r.entries, delivery.Entry{Kind: delivery.EntryMark, LSN: s.txs[r.tx].end})
	}
	if len(r.entries) > 0 {
		s.process.pieces = max(s.process.pieces, len(r.entries))
		s.step(&delivery.Received{Entries: r.entries})
	}
	s.offerAtMark()
}

// send is the server's next message about t, as the reader takes it.
func (s *Simulator) send(t *transaction) {
	r := &s.reader
	switch {
	case !r.begun:
		r.begun, r.change = true, t.first
		if r.inside {
			if r.final != t.final {
				s.fail("reader", "transaction %s was not finished, but %s follows", r.final, t.final)
			}
			r.skip, r.seq = max(r.skip, r.seq), 0
			s.covered.CutTransactions++
			if s.plant.forgetSkip {
				r.skip--
			}
			return
		}
		r.inside, r.final, r.seq, r.skip = true, t.final, 0, 0
		r.entries = append(r.entries, delivery.Entry{Kind: delivery.EntryBegin, LSN: t.final, Time: epoch.Add(t.at), XID: uint32(s.xid(r.tx))})
	case r.change < t.first+t.n:
		s.sendChange(t)
	default:
		r.inside, r.begun = false, false
		r.received = t.end
		r.tx++
		s.backfill.visible = max(s.backfill.visible, r.tx)
		r.entries = append(r.entries, delivery.Entry{Kind: delivery.EntryCommit, LSN: t.end})
	}
}

// sendChange sends one row change: all the writes that it became.
func (s *Simulator) sendChange(t *transaction) {
	r := &s.reader
	r.seq = s.changes[r.change].seq
	s.breakAt(int(s.keys[s.changes[r.change].key].mapping))
	for r.change < t.first+t.n && s.changes[r.change].seq == r.seq {
		if r.seq > r.skip {
			w := s.write(r.change)
			if r.stops[w.Mapping] || r.left[w.Mapping] && s.rng.IntN(4) > 0 {
				r.change++
				continue
			}
			r.entries = append(r.entries, delivery.Entry{Kind: delivery.EntryWrite, Seq: r.seq, Write: w})
			s.process.delivered[w.Mapping]++
			s.covered.change(&s.changes[r.change])
		}
		if r.seq > r.skip {
			s.went(r.change)
		}
		r.change++
	}
}

// xid is the number of the transaction with that index, as PostgreSQL counts
// them: in the stream only its lower half is left, of which it leaves out the
// first three.
func (s *Simulator) xid(tx int) uint64 {
	first := [...]uint64{1000, 1<<32 - 10, 5<<32 - 40}[s.options.Seed%3]
	n := first + uint64(tx)
	if n>>32 != first>>32 {
		n += 3
	}
	return n
}

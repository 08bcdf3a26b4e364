package simulation

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// checkSend holds a call against the rules of batches, of limits and of keys.
func (s *Simulator) checkSend(r *request) {
	s.checkBatch(r)
	s.checkRecorded(r)
	s.checkPaused(r)
	for i, k := range r.keys {
		s.checkKey(k, r.stamps[i])
	}
}

// checkBatch: one type, one operation, within the size, no key twice.
func (s *Simulator) checkBatch(r *request) {
	capacity := &s.profile.config.Capacity
	if n := len(r.keys); n == 0 || n > capacity.Objects {
		s.fail("I5", "a call with %d objects, the capacity is %d", n, capacity.Objects)
	}
	size := capacity.Envelope
	for i, k := range r.keys {
		if o := r.batch.Objects[i]; o.Shape.Type != r.batch.Type || o.Shape != mappings[s.keys[k].mapping].shape {
			s.fail("I5", "an object of type %s in a call of type %s", o.Shape.Type, r.batch.Type)
		}
		if deleted := s.removes(r.stamps[i]); deleted != (r.batch.Operation == marketo.Delete) {
			s.fail("I5", "change %d in a call that does %s", r.stamps[i], r.batch.Operation)
		}
		if c := &s.changes[r.stamps[i]]; c.held && s.keys[k].wentFor != r.stamps[i] && s.keys[k].differed != r.stamps[i] {
			s.fail("held", "key %d is removed with change %d, although a row holds it", k, r.stamps[i])
		}
		for _, other := range r.keys[:i] {
			if other == k || other == s.twin(k) {
				s.fail("I5", "key %d twice in a call", k)
			}
		}
		if capacity.Bytes > 0 {
			size += capacity.Size(r.batch.Objects[i], r.batch.Operation)
		}
	}
	if capacity.Bytes > 0 && size > capacity.Bytes {
		s.fail("I5", "a call of %d bytes, the capacity is %d", size, capacity.Bytes)
	}
}

// checkRecorded: the store has a call, with all its keys, before it is sent.
func (s *Simulator) checkRecorded(r *request) {
	for _, c := range s.disk.now.inFlight {
		if c.ID != r.id|s.disk.life<<lifeBits {
			continue
		}
		for i, key := range c.Keys {
			if i >= len(r.keys) || parseKey(key) != r.keys[i] {
				s.fail("I4", "call %d has the keys %v, the store has others", r.id, r.keys)
			}
		}
		if len(c.Keys) == len(r.keys) {
			return
		}
	}
	s.fail("I4", "call %d with the keys %v is sent, and the store does not have it", r.id, r.keys)
}

// limits is what Marketo counts.
type limits struct {
	starts   []time.Duration
	dayEnd   time.Duration
	dayCalls int
	// forgotten counts the calls of the day that a loss of power took from
	// the store.
	forgotten int
	// late counts the calls of the day that left long after they were counted:
	// maybe on the day before, which is known when they are answered.
	late int
}

// checkLimits: no limit is exceeded in any window, over all lives.
func (s *Simulator) checkLimits(late bool) {
	allowed, l := &s.profile.config.Limits, &s.limits
	if n := allowed.CallsPer20s; n > 0 && len(l.starts) >= n && s.now-l.starts[len(l.starts)-n] < marketo.Window {
		s.fail("I5", "more than %d calls in 20 seconds", n)
	}
	if len(l.starts) >= 256 {
		l.starts = append(l.starts[:0], l.starts[192:]...)
	}
	l.starts = append(l.starts, s.now)
	s.process.flying++
	if n := allowed.ConcurrentCalls; n > 0 && s.process.flying > n {
		s.fail("I5", "%d calls at once, %d are allowed", s.process.flying, n)
	}
	if s.now >= l.dayEnd {
		l.dayEnd, l.dayCalls, l.forgotten, l.late = s.dayEnd(), 0, 0, 0
		s.covered.Days++
	}
	l.dayCalls++
	if late {
		l.late++
	}
	if known := s.disk.now.quota.Calls; known < l.dayCalls-l.forgotten-l.late && !s.profile.clock {
		s.fail("I5", "call %d of a day is made, the store knows of %d", l.dayCalls, known)
	}
	if allowed.CallsPerDay > 0 && l.dayCalls > s.dayLimit()+l.forgotten {
		s.fail("I5", "call %d of a day, %d are allowed", l.dayCalls, s.dayLimit())
	}
}

// checkKey: one call at a time, in order, nothing that is settled, and nothing
// new beside a call that may still be executed.
func (s *Simulator) checkKey(k, stamp int32) {
	key := &s.keys[k]
	if key.flying++; key.flying > 1 || k != s.twin(k) && s.keys[s.twin(k)].flying > 0 {
		s.fail("I4", "two calls in flight with key %d", k)
	}
	// What the table decides is as new as the look at it.
	if s.checkOffered(k, stamp) {
		s.checkAnnounced(k)
		s.checkAhead(k, stamp)
		s.checkUnknown(k, stamp)
		return
	}
	fromRow := stamp == key.fromRow || stamp != 0 && (stamp == key.wentFor || stamp == key.differed)
	if !fromRow {
		if stamp < key.floor {
			s.fail("I4", "key %d: change %d is sent after change %d", k, stamp, key.floor)
		}
		key.floor = stamp
	}
	if !fromRow && s.durable(k, stamp) {
		s.fail("redelivery", "key %d: change %d is sent again though the store has it as settled", k, stamp)
	}
	s.checkAhead(k, stamp)
	s.checkUnknown(k, stamp)
}

// checkUnknown: nothing new goes beside a call that may still be executed.
func (s *Simulator) checkUnknown(k, stamp int32) {
	key := &s.keys[k]
	kept := key.unknown[:0]
	for _, u := range key.unknown {
		if u.start+serverLimit <= s.now {
			continue
		}
		if u.stamp != stamp {
			s.fail("I4", "key %d: change %d is sent while a call with change %d may still be executed", k, stamp, u.stamp)
		}
		kept = append(kept, u)
		s.covered.Repeated++
	}
	key.unknown = kept
}

// durable reports whether the store, as it is now, has the change as settled.
func (s *Simulator) durable(k, stamp int32) bool {
	return s.disk.now.through[k] >= stamp || s.end(stamp) <= s.disk.now.lsn || s.settledTo(s.disk.now.to, k, stamp)
}

// settledTo reports whether to has a change of a key as settled.
func (s *Simulator) settledTo(to *checkpoint.SettledTo, k, stamp int32) bool {
	if to == nil || s.position(stamp).Compare(to.Through) > 0 {
		return false
	}
	if s.stoppedFrom(to, k, stamp) {
		return false
	}
	return !slices.ContainsFunc(to.Except, func(e checkpoint.Unsettled) bool {
		key := parseKey(e.Key)
		return (key == k || key == s.twin(k)) && e.From.Compare(s.position(stamp)) <= 0
	})
}

// checkSettledTo: what it says to be settled is.
func (s *Simulator) checkSettledTo(to *checkpoint.SettledTo) {
	for i := s.low; int(i) < len(s.changes) && s.position(i).Compare(to.Through) <= 0; i++ {
		if k := s.changes[i].key; !s.changes[i].settled && s.settledTo(to, k, i) {
			s.fail("I6", "change %d of key %d is saved as settled, as all is to %v, which it is not", i, k, to.Through)
		}
	}
}

// checkMove: the checkpoint never goes back.
func (s *Simulator) checkMove(sv *save) {
	if sv.Checkpoint != 0 && sv.Checkpoint < s.disk.now.lsn {
		s.fail("I2", "the checkpoint goes back from %s to %s", s.disk.now.lsn, sv.Checkpoint)
	}
}

// checkSaved: the checkpoint is below everything unsettled, what is called
// settled is, and every confirmation before the save is in it.
func (s *Simulator) checkSaved(sv *save) {
	lsn := s.disk.now.lsn
	if lsn > s.walEnd {
		s.fail("I1", "checkpoint %s is beyond the WAL end %s", lsn, s.walEnd)
	}
	if int(s.low) < len(s.changes) && lsn >= s.end(s.low) {
		s.fail("I1", "checkpoint %s, but change %d of %s is not settled", lsn, s.low, s.end(s.low))
	}
	for _, e := range sv.Settled {
		k := parseKey(e.Key)
		if i := s.changeOf(k, e.Through); i == 0 || !s.changes[i].settled {
			s.fail("I6", "key %d is saved as settled through %v, which it is not", k, e.Through)
		}
	}
	if sv.SettledTo != nil {
		s.checkSettledTo(sv.SettledTo)
	}
	for _, c := range sv.fresh {
		if s.reader.stops[s.keys[c.key].mapping] {
			continue // from where it was stopped on all comes again, what was parked and has been confirmed, too
		}
		if !s.durable(c.key, c.through) && !s.durable(s.changes[c.through].key, c.through) {
			s.fail("redelivery", "key %d: change %d was confirmed before save %d, which does not say so", c.key, c.through, sv.number)
		}
	}
}

// checkAcknowledged: only what would survive a loss of power is acknowledged.
func (s *Simulator) checkAcknowledged(lsn LSN) {
	if lsn > s.disk.synced.lsn {
		s.fail("I1", "acknowledged %s, the synced checkpoint is %s", lsn, s.disk.synced.lsn)
	}
	if lsn <= s.process.acknowledged {
		s.fail("I2", "acknowledged %s after %s", lsn, s.process.acknowledged)
	}
}

// checkStep: the books balance, memory is bounded, and time goes on.
func (s *Simulator) checkStep() {
	p, config := &s.process, &s.profile.config
	for i := range mappings {
		m := p.machine.Balance(i)
		sum := m.Replayed + m.Coalesced + m.Unchanged + m.Confirmed + m.Parked + m.Refused + m.Gone + m.Kept + m.Left + uint64(m.Pending)
		if m.Received != p.delivered[i] || m.Received+m.Retried+m.Offered != sum {
			s.fail("conservation", "mapping %d: %d received of %d, %d accounted for", i, m.Received, p.delivered[i], sum)
		}
	}
	s.checkShare()
	objects, bytes := p.machine.Load()
	// What an earlier life held has to be known again before anything is sent,
	// and a removal does not merge before its transaction has ended.
	pieces := p.pieces + p.earlier + s.longest
	room := 1
	if s.disk.life > 1 && s.rowsCover {
		room = 2 // what a row covered that has gone since comes again one by one
	}
	pieces += s.backfill.largest
	if most := room*config.MaxPending + pieces + len(s.disk.now.parked); objects > most {
		s.fail("memory", "%d objects pending, at most %d are allowed", objects, most)
	}
	if most := room*config.MaxPendingBytes + (pieces+len(s.disk.now.parked))*1000; bytes > most {
		s.fail("memory", "%d bytes pending, at most %d are allowed", bytes, most)
	}
	if s.now != p.idleAt {
		p.idleAt, p.idle = s.now, 0
	}
	if p.idle++; p.idle > 1000 {
		s.fail("liveness", "the machine asks to be woken again and again: %s", s.condition())
	}
}

// checkFinished: an orderly end leaves nothing behind.
func (s *Simulator) checkFinished(delivery.Finished) {
	switch {
	case s.process.flying > 0:
		s.fail("stop", "finished with %d calls in flight", s.process.flying)
	case s.disk.under != nil || len(s.process.fresh) > 0:
		s.fail("stop", "finished before all was saved")
	case s.process.acknowledged != s.disk.now.lsn:
		s.fail("stop", "finished with %s acknowledged, the checkpoint is %s", s.process.acknowledged, s.disk.now.lsn)
	}
	if !s.disk.now.clean {
		return
	}
	s.covered.CleanEnds++
	for k := range s.keys {
		for _, u := range s.keys[k].unknown {
			if u.start+serverLimit > s.now {
				s.fail("stop", "a clean end, but a call with change %d may still be executed", u.stamp)
			}
		}
	}
}

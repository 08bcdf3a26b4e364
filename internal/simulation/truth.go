package simulation

import (
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// truth is what the world knows of one key.
type truth struct {
	// floor is the newest change that was sent, in any life: nothing older may
	// follow it. Only a loss of power may take it back.
	floor int32
	// lacking is set while Marketo may have made the object of a part of its row.
	lacking bool
	// differed is the change for which a row was read that did not match.
	differed int32
	// wentFor is the change for which a row was read that was not there.
	wentFor int32
	// made is the change of which Marketo has confirmed a part, while the rest is
	// still to come.
	made int32
	// whole is set while the machine has the row, read for what it sends next.
	whole bool
	// asIs is the change that is sent as it is, if it is: the row that was read for it
	// had gone, and what covered it may have been parked since.
	asIs int32
	// excused is set while it may stay so.
	excused bool
	// discarded is the newest change when the operator gave the object up.
	discarded int32
	// flying counts the calls of this life that carry the key.
	flying int
	// unknown are calls that may still be executed.
	unknown []unknownCall
	// refused is the newest change that may be parked for what Marketo said,
	// tries counts how often it asked for another attempt.
	refused int32
	tries   int
	// fromRow is the change whose row was read, for the change asked.
	fromRow, asked int32
	// read is the newest change of the row that was read, but for removals that
	// were not to be made; covers counts those, too. goneLast is the newest that
	// the removal of a row covers.
	read, covers, goneLast int32
	// alsoFor is another change for which the row was, or may have been, read: of
	// the other spelling, or the one that a parked entry has the row of.
	alsoFor int32
	// ahead is the newest change of the rows that were sent in this life.
	ahead int32
	// offered is the change whose row a backfill has handed in, in this life, plus
	// one; 0 for none.
	offered int32
	// named is the change, plus one, that a row which was read goes by, although it has
	// newer ones: Marketo had what they come to.
	named int32
	// wentAt is the newest change that the table had when it told wentFor or differed
	// that no row wants the object: a removal is as new as that look.
	wentAt int32
	// inexact is set once the key's object is not just the sum of its changes.
	inexact bool
}

type unknownCall struct {
	start time.Duration
	stamp int32
}

// confirmation is an object that the machine was told is confirmed.
type confirmation struct{ key, through int32 }

// beginLife forgets what belonged to the last life.
func (s *Simulator) beginLife(powerLost bool) {
	for i := range s.keys {
		k := &s.keys[i]
		rowRead := k.covers != 0
		k.flying, k.tries, k.fromRow, k.asked, k.made, k.whole = 0, 0, 0, 0, 0, false
		k.read, k.covers, k.goneLast, k.ahead, k.alsoFor = 0, 0, 0, 0, 0
		k.differed, k.wentFor, k.asIs, k.offered, k.named = 0, 0, 0, 0, 0
		switch {
		case powerLost:
			k.floor = 0
			// Nobody knows what was in flight. Of the parts that may have made
			// an object, the next life completes those that it holds while it
			// waits: all of them, if it can hold what this one had sent.
			if s.profile.narrow() {
				k.lacking, k.excused = false, k.excused || k.lacking
			}
		case k.floor != 0 && s.position(k.floor).Compare(s.disk.now.sent) > 0:
			s.fail("I4", "change %d was sent, and the store does not know of it", k.floor)
		case rowRead:
			// What was sent may stand for changes that only a row could be sent for.
			k.floor = 0
		}
	}
}

// endLife makes every call in flight one that may still be executed.
func (s *Simulator) endLife() {
	for i := range s.calls {
		if r := &s.calls[i]; r.life == s.process.life && r.left && !r.heard {
			s.mayExecute(r)
			s.covered.CallsCutByDeath++
		}
	}
}

func (s *Simulator) mayExecute(r *request) {
	for i, k := range r.keys {
		s.keys[k].unknown = append(s.keys[k].unknown, unknownCall{r.start, r.stamps[i]})
	}
	s.unsure(r)
}

// unsure: Marketo may have made objects of what a request carries.
func (s *Simulator) unsure(r *request) {
	for i, k := range r.keys {
		if s.part(r, i) {
			s.keys[k].lacking = true
		}
	}
}

// part reports whether a request carries a part only of what an object is.
func (s *Simulator) part(r *request, i int) bool {
	if r.batch.Operation != marketo.Upsert || number(r.batch.Objects[i].Value(3)) != omitted {
		return false
	}
	if k := &s.keys[r.keys[i]]; k.whole || r.stamps[i] == k.asIs {
		return false // there is no more of it
	}
	c := &s.changes[r.stamps[i]]
	for c.set {
		c = &s.changes[c.previous]
	}
	return c.partial
}

// heard takes note of an answer, as it is before any planted mistake.
func (s *Simulator) heard(r *request) {
	r.heard = true
	for _, k := range r.keys {
		s.keys[k].flying--
	}
	fault := r.answer.Fault
	if fault == nil && len(r.answer.Results) != len(r.keys) || fault != nil && fault.Class == marketo.FaultUnknown {
		s.mayExecute(r)
		return
	}
	if fault != nil {
		if fault.Class == marketo.FaultRetry || fault.Class == marketo.FaultTooLarge {
			s.unsure(r)
		}
		refused := fault.Class == marketo.FaultRefused || fault.Class == marketo.FaultTooLarge
		if refused && len(r.keys) == 1 {
			s.keys[r.keys[0]].refused = s.keys[r.keys[0]].standsFor(r.stamps[0])
		}
		return
	}
	for i, k := range r.keys {
		result := r.answer.Results[i]
		if result.Outcome == marketo.Confirmed && result.Status == marketo.Created {
			s.noteCreated(k)
		}
		part, excused := s.part(r, i), s.keys[k].excused
		if part && s.incomplete(k, result) {
			s.keys[k].made = r.stamps[i]
			continue
		}
		s.concluded(k, r.stamps[i], result)
		if n := len(s.process.fresh); part && result.Outcome == marketo.Confirmed {
			s.process.fresh = s.process.fresh[:n-1] // the machine may have the rest sent, too
		}
		s.keys[k].excused = part && excused
	}
}

// incomplete reports whether what Marketo confirms of a part leaves open
// whether it has the rest.
func (s *Simulator) incomplete(k int32, result marketo.Result) bool {
	key := &s.keys[k]
	switch result.Outcome {
	case marketo.Confirmed:
		key.lacking = key.lacking || result.Status == marketo.Created
		if key.lacking {
			s.covered.Completed++
		}
		return key.lacking
	case marketo.Unknown:
		key.lacking = true
	}
	return false
}

func (s *Simulator) concluded(k, stamp int32, result marketo.Result) {
	key := &s.keys[k]
	s.went(stamp)
	s.covered.Outcomes[result.Outcome]++
	switch result.Outcome {
	case marketo.Confirmed:
		through, covers := stamp, key.standsFor(stamp)
		if stamp == key.fromRow {
			through = key.asked
			key.floor = max(key.floor, key.asked)
		}
		key.read, key.fromRow, key.asked, key.alsoFor, key.refused, key.tries, key.discarded = 0, 0, 0, 0, 0, 0, 0
		key.lacking, key.excused, key.whole = false, false, false
		s.process.fresh = append(s.process.fresh, confirmation{k, through})
		s.settle(through, 0)
		s.settle(covers, 0)
	case marketo.Reject, marketo.Wait:
		key.refused = key.standsFor(stamp)
	default:
		if key.tries++; key.tries >= s.profile.config.MaxAttempts {
			key.refused = key.standsFor(stamp)
		}
	}
}

func (s *Simulator) oversize(stamp int32) bool {
	return s.profile.config.Capacity.Bytes > 0 && stamp%53 == 0
}

// settle settles a change and all before it of the same key.
func (s *Simulator) settle(i, parkedBy int32) {
	for ; i != 0 && !s.changes[i].settled; i = s.changes[i].previous {
		s.changes[i].settled, s.changes[i].parkedBy = true, parkedBy
	}
	for int(s.low) < len(s.changes) && s.changes[s.low].settled {
		s.low++
	}
}

// settleParked settles what a save has parked.
func (s *Simulator) settleParked(sv *save) {
	for _, p := range sv.Parked {
		k := parseKey(p.Key)
		i := s.changeOf(k, p.At)
		if i == 0 {
			s.fail("I6", "key %d is parked at %v, where it has no change", k, p.At)
		}
		key := &s.keys[k]
		if max(key.refused, s.keys[s.twin(k)].refused) < i && !s.changes[i].problem && !s.oversize(i) {
			s.fail("I6", "key %d is parked with change %d, for which there was no reason", k, i)
		}
		key.inexact, key.tries, key.whole = true, 0, false
		s.went(i)
		s.settle(i, sv.number)
		s.covered.Parked++
		s.tracef("parked: key %d with change %d, %s", k, i, p.Operation)
	}
}

// parkedChange is the change that the store has as parked for a key, and the
// one whose values it holds, which is newer when the row was read; 0 if none.
func (s *Simulator) parkedChange(k int32) (parked, held int32) {
	p, ok := s.disk.now.parked[k]
	if !ok {
		return 0, 0
	}
	parked = s.changeOf(k, p.At)
	held = parked
	const name = `"stamp":"`
	if _, rest, ok := strings.Cut(p.Payload, name); ok && p.Operation == marketo.Update.String() {
		digits, _, _ := strings.Cut(rest, `"`)
		held = parse(digits)
	}
	return parked, held
}

// unsettleParked takes back what a lost save had parked.
func (s *Simulator) unsettleParked(sv *save) {
	for _, p := range sv.Parked {
		k := parseKey(p.Key)
		i := s.changeOf(k, p.At)
		superseded := false
		for j := s.keys[s.changes[i].key].last; j != i && j != 0; j = s.changes[j].previous {
			superseded = superseded || s.changes[j].settled
		}
		for ; i != 0 && !superseded && s.changes[i].parkedBy == sv.number; i = s.changes[i].previous {
			s.changes[i].settled, s.changes[i].parkedBy = false, 0
			s.low = min(s.low, i)
		}
	}
}

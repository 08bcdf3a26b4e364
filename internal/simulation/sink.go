package simulation

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// object is what Marketo holds for a key.
type object struct {
	present     bool
	stamp, a, b int32
}

// request is one call on its way.
type request struct {
	life    int32
	id      uint64
	batch   *marketo.Batch
	start   time.Duration
	keys    []int32
	stamps  []int32
	answer  marketo.Reply
	partial bool // only a part of the objects is written
	heard   bool
	left    bool
}

// birth is how an object came to be: when, and by which request.
type birth struct {
	at time.Duration
	by int
}

// outage is a time in which every call fails in the same way.
type outage struct {
	until time.Duration
	class marketo.FaultClass
}

func (s *Simulator) resetSink() {
	s.sink = append(s.sink[:0], make([]object, len(s.keys))...)
	for k := range s.sink {
		// Objects that are only ever updated are there from the start.
		s.sink[k].present = mappings[s.keys[k].mapping].operation == marketo.Update
	}
	s.calls = s.calls[:0]
	s.births = append(s.births[:0], make([]birth, len(s.keys))...)
	s.outage = outage{}
}

// breakSink has every call fail in the same way for a while. Others that use the
// instance may do so for hours.
func (s *Simulator) breakSink() {
	s.outage = outage{
		until: s.now + s.between(time.Second, 10*time.Minute),
		class: marketo.FaultClass(s.rng.IntN(int(marketo.FaultExpired) + 1)),
	}
	switch s.outage.class {
	case marketo.FaultRate, marketo.FaultConcurrency, marketo.FaultQuota:
		s.outage.until += s.between(0, 5*time.Hour)
	}
	s.tracef("outage: %s until %s", s.outage.class, s.outage.until)
	s.covered.Outages++
}

// call takes a request from the machine and decides its fate.
func (s *Simulator) call(e delivery.Send) {
	n := len(s.calls)
	if n < cap(s.calls) {
		s.calls = s.calls[:n+1]
	} else {
		s.calls = append(s.calls, request{})
	}
	r := &s.calls[n]
	*r = request{life: s.process.life, id: e.Call, batch: e.Batch, start: s.now, keys: r.keys[:0], stamps: r.stamps[:0]}
	for _, o := range e.Batch.Objects {
		k, stamp := keyOf(o), stampOf(o)
		if stamp == omitted {
			// The retry of a parked delete, which carries its key alone.
			stamp, _ = s.parkedChange(k)
		}
		r.keys, r.stamps = append(r.keys, k), append(r.stamps, stamp)
	}
	s.covered.send(e.Batch)
	if s.trace != nil {
		s.tracef("call %d: %s %s keys %v changes %v", e.Call, e.Batch.Operation, e.Batch.Type, r.keys, r.stamps)
	}
	s.checkSend(r)
	if s.profile.pauses && s.rng.IntN(16) == 0 {
		s.pause()
	}
	s.planFor(s.between(0, time.Millisecond), evLeave, n)
}

// leave is the moment at which a request is on its way. It comes soon, unless
// the process is stopped in between.
func (s *Simulator) leave(n int) {
	r := &s.calls[n]
	late := s.now-r.start > time.Second
	if late {
		s.covered.LateLeaves++
		s.tracef("call %d leaves only now", r.id)
	}
	r.left, r.start = true, s.now
	r.answer.Left = s.time()
	s.checkLimits(late)
	s.fate(n)
}

// fate decides when a request is executed, if at all, and what is said of it.
func (s *Simulator) fate(n int) {
	p, r := &s.profile, &s.calls[n]
	soon := s.between(time.Millisecond, 40*time.Millisecond)
	giveUp := pick(s, s.between(time.Millisecond, time.Second), callTimeout)
	switch {
	case s.outage.until > s.now:
		s.faulty(n, s.outage.class, soon)
	case slices.ContainsFunc(r.keys, func(k int32) bool { return int(k) < p.poisonKeys }):
		s.faulty(n, marketo.FaultRefused, soon)
	case p.tooLarge > 0 && len(r.keys) > p.tooLarge:
		s.faulty(n, marketo.FaultTooLarge, soon)
	case len(p.faults) > 0 && s.chance(p.fault):
		s.faulty(n, pick(s, p.faults...), soon)
	case s.chance(p.lostRequest):
		s.covered.LostRequests++
		s.unknown(n, giveUp)
	case s.chance(p.lostReply):
		s.covered.LostReplies++
		s.plan(soon, evExecute, n)
		s.unknown(n, max(soon, giveUp))
	case s.chance(p.late):
		s.covered.Late++
		s.plan(s.between(0, serverLimit), evExecute, n)
		s.unknown(n, s.between(time.Millisecond, 5*time.Second))
	default:
		if s.chance(p.slow) {
			soon = s.between(0, serverLimit-time.Second)
			s.covered.Slow++
		}
		s.plan(soon, evExecute, n)
		s.planFor(soon+s.between(0, 20*time.Millisecond), evReply, n)
	}
}

// faulty answers a request with a fault. What a fault of class retry leaves
// behind is a part of the request.
func (s *Simulator) faulty(n int, class marketo.FaultClass, in time.Duration) {
	s.covered.Faults[class]++
	r := &s.calls[n]
	r.answer.Fault = &marketo.Fault{Class: class, Code: "x", Message: "because"}
	if s.rng.IntN(4) == 0 {
		r.answer.Fault.RetryAfter = s.between(0, time.Minute)
	}
	if class == marketo.FaultRetry || class == marketo.FaultUnknown && s.rng.IntN(2) == 0 {
		r.partial = true
		s.plan(in, evExecute, n)
	}
	s.planFor(in, evReply, n)
}

// unknown answers a request with nothing.
func (s *Simulator) unknown(n int, in time.Duration) {
	s.covered.Faults[marketo.FaultUnknown]++
	s.calls[n].answer.Fault = &marketo.Fault{Class: marketo.FaultUnknown, Code: "timeout"}
	s.planFor(in, evReply, n)
}

// execute is the instant at which Marketo does what a request asks for.
func (s *Simulator) execute(n int) {
	r := &s.calls[n]
	results := make([]marketo.Result, len(r.keys))
	for i, k := range r.keys {
		if r.partial && s.rng.IntN(2) == 0 {
			continue
		}
		results[i] = s.writeObject(n, k, r.batch.Operation, r.batch.Objects[i])
	}
	if s.trace != nil {
		s.tracef("marketo executes call %d of life %d", r.id, r.life)
	}
	if r.answer.Fault == nil {
		if s.chance(s.profile.short) {
			results = results[:len(results)-1]
			s.covered.ShortReplies++
		}
		r.answer.Results = results
	}
}

// writeObject does one object of a request and says what came of it.
func (s *Simulator) writeObject(n int, k int32, op marketo.Operation, o marketo.Object) marketo.Result {
	p := &s.profile
	switch {
	case int(k) >= p.poisonKeys && int(k) < p.poisonKeys+p.badKeys, s.chance(p.reject):
		return marketo.Result{Status: marketo.Skipped, Outcome: marketo.Reject, Code: "20103"}
	case s.chance(p.wait):
		return marketo.Result{Status: marketo.Skipped, Outcome: marketo.Wait, Code: "1004"}
	case s.chance(p.retry):
		return marketo.Result{Status: marketo.Failed, Outcome: marketo.Retry, Code: "713"}
	case s.chance(p.unknown):
		if s.rng.IntN(2) == 0 {
			s.merge(n, k, op, o)
		}
		return marketo.Result{}
	}
	return marketo.Result{Status: s.merge(n, k, op, o), Outcome: marketo.Confirmed}
}

// merge is Marketo's own way with an object: what is left out stays, null
// clears. A request looks for the object when it begins: two that create one at
// the same time make two.
func (s *Simulator) merge(n int, k int32, op marketo.Operation, o marketo.Object) marketo.Status {
	k = s.stored(k)
	have, born := &s.sink[k], &s.births[k]
	if creates := op == marketo.Upsert || op == marketo.Insert; creates && have.present && born.by != n && born.at > s.calls[n].start {
		s.fail("I3", "key %d is there twice: call %d looked for it at %s, and call %d made it at %s",
			k, s.calls[n].id, s.calls[n].start, s.calls[born.by].id, born.at)
	}
	switch {
	case op == marketo.Delete:
		*have = object{}
		return marketo.Deleted
	case op == marketo.Insert && have.present, op == marketo.Update && !have.present:
		return marketo.Skipped
	}
	status := marketo.Updated
	if !have.present {
		status = marketo.Created
		*born = birth{s.now, n}
	}
	have.present = true
	have.stamp = stampOf(o)
	if v := number(o.Value(2)); v != omitted {
		have.a = v
	}
	if v := number(o.Value(3)); v != omitted {
		have.b = v
	}
	return status
}

// reply brings the answer to the machine.
func (s *Simulator) reply(n int) {
	r := &s.calls[n]
	s.process.flying--
	s.heard(r)
	s.noWaste(r.answer.Fault)
	if s.trace != nil {
		s.tracef("answer to call %d: %v %v", r.id, r.answer.Fault, r.answer.Results)
	}
	s.step(delivery.Answered{Call: r.id, Reply: r.answer})
}

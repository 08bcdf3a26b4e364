package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// probeEvery is how often a blocked mapping tries one object.
const probeEvery = 5 * time.Minute

// refusedInARow is how many objects of a mapping may be rejected without one
// being confirmed before the mapping itself is taken to be wrong.
const refusedInARow = 20

// mappingState is what the Machine knows of one mapping.
type mappingState struct {
	pending int
	// refused counts rejected objects since the last confirmed one.
	refused int
	// blocked, when set, is why nothing of the mapping is sent but a probe.
	blocked string
	probe   time.Time
	keys    recurrence
	count   MappingCounts
}

// answered reads the reply to a call.
func (m *Machine) answered(now time.Time, ev Answered) {
	c := m.calls[ev.Call]
	delete(m.calls, ev.Call)
	m.left(c, ev.Reply.Left)
	m.limiter.Done(c.counted, ev.Reply.Left)
	m.quick = now.Sub(c.started) < quickCall
	fault := ev.Reply.Fault
	if fault == nil && len(ev.Reply.Results) != len(c.items) {
		fault = &marketo.Fault{Class: marketo.FaultUnknown, Code: "reply", Message: "the reply does not match the call"}
	}
	if fault != nil {
		m.faulted(now, c, fault)
		return
	}
	m.recovered(now)
	m.passedGroup(c)
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	mapping := int(c.items[0].mapping)
	for _, r := range ev.Reply.Results {
		if r.Outcome == marketo.Confirmed {
			m.unblock(mapping)
			break
		}
	}
	m.touchItems(c.items)
	for i, it := range c.items {
		m.concluded(now, it, ev.Reply.Results[i])
	}
	if c.group == nil {
		m.recycle(c)
	}
}

// left notes when a call left: later than it was sent, when the process was
// stopped in between. Marketo counts it, and may execute it, from then on.
func (m *Machine) left(c *call, at time.Time) {
	if at.Sub(c.started) <= prompt {
		return
	}
	m.limiter.Again(c.counted, at)
	c.started, c.counted, m.ledger.counted = at, at, true
}

// concluded acts on the status of one object.
func (m *Machine) concluded(now time.Time, it *item, r marketo.Result) {
	count := &m.states[it.mapping].count
	count.Statuses[r.Status]++
	switch r.Outcome {
	case marketo.Confirmed:
		if m.incomplete(it, r.Status) {
			m.complete(now, it)
			return
		}
		m.confirmed(now, it)
	case marketo.Reject:
		m.rejected(now, it, r)
	case marketo.Wait:
		m.park(now, it, r, true)
	case marketo.Retry, marketo.Unknown:
		if r.Outcome == marketo.Unknown {
			m.unsure(it)
		}
		it.attempts++
		if int(it.attempts) >= m.cfg.MaxAttempts {
			if r.Outcome == marketo.Unknown {
				r.Code, r.Message = "no_status", "marketo gave no usable status for the object; look at the custom object there, then retry or discard"
			}
			m.rejected(now, it, r)
			return
		}
		count.Retries++
		m.absorb(it)
		m.later(it, m.together(now.Add(m.jitter(m.backoff(time.Second, 5*time.Minute, int(it.attempts))))))
	}
}

// confirmed settles an object that Marketo confirmed.
func (m *Machine) confirmed(now time.Time, it *item) {
	m.resolve(it.key)
	count := &m.states[it.mapping].count
	count.Confirmed++
	count.Latency.observe(stampOf(m.wall(now)).since(it.committed))
	m.settle(it)
}

// rejected parks an object that will not be accepted, unless that is a reason
// to stop.
func (m *Machine) rejected(now time.Time, it *item, r marketo.Result) {
	state := &m.states[it.mapping]
	if m.cfg.HaltOnReject {
		m.halt("marketo rejected an object of mapping " + m.cfg.Mappings[it.mapping].Name + " (" + r.Loggable(it.object) +
			"); mend the row or the mapping and start again, or set delivery.on_reject: park")
		m.back(now, it)
		return
	}
	state.refused++
	if state.refused >= refusedInARow && state.blocked == "" {
		m.block(now, int(it.mapping), "marketo rejects every object of the mapping, at last with "+r.Loggable(it.object)+
			"; mend the mapping or the custom object type")
	}
	if state.blocked != "" {
		// The next probe is another object: this one may be the cause.
		m.sequence++
		it.sequence = m.sequence
		m.later(it, state.probe)
		return
	}
	m.park(now, it, r, false)
}

// unmappable parks an object that could not be built from its row.
func (m *Machine) unmappable(now time.Time, it *item) {
	r := marketo.Result{Code: it.problem.Code, Message: it.problem.Message}
	if m.cfg.HaltOnReject {
		m.halt("a row of mapping " + m.cfg.Mappings[it.mapping].Name + " cannot become an object (" + r.Loggable(it.object) +
			"); mend the row or the mapping and start again, or set delivery.on_reject: park")
		it.place = timed
		return
	}
	m.states[it.mapping].count.Unmappable++
	m.park(now, it, r, false)
}

func (m *Machine) block(now time.Time, mapping int, reason string) {
	s := &m.states[mapping]
	if s.blocked == "" {
		m.log(slog.LevelError, "mapping blocked", "mapping", m.cfg.Mappings[mapping].Name, "reason", reason)
	}
	s.blocked, s.probe = reason, now.Add(probeEvery)
	m.dissolve(mapping)
}

func (m *Machine) unblock(mapping int) {
	s := &m.states[mapping]
	if s.blocked != "" {
		m.log(slog.LevelInfo, "mapping unblocked", "mapping", m.cfg.Mappings[mapping].Name)
	}
	s.refused, s.blocked = 0, ""
}

// faulted acts on a call that failed as a whole.
func (m *Machine) faulted(now time.Time, c *call, f *marketo.Fault) {
	m.count.fault(f)
	if f.Class == marketo.FaultUnknown {
		m.unknown(now, c)
	} else {
		m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	}
	for _, it := range c.items {
		if f.Class == marketo.FaultUnknown || f.Class == marketo.FaultRetry || f.Class == marketo.FaultTooLarge {
			m.unsure(it)
		}
		it.faults++
		if it.failed == 0 {
			it.failed = stampOf(now)
		}
	}
	switch f.Class {
	case marketo.FaultRefused, marketo.FaultTooLarge:
		m.refused(now, c, f)
		return
	case marketo.FaultRate, marketo.FaultConcurrency:
		m.limiter.Throttled(now, f.Class)
	case marketo.FaultQuota:
		m.limiter.Exhausted(now)
		m.ledger.counted = true
	case marketo.FaultExpired:
		// The next attempt signs afresh. Only a second one in a row is
		// trouble, such as a clock that is wrong.
		if m.trouble.expired++; m.trouble.expired > 1 {
			m.failed(now, c.started, f)
		}
	default:
		m.failed(now, c.started, f)
		if m.isolate(c, f) {
			m.halveCall(c, false)
			return
		}
	}
	m.comeBack(now, c)
}

// unknown notes that the call may have been executed, or may still be: its
// objects go again as they are, and whatever is newer of their keys waits.
func (m *Machine) unknown(now time.Time, c *call) {
	m.count.Unknown++
	until := c.started.Add(m.cfg.UnknownHold)
	for _, it := range c.items {
		it.repeat = true
		m.hold(it.key, until)
	}
	if until.After(now) {
		m.timers.add(timer{at: until, call: c.id})
		return
	}
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
}

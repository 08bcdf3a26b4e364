package delivery

import (
	"log/slog"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// mappingState is what the Machine knows of one mapping.
type mappingState struct {
	// What every change looks at comes first: with hundreds of mappings, little of it
	// is in the cache.
	pending int
	// bytes is what its items hold in memory.
	bytes int
	// newest is the last change that came and was not settled.
	newest pgoutput.Position
	// shape stands for the names of what is remembered of its objects.
	shape uint64
	// paused is why its objects wait by somebody's word, by class; "" if not.
	paused   [classes]string
	stopped  stopped
	lag      lag
	evidence evidence
	block    block
	keys     keyReuse
	count    MappingCounts
	brake    brake
	created  creations
	// refusals speak against the rows of its backfill.
	refusals evidence
	// unreadable is set while rows of the mapping cannot be read.
	unreadable unreadable
}

// answered reads the reply to a call.
func (m *Machine) answered(now time.Time, ev Answered) {
	c := m.calls.sent[ev.Call]
	delete(m.calls.sent, ev.Call)
	m.braked(c, -1)
	if c.lane.class == bulk {
		m.feeds.share.sending--
	}
	m.left(c, ev.Reply.Left)
	m.calls.limiter.Done(c.counted, ev.Reply.Left)
	m.ahead.quick = now.Sub(c.started) < quickCall
	fault := ev.Reply.Fault
	if fault == nil && len(ev.Reply.Results) != len(c.items) {
		fault = &marketo.Fault{Class: marketo.FaultUnknown, Code: "reply", Message: "the reply does not match the call"}
	}
	if fault != nil {
		m.faulted(now, c, fault)
		return
	}
	m.recovered(now, c.started)
	m.passedGroup(c)
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	m.probed(now, c, false)
	// What a reply refuses beside objects that it confirms is no evidence
	// against the mapping.
	evidence := c.id
	if slices.ContainsFunc(ev.Reply.Results, func(r marketo.Result) bool { return r.Outcome == marketo.Confirmed }) {
		m.accepted(int(c.items[0].mapping))
		evidence = 0
	}
	m.prefetchItems(c.items)
	m.prefetchExisting(c.items)
	for i, it := range c.items {
		m.concluded(now, c, it, ev.Reply.Results[i], evidence)
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
	m.calls.limiter.Again(c.counted, at)
	c.started, c.counted, m.ledger.counted = at, at, true
}

// concluded acts on the status of one object. evidence is the call if what it
// refuses may speak against the mapping, else 0.
func (m *Machine) concluded(now time.Time, c *call, it *item, r marketo.Result, evidence uint64) {
	count := &m.states[it.mapping].count
	count.Statuses[r.Status]++
	switch r.Outcome {
	case marketo.Confirmed:
		m.known.existing.note(it, it.operation, r.Status)
		if r.Status == marketo.Deleted {
			m.deleted(now, int(it.mapping))
		}
		if r.Status == marketo.Created && it.ticket != nil {
			m.createdOf(now, it)
		}
		if m.confirmsPart(it, r.Status) {
			m.complete(now, it)
			return
		}
		m.remember(now, it, r.Status, c.id)
		m.confirmed(now, it)
	case marketo.Reject:
		m.rejected(now, it, r, evidence)
	case marketo.Wait:
		if it.feed == fromBackfill {
			m.refuseRow(now, it, r, true, 0)
			return
		}
		m.park(now, it, r, true)
	case marketo.Retry, marketo.Unknown:
		if r.Outcome == marketo.Unknown {
			m.unsure(it)
		} else {
			m.forgetRecord(it)
		}
		it.attempts++
		if int(it.attempts) >= m.cfg.MaxAttempts {
			if r.Outcome == marketo.Unknown {
				r.Code, r.Message = "no_status", "marketo gave no usable status for the object; look at the custom object there, then retry or discard"
			}
			m.rejected(now, it, r, evidence)
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
	if it.feed != fromBackfill {
		count.Latency.observe(stampOf(m.wall(now)).since(it.committed))
	}
	m.settle(it)
}

// rejected parks an object that will not be accepted, unless that is a reason
// to stop.
func (m *Machine) rejected(now time.Time, it *item, r marketo.Result, evidence uint64) {
	if it.feed == fromBackfill {
		m.refuseRow(now, it, r, false, evidence)
		return
	}
	if m.cfg.HaltOnReject {
		m.halt("marketo rejected an object of mapping " + m.cfg.Mappings[it.mapping].Name + " (" + r.Loggable(it.object) +
			"); fix the row or the mapping and start again, or set delivery.on_reject: park")
		m.back(now, it)
		return
	}
	if m.parked.objects[it.key] == nil && m.refuse(now, it, evidence, r) {
		m.back(now, it)
		return
	}
	m.park(now, it, r, false)
}

// unmappable parks an object that could not be built from its row.
func (m *Machine) unmappable(now time.Time, it *item) {
	r := marketo.Result{Code: it.problem.Code, Message: it.problem.Message}
	if it.feed == fromBackfill {
		m.refuseRow(now, it, r, false, 0)
		return
	}
	if m.cfg.HaltOnReject {
		m.halt("a row of mapping " + m.cfg.Mappings[it.mapping].Name + " cannot become an object (" + r.Loggable(it.object) +
			"); fix the row or the mapping and start again, or set delivery.on_reject: park")
		m.move(it, timed)
		return
	}
	m.park(now, it, r, false)
}

// faulted acts on a call that failed as a whole.
func (m *Machine) faulted(now time.Time, c *call, f *marketo.Fault) {
	m.count.fault(f)
	m.wait(now, f)
	var over time.Time
	if f.Class == marketo.FaultUnknown {
		over = m.unknown(now, c, f)
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
	}
	m.unprobed(c)
	switch f.Class {
	case marketo.FaultRate, marketo.FaultConcurrency:
		m.throttled(now, c.started, f)
	case marketo.FaultQuota:
		if !m.calls.limiter.IsExhausted() {
			m.log(slog.LevelWarn, "marketo says that the calls of the day are used up; one call asks every 15 minutes", "code", f.Code, "ours", m.calls.limiter.Used(now))
		}
		m.calls.limiter.Exhausted(now)
		m.ledger.counted = true
	case marketo.FaultExpired:
		m.calls.limiter.Ask() // it was no answer to that
		// The next attempt signs afresh. Only a second one in a row is
		// trouble, such as a clock that is wrong.
		if m.pauses.outage.expired++; m.pauses.outage.expired > 1 {
			m.failed(now, c.started, f)
		}
	case marketo.FaultUnknown:
		m.failed(now, c.started, f)
		m.againAfterUnknown(now, c, f, over)
		return
	default:
		m.failed(now, c.started, f)
		if m.isolate(c, f) {
			m.halveCall(c, false, time.Time{})
			return
		}
	}
	m.comeBack(now, c)
}

// unknown notes that the call may have been executed, or may still be, and
// returns when it is over: its objects go again as they are, and whatever is
// newer of their keys waits.
func (m *Machine) unknown(now time.Time, c *call, f *marketo.Fault) time.Time {
	m.count.Unknown++
	until := c.started.Add(m.cfg.UnknownHold)
	if f.MayRun() {
		m.calls.limiter.Lose(until)
	}
	for _, it := range c.items {
		it.repeat = true
		m.hold(it.key, until)
	}
	if until.After(now) {
		m.clock.timers.add(timer{at: until, call: c.id})
		return until
	}
	m.ledger.draft.Ended = append(m.ledger.draft.Ended, c.id)
	return until
}

package delivery

import "time"

// Condition is what delivery is doing, in one word of few: what Reason says in
// a sentence, for programs.
type Condition string

const (
	// Current: everything that was received is settled.
	Current Condition = "current"
	// Delivering: changes are on their way, or still to be read.
	Delivering Condition = "delivering"
	// Disconnected: there is no replication connection.
	Disconnected Condition = "disconnected"
	// Halted: going on waits for a person.
	Halted Condition = "halted"
	// StoreFailing: the state file takes nothing, so nothing is sent.
	StoreFailing Condition = "store_failing"
	// MarketoFailing: calls fail as a whole.
	MarketoFailing Condition = "marketo_failing"
	// Holding: calls of a life that did not end in order may still be executed.
	Holding Condition = "holding"
	// QuotaUsed: the calls of the day are used up.
	QuotaUsed Condition = "quota_used"
	// Unfit: the database no longer fits the mappings, so that changes may be
	// missing from the stream.
	Unfit Condition = "unfit"
	// MappingBlocked: one mapping, or more, sends probes only.
	MappingBlocked Condition = "mapping_blocked"
)

// Conditions are all of them.
var Conditions = []Condition{
	Current, Delivering, Disconnected, Halted, StoreFailing, MarketoFailing, Holding, QuotaUsed, Unfit, MappingBlocked,
}

// Condition is the one that matters most; all but Current and Delivering come
// with a Reason.
func (r Report) Condition() Condition {
	switch {
	case r.Stalled != "":
		return r.Stall
	case r.Source.Connected && r.Source.Problem != "":
		return Halted
	case !r.Source.Connected:
		return Disconnected
	case r.Misfit != "":
		return Unfit
	case r.Pending > 0 || !r.Through.IsZero() || r.Source.Received < r.Source.Server:
		return Delivering
	}
	return Current
}

// Reason is why the daemon is not ready, in plain words; "" when it is.
func (r Report) Reason() string {
	switch {
	case r.Stalled != "":
		return r.Stalled
	case r.Source.Problem != "":
		return r.Source.Problem
	case !r.Source.Connected:
		return "not connected to postgresql yet"
	}
	return r.Misfit
}

// Freshness is the commit time up to which everything is in Marketo, parked
// objects aside: now while the connection stands, has brought all that the
// server had, and nothing is unsettled. It is zero while that is not known,
// until the WAL that the server had at the first connection has been read.
func (r Report) Freshness(now time.Time) time.Time {
	switch {
	case !r.Through.IsZero():
		return r.Through
	case r.Source.Connected && r.Source.Problem == "" && r.Source.Received >= r.Source.Server:
		return now
	}
	return r.Source.Current
}

// stalled names the one reason that matters most.
func (m *Machine) stalled(now time.Time) (Condition, string) {
	switch {
	case m.halted != "":
		return Halted, "halted: " + m.halted
	case m.ledger.failures > 0:
		return StoreFailing, "the store does not take anything; see the log"
	case m.trouble.failures > 0:
		return MarketoFailing, "calls to marketo fail: " + m.trouble.fault.Error()
	case m.holdAll.After(now):
		return Holding, "after an unclean start nothing is sent until calls of the last life can no longer be executing"
	case m.items > 0 && m.count.Limited == "quota":
		return QuotaUsed, "the calls of the day are used up; sending goes on after midnight US Central"
	}
	for i := range m.states {
		if m.states[i].blocked != "" {
			return MappingBlocked, "mapping " + m.cfg.Mappings[i].Name + " is blocked: " + m.states[i].blocked
		}
	}
	return "", ""
}

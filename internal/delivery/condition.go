package delivery

import (
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

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
	// Throttled: Marketo has been refusing calls for a minute or more, as too
	// many are made, by all integrations together.
	Throttled Condition = "throttled"
	// QuotaShort: the calls of the day run short, and the slot stands while
	// batches wait to be fuller.
	QuotaShort Condition = "quota_short"
	// Stuck: the slot stands with work to do.
	Stuck Condition = "stuck"
	// Unfit: the database no longer fits the mappings, so that changes may be
	// missing from the stream.
	Unfit Condition = "unfit"
	// Synchronous: commits of the application wait for this program.
	Synchronous Condition = "synchronous"
	// WALRetained: the slot makes PostgreSQL keep more WAL than it may.
	WALRetained Condition = "wal_retained"
	// Stopping: the daemon ends in order.
	Stopping Condition = "stopping"
	// MappingStopped: a change of its table does not fit one mapping, or more, of
	// which nothing more is received.
	MappingStopped Condition = "mapping_stopped"
	// DeletesHeld: one mapping, or more, wants to delete more objects than it may,
	// and waits for somebody's word.
	DeletesHeld Condition = "deletes_held"
	// MappingBlocked: one mapping, or more, sends probes only.
	MappingBlocked Condition = "mapping_blocked"
	// MappingPaused: one mapping, or more, waits by somebody's word.
	MappingPaused Condition = "mapping_paused"
	// Unreadable: rows of a table that have to be read cannot be.
	Unreadable Condition = "unreadable"
)

// Conditions are all of them, the worst first: what may lose changes, what waits
// for a person, what stops everything, what stops a part.
var Conditions = []Condition{
	Unfit, Halted, Synchronous, WALRetained, StoreFailing, Stopping, Disconnected, MarketoFailing, QuotaUsed, Throttled, MappingStopped, DeletesHeld, MappingBlocked, MappingPaused, Unreadable, Holding, QuotaShort, Stuck,
	Delivering, Current,
}

// Obstacle is one reason why changes are not delivered as they should be. The
// daemon is ready while there is none.
type Obstacle struct {
	Condition Condition
	// Reason says why, in plain words. Remedy says what to do, where that is
	// more than what is to be done about every Condition of its kind.
	Reason, Remedy string
	// Mappings are those that Halted is about; none for all.
	Mappings []int
}

// Obstacles are all that stand now, the worst first.
func (r Report) Obstacles() []Obstacle {
	all := slices.Concat(r.Misfits, r.Stalled)
	switch {
	case slices.ContainsFunc(r.Misfits, func(o Obstacle) bool { return o.Reason == r.Source.Problem }):
		// The watch has had reading halted, and says why.
	case r.Source.Halted:
		all = append(all, Obstacle{Condition: Halted, Reason: r.Source.Problem})
	case r.Source.Problem != "":
		all = append(all, Obstacle{Condition: Disconnected, Reason: r.Source.Problem})
	case !r.Source.Connected:
		all = append(all, Obstacle{Condition: Disconnected, Reason: "not connected to postgresql yet"})
	}
	slices.SortStableFunc(all, func(a, b Obstacle) int {
		return slices.Index(Conditions, a.Condition) - slices.Index(Conditions, b.Condition)
	})
	return all
}

// Condition is the one that matters most; all but Current and Delivering are
// that of an Obstacle.
func (r Report) Condition() Condition {
	if all := r.Obstacles(); len(all) > 0 {
		return all[0].Condition
	}
	if r.Pending > 0 || !r.Through.IsZero() || r.Source.Received < r.Source.Server {
		return Delivering
	}
	return Current
}

// Reason is that of the worst obstacle; "" when the daemon is ready.
func (r Report) Reason() string {
	if all := r.Obstacles(); len(all) > 0 {
		return all[0].Reason
	}
	return ""
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

// obstacles are those that the Machine knows of.
func (m *Machine) obstacles(now time.Time) []Obstacle {
	var all []Obstacle
	add := func(c Condition, reason string) { all = append(all, Obstacle{Condition: c, Reason: reason}) }
	if m.end.halted != "" {
		add(Halted, m.end.halted)
	}
	if m.ledger.failures > 0 {
		add(StoreFailing, "the store does not take anything; see the log")
	}
	if m.end.stopping {
		add(Stopping, "the daemon ends: nothing more is read, and what is under way is waited for")
	}
	if m.pauses.outage.failures > 0 {
		add(MarketoFailing, "calls to marketo fail: "+m.pauses.outage.fault.Error())
	}
	if m.memory.items > 0 && m.count.Limited == marketo.WhyQuota {
		if m.calls.limiter.IsExhausted() {
			all = append(all, Obstacle{Condition: QuotaUsed,
				Reason: "marketo says that the calls of the day are used up, by all integrations together; one call asks every 15 minutes",
				Remedy: "see who uses the calls, or have marketo raise them; cdcsync release --all asks at once, and so does a restart"})
		} else {
			add(QuotaUsed, "the calls of the day are used up by marketo.limits.calls_per_day; sending goes on after midnight US Central")
		}
	}
	if m.memory.items > 0 && m.isThrottled(now) {
		add(Throttled, "marketo refuses calls, as too many are made, by all integrations together: "+m.pauses.throttle.fault.Error())
	}
	for i := range m.states {
		if m.states[i].stopped.reason != "" && !m.states[i].stopped.paused {
			all = append(all, m.stoppedObstacle(i))
		}
		if m.states[i].brake.held {
			all = append(all, m.heldObstacle(i))
		}
		if blocked := m.states[i].block.reason; blocked != "" {
			add(MappingBlocked, "mapping "+m.cfg.Mappings[i].Name+" is blocked: "+blocked)
		}
	}
	for i := range m.states {
		if m.states[i].waits() {
			all = append(all, m.pausedObstacle(i))
		}
		if reason, ok := m.tellUnreadable(now, i); ok {
			add(Unreadable, reason)
		}
	}
	if m.holds.all.After(now) {
		add(Holding, "after an unclean start nothing is sent until calls of the last life can no longer be executing, "+left(m.holds.all, now))
	} else if keys, until := m.inherited(now); keys > 0 {
		add(Holding, fmt.Sprintf("the last life did not end in order: newer values of %d keys wait until its calls can no longer be executing, %s", keys, left(until, now)))
	}
	if m.stands(now) {
		all = append(all, m.standstill(now))
	}
	return all
}

// paused reports whether nothing is sent, whatever waits.
func (m *Machine) paused(now time.Time) bool {
	return m.end.halted != "" || m.ledger.failures > 0 || m.pauses.outage.failures > 0 || m.pauses.throttle.until.After(now) || m.pauses.wish.After(now) || m.holds.all.After(now) ||
		m.memory.items > 0 && m.count.Limited == marketo.WhyQuota
}

package delivery

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// A slot that stands with work to do is never called ready for longer than
// Config.MaxStand, whatever it waits for: nobody knows beforehand of every
// reason there may be. The slot moves when its position does and, as long as a
// transaction is large, when something of the oldest one comes or is settled.
// What becomes of younger changes counts for nothing: while the oldest does not
// go on, PostgreSQL keeps the WAL.

// standing is how long the slot has stood.
type standing struct {
	at mark
	// since is when it moved last, or when there was nothing to do.
	since time.Time
	// told is set once the log has it.
	told bool
	// steps is part of the mark.
	steps uint64
}

// mark is where the slot stands: whether there is work to do, what is acknowledged
// to PostgreSQL, and the oldest transaction that is not settled.
type mark struct {
	work   bool
	synced LSN
	oldest checkpoint.Ref
	// steps counts what has come of transactions while they were the oldest,
	// and the objects of theirs that were settled.
	steps uint64
}

// advanced counts a step of a transaction if it is the oldest.
func (m *Machine) advanced(ref checkpoint.Ref) {
	if oldest, _ := m.window.Oldest(); ref == oldest {
		m.stand.steps++
	}
}

// observe notes whether the slot has moved, and tells when it has not for too
// long.
func (m *Machine) observe(now time.Time) {
	s := &m.stand
	oldest, unsettled := m.window.Oldest()
	at := mark{
		work: unsettled || m.window.Frontier() > m.ledger.synced, synced: m.ledger.synced,
		oldest: oldest, steps: m.stand.steps,
	}
	if at != s.at || !at.work {
		if s.told {
			m.log(slog.LevelInfo, "slot moves again", "stood", now.Sub(s.since).Round(time.Second))
		}
		*s = standing{at: at, since: now, steps: s.steps}
		if at.work {
			m.wakeAt(now.Add(m.cfg.MaxStand))
		}
		return
	}
	if until := s.since.Add(m.cfg.MaxStand); until.After(now) {
		m.wakeAt(until)
		return
	}
	if !s.told {
		s.told = true
		o := m.standstill(now)
		m.log(slog.LevelWarn, "slot stands with work to do", "state", string(o.Condition), "reason", o.Reason)
	}
}

// stands reports whether the slot has stood for too long.
func (m *Machine) stands(now time.Time) bool {
	return m.stand.at.work && now.Sub(m.stand.since) >= m.cfg.MaxStand
}

// standstill says what the oldest change that is not settled waits for.
func (m *Machine) standstill(now time.Time) Obstacle {
	prefix := "the slot has not moved for " + now.Sub(m.stand.since).Round(time.Second).String() + ": "
	it := m.oldest()
	if it == nil {
		if ref, unsettled := m.window.Oldest(); unsettled {
			for i := range m.states {
				if s := &m.states[i].stopped; s.reason != "" && s.at.Commit == m.window.Final(ref) {
					return m.stoppedObstacle(i)
				}
			}
			return Obstacle{Condition: Stuck, Reason: prefix + "the rest of a transaction has not come from postgresql"}
		}
		return Obstacle{Condition: Stuck, Reason: prefix + "the store has not taken yet what is settled"}
	}
	condition, lacks := m.lacksYet(now, it)
	return Obstacle{Condition: condition, Reason: prefix + "the oldest change, of mapping " + m.cfg.Mappings[it.mapping].Name +
		" in the transaction at " + it.at.Commit.String() + ", " + lacks}
}

// oldest returns the item that has been in the queue for longest among those
// that the oldest transaction waits for; nil when it waits for none.
func (m *Machine) oldest() *item {
	ref, ok := m.window.Oldest()
	if !ok {
		return nil
	}
	var oldest *item
	for it := range m.keys.items() {
		if it.windowed() && it.stage != saving && it.ref == ref && (oldest == nil || it.sequence < oldest.sequence) {
			oldest = it
		}
	}
	return oldest
}

// lacksYet says what keeps an item from being settled.
func (m *Machine) lacksYet(now time.Time, it *item) (Condition, string) {
	if it.stage == waiting {
		it = m.keys.first(it.hash, it.key)
	}
	held := m.heldUntil(it.key)
	switch it.stage {
	case reading:
		return Stuck, "waits for its row to be read" + tries(it.faults)
	case looking:
		return Stuck, "waits until it is known whether marketo has it already"
	case sending:
		return Stuck, "is in a call to marketo" + tries(max(it.faults, int32(it.attempts)))
	case grouped:
		return Stuck, "is part of a batch that was refused and is being split"
	case saving:
		return Stuck, "waits for an older one of its key to be saved"
	case timed:
		switch {
		case !it.repeat && held.After(now):
			return Holding, "waits until a call with unknown outcome can no longer be executing, " + left(held, now)
		case m.states[it.mapping].block.reason != "":
			return Stuck, "belongs to a mapping that is blocked"
		case it.needs.has(itsRow):
			return Stuck, "waits for its row, which could not be read" + tries(it.faults)
		}
		return Stuck, "waits to be tried again, as marketo gave no final answer" + tries(int32(it.attempts))
	}
	return m.unsendable(now, it)
}

// unsendable says why an item that could be sent is not.
func (m *Machine) unsendable(now time.Time, it *item) (Condition, string) {
	switch {
	case m.states[it.mapping].waits():
		return Stuck, "belongs to a mapping that is paused"
	case m.behindOf(int(it.mapping)):
		return Stuck, "waits until the stream has come again to what was sent last before the start"
	case m.holds.all.After(now):
		return Holding, "waits until calls of the last life can no longer be executing, " + left(m.holds.all, now)
	case m.states[it.mapping].block.reason != "":
		return Stuck, "belongs to a mapping that is blocked"
	case m.pauses.outage.failures > 0 || m.pauses.throttle.until.After(now) || m.pauses.wish.After(now):
		return Stuck, "waits for a pause in the calls to marketo to end" + tries(it.faults)
	case m.count.Limited != "":
		return Stuck, "waits for the limit of calls to marketo: " + m.count.Limited
	case m.pace.every > 0:
		return QuotaShort, "waits for more to share its call, as the calls of the day run short: batches leave every " +
			m.pace.every.Round(time.Second).String()
	}
	return Stuck, "waits to be sent" + tries(it.faults)
}

func tries(n int32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d attempts so far)", n)
}

// left is how long it takes until then.
func left(until, now time.Time) string {
	return until.Sub(now).Round(time.Second).String() + " to go"
}

// inherited says how many keys of calls of the last life hold work back, and
// until when.
func (m *Machine) inherited(now time.Time) (keys int, until time.Time) {
	if !m.holds.inherited.After(now) {
		return 0, time.Time{}
	}
	for key, at := range m.holds.keys {
		if at.After(now) && m.keys.first(m.keys.hash(KeyHash(key)), key) != nil {
			keys++
			if at.After(until) {
				until = at
			}
		}
	}
	return keys, until
}

package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// refusedAgain is after how long a refused row is sent again for which there is no
// lead yet, or the like.
const refusedAgain = 24 * time.Hour

// refuseRow settles a row of a backfill that Marketo does not take. call is the
// call if that may speak against all of them, else 0.
func (m *Machine) refuseRow(now time.Time, it *item, r marketo.Result, waits bool, call uint64) {
	s := &m.states[it.mapping]
	if call != 0 {
		s.refusals.add(it.hash, call)
	}
	if s.refusals.enough() && s.paused[bulk] == "" {
		name := m.cfg.Mappings[it.mapping].Name
		reason := "marketo refuses every row of the backfill, at last with " + r.Loggable(it.object) +
			"; fix the mapping or the custom object type, then: cdcsync backfill resume " + name
		s.paused[bulk] = reason
		s.refusals.clear()
		m.log(slog.LevelError, "backfill paused", "mapping", name, "reason", reason)
		m.emit(BackfillPaused{Feed: it.ticket.feed, Mapping: int(it.mapping), Reason: reason})
		m.dissolve(int(it.mapping))
		m.dropPreparedOf(now, int(it.mapping))
	}
	wall := m.wall(now)
	refused := checkpoint.Refused{
		Feed: it.ticket.feed, Key: it.key, Operation: it.operation.String(),
		Code: r.Code, Message: r.Message, Waits: waits, At: wall,
	}
	if waits {
		refused.Next = wall.Add(refusedAgain)
	}
	m.ledger.draft.Refused = append(m.ledger.draft.Refused, refused)
	s.count.Refused++
	m.forgetRecord(it)
	m.uncover(it) // nothing is parked that would stand for what follows it
	it.refused = true
	m.settle(it)
}

// unrefuse takes a row out of what is kept of earlier refusals; again says that it
// is refused once more.
func (m *Machine) unrefuse(t *ticket, key string, again bool) {
	for _, feed := range t.refused[key] {
		if !again || feed != t.feed {
			m.ledger.draft.Unrefused = append(m.ledger.draft.Unrefused, checkpoint.RefusedKey{Feed: feed, Key: key})
		}
	}
}

package delivery

import (
	"fmt"
	"log/slog"
	"time"
)

// Objects that are created set off campaigns, which send e-mail to people. Before a
// backfill begins it is announced how many there may be; one that creates more in an
// hour is not what somebody agreed to, and is paused until it is resumed. What is in a
// call by then arrives. A life begins to count anew.

// creations counts the objects of a mapping that a backfill has created.
type creations struct {
	hourly
	feed string
}

// createdOf counts an object of a backfill that Marketo has created, and pauses the
// backfill where that is one too many.
func (m *Machine) createdOf(now time.Time, it *item) {
	s, t := &m.states[it.mapping], it.ticket
	if s.created.feed != t.feed {
		s.created = creations{feed: t.feed}
	}
	s.created.count(now)
	if t.announced <= 0 || s.created.sum <= t.announced || s.paused[bulk] != "" {
		return
	}
	name := m.cfg.Mappings[it.mapping].Name
	reason := fmt.Sprintf("marketo created more objects in an hour than the %d that were announced; see whether they are meant to be there, as campaigns may write to people for each, then: cdcsync backfill resume %s; otherwise: cdcsync backfill cancel %s",
		t.announced, name, name)
	s.paused[bulk] = reason
	m.log(slog.LevelError, "backfill held: it creates more objects than were announced", "mapping", name, "created", s.created.sum, "announced", t.announced)
	m.emit(BackfillPaused{Feed: t.feed, Mapping: int(it.mapping), Reason: reason})
	m.dissolve(int(it.mapping))
	m.dropPreparedOf(now, int(it.mapping))
}

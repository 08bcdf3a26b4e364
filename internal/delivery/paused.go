package delivery

import (
	"log/slog"
	"time"
)

// Pause has the objects of a mapping, or those of its backfill, wait. The Machine
// does not keep it: who asked for it has to ask again in the next life.
type Pause struct {
	Mapping  int
	Backfill bool
	// Reason is why, in plain words; "" has them go on.
	Reason string
}

func (Pause) event() {}

// pause has objects wait, or go on.
func (m *Machine) pause(now time.Time, ev Pause) {
	c := live
	if ev.Backfill {
		c = bulk
	}
	s := &m.states[ev.Mapping]
	if (s.paused[c] == "") == (ev.Reason == "") {
		s.paused[c] = ev.Reason
		return
	}
	s.paused[c] = ev.Reason
	if c == bulk && ev.Reason == "" {
		s.created = creations{} // somebody has seen them
	}
	name := m.cfg.Mappings[ev.Mapping].Name
	if ev.Reason == "" {
		m.log(slog.LevelInfo, "mapping goes on", "mapping", name, "backfill", ev.Backfill)
		return
	}
	m.log(slog.LevelWarn, "mapping paused", "mapping", name, "backfill", ev.Backfill, "reason", ev.Reason)
	if c == live {
		m.dissolve(ev.Mapping)
	}
	m.dropPreparedOf(now, ev.Mapping)
}

// unsent counts the items that the end waits for: what belongs to a paused mapping
// and is in no call stays where it is.
func (m *Machine) unsent() int {
	n := m.liveItems()
	m.eachPaused(func(*item) { n-- })
	return n
}

// oldestPaused is the transaction of the oldest change that waits, of each mapping
// that is paused.
func (m *Machine) oldestPaused() map[int]LSN {
	oldest := make(map[int]LSN)
	m.eachPaused(func(it *item) {
		at, known := oldest[int(it.mapping)]
		if it.windowed() && (!known || it.at.Commit < at) {
			oldest[int(it.mapping)] = it.at.Commit
		}
	})
	return oldest
}

// eachPaused visits the items, but those of backfills, that wait as their mapping
// is paused.
func (m *Machine) eachPaused(visit func(*item)) {
	any := false
	for i := range m.states {
		any = any || m.states[i].paused[live] != ""
	}
	if !any {
		return
	}
	for i := range m.keys.slots {
		for it := m.keys.slots[i].first; it != nil; it = it.after {
			if it.feed != fromBackfill && it.stage < sending && m.states[it.mapping].paused[live] != "" {
				visit(it)
			}
		}
	}
}

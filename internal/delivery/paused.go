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

package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
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
	m.dissolve(ev.Mapping)
	m.dropPreparedOf(now, ev.Mapping)
}

// pausedShare is the part of memory that paused mappings may have together, where
// others go on: what comes of one from there on is left in PostgreSQL.
const pausedShare = 4

// LeaveOut says that nothing more of a mapping is taken in this life: it need not be
// handed over. It goes on in the next one.
type LeaveOut struct{ Mapping int }

func (LeaveOut) effect() {}

// leaves stops a paused mapping at a change, if it has had its share of memory, and
// reports whether it did. It is asked at the first write of a change: all of them stay
// together.
func (m *Machine) leaves(now time.Time, mapping int, at pgoutput.Position) bool {
	if !m.pausedFull() || !m.mayLeave(mapping) {
		return false
	}
	m.stopAt(now, mapping, stopped{reason: m.states[mapping].paused[live], at: at, paused: true})
	m.log(slog.LevelWarn, "paused mapping has its share of memory; what comes of it from there on waits in postgresql, and others go on",
		"mapping", m.cfg.Mappings[mapping].Name, "transaction", at.Commit, "change", at.Seq)
	m.emit(LeaveOut{Mapping: mapping})
	return true
}

// mayLeave reports whether a paused mapping may be stopped: others go on, and what was
// sent of it has come again, as memory has room for that, and it has to be known.
func (m *Machine) mayLeave(mapping int) bool {
	if m.states[mapping].stopped.reason != "" || m.behindOf(mapping) {
		return false
	}
	for i := range m.states {
		if m.states[i].stopped.reason == "" && m.states[i].paused[live] == "" {
			return true
		}
	}
	return false
}

// pausedFull reports whether paused mappings have their share of memory, or keep
// others from being caught up with.
func (m *Machine) pausedFull() bool {
	items, bytes := 0, 0
	for i := range m.states {
		if s := &m.states[i]; s.waits() {
			items, bytes = items+s.pending, bytes+s.bytes
		}
	}
	return items >= max(1, m.cfg.MaxPending/pausedShare) || bytes >= m.cfg.MaxPendingBytes/pausedShare || m.behind() && m.full()
}

// waits reports whether nothing of the mapping is sent, by somebody's word. One of
// which something was left in PostgreSQL waits for the next life, also once it was
// resumed: what it knows of its rows is old by then.
func (s *mappingState) waits() bool { return s.paused[live] != "" || s.stopped.paused }

// stoppedFor is why a change has stopped the mapping.
func (s *mappingState) stoppedFor() string {
	if s.stopped.paused {
		return ""
	}
	return s.stopped.reason
}

// leftFrom is from where on what comes of the mapping is left in PostgreSQL.
func (s *mappingState) leftFrom() LSN {
	if s.stopped.paused {
		return s.stopped.at.Commit
	}
	return 0
}

// pausedObstacle says which mapping waits by somebody's word.
func (m *Machine) pausedObstacle(i int) Obstacle {
	s := &m.states[i]
	reason := "mapping " + m.cfg.Mappings[i].Name + " is paused: " + s.paused[live]
	if s.paused[live] == "" {
		reason = "mapping " + m.cfg.Mappings[i].Name + " was resumed, and goes on when this process has begun anew"
	}
	if s.stopped.paused {
		reason += "; what comes of it from " + s.stopped.at.Commit.String() + " on waits in postgresql"
	}
	return Obstacle{Condition: MappingPaused, Reason: reason}
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
	for i := range m.states {
		if at := m.states[i].leftFrom(); at != 0 && (oldest[i] == 0 || at < oldest[i]) {
			oldest[i] = at
		}
	}
	return oldest
}

// eachPaused visits the items, but those of backfills, that wait as their mapping
// is paused.
func (m *Machine) eachPaused(visit func(*item)) {
	any := false
	for i := range m.states {
		any = any || m.states[i].waits()
	}
	if !any {
		return
	}
	for it := range m.keys.items() {
		if it.feed != fromBackfill && it.stage < sending && m.states[it.mapping].waits() {
			visit(it)
		}
	}
}

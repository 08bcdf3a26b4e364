package delivery

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A change that breaks a mapping stops it there: from then on nothing of it is
// received in this life. The checkpoint stays before that place, so that all of it
// comes again; what others have settled beyond is kept, as always when something
// old is not settled.
//
// The next life has to catch up with what the others have sent meanwhile. What it
// holds back until it has come to the newest change that was sent (see behind) is
// bounded by what an earlier life held in memory at once. Of a mapping that was
// stopped, it may be gigabytes: so that has a newest change of its own.

// stopped is where a mapping was stopped, and why; the zero stopped is not.
type stopped struct {
	reason string
	at     pgoutput.Position
	since  time.Time
	// paused is set where the mapping is paused and has had its share of memory:
	// see leaves.
	paused bool
	// short is set when the stream had not come again to what was sent of the
	// mapping before: what has come of it may not go alone, in this life.
	short bool
}

// lag is how a mapping is behind the others.
type lag struct {
	// behind is set while its own newest change counts, sentBefore what is left of
	// that to come; zero once the stream has.
	behind     bool
	sentBefore pgoutput.Position
	// sent is the newest change of it that any call has carried.
	sent pgoutput.Position
}

// stopMapping stops the mapping of e at a place in the open transaction.
func (m *Machine) stopMapping(now time.Time, e *Entry) {
	s := &m.states[e.Write.Mapping]
	if s.stopped.reason != "" {
		return
	}
	m.stopAt(now, e.Write.Mapping, stopped{reason: e.Write.Problem.Message, at: pgoutput.Position{Commit: m.stream.commit, Seq: e.Seq}})
	m.log(slog.LevelError, "mapping stopped; what comes of it from there on waits in postgresql, and others go on",
		"mapping", m.cfg.Mappings[e.Write.Mapping].Name, "transaction", s.stopped.at.Commit, "change", s.stopped.at.Seq, "reason", s.stopped.reason)
}

// stopAt has nothing more of a mapping received in this life.
func (m *Machine) stopAt(now time.Time, i int, at stopped) {
	s := &m.states[i]
	s.stopped = at
	s.stopped.since = m.wall(now)
	m.window.Add(m.stream.open) // what is not settled in this life
	m.dissolve(i)
	m.dropPreparedOf(now, i)
	m.askForUndecided(now, i)
	s.stopped.short = !s.stopped.paused && m.behindOf(i)
	s.lag.behind = true // all that it has sent was sent before this place
	m.stream.lags = m.behind()
	m.recordLags()
}

// askForUndecided has the table tell what becomes of removals of a mapping: the
// rest of their transaction, which would decide, does not come. What precedes them is
// asked for with them.
func (m *Machine) askForUndecided(now time.Time, mapping int) {
	for it := range m.keys.items() {
		if int(it.mapping) != mapping || !it.idle() {
			continue
		}
		m.gatherAsking(now, it)
		if (it.stage == unended || it.stage == waiting) && m.undecided(it) {
			it.ask()
		}
	}
}

// stoppedObstacle says which mapping is stopped, since when, and why.
func (m *Machine) stoppedObstacle(i int) Obstacle {
	s := &m.states[i].stopped
	if s.paused {
		return m.pausedObstacle(i)
	}
	return Obstacle{Condition: MappingStopped, Reason: fmt.Sprintf("mapping %s is stopped since %s at %s, and what comes of it from there on waits in postgresql: %s",
		m.cfg.Mappings[i].Name, s.since.UTC().Format("2006-01-02 15:04:05 UTC"), s.at.Commit, s.reason)}
}

// stoppedTo lists the places from which on nothing of an object type is settled,
// by whatever save.
func (m *Machine) stoppedTo() []checkpoint.Stopped {
	var all []checkpoint.Stopped
	for i := range m.states {
		if s := &m.states[i].stopped; s.reason != "" {
			all = append(all, checkpoint.Stopped{Object: strings.ToLower(m.cfg.Mappings[i].Object), From: s.at})
		}
	}
	return all
}

// recordLags keeps the newest change that was sent of object types that lag, or
// that there are none any more.
func (m *Machine) recordLags() {
	lags := []checkpoint.Lag{}
	for i := range m.states {
		if l := &m.states[i].lag; l.behind {
			lags = append(lags, checkpoint.Lag{Object: strings.ToLower(m.cfg.Mappings[i].Object), Sent: l.sent})
		}
	}
	m.ledger.draft.Lags = lags
}

// restoreLags says of each mapping what its newest change is.
func (m *Machine) restoreLags(state *checkpoint.State) {
	for i := range m.states {
		l := &m.states[i].lag
		l.sent = state.Sent
		for _, known := range state.Lags {
			if known.Object == strings.ToLower(m.cfg.Mappings[i].Object) {
				l.sent, l.behind, m.stream.lags = known.Sent, true, true
			}
		}
		l.sentBefore = l.sent
	}
}

// sentNow notes that a call carries an item, and reports whether that is news of a
// mapping that lags.
func (m *Machine) sentNow(it *item) bool {
	l := &m.states[it.mapping].lag
	if l.sent.Compare(it.at) >= 0 {
		return false
	}
	l.sent = it.at
	return l.behind
}

// passedOf notes that the stream has come to at: a mapping that lags is behind no
// longer than its own changes were sent, and lags no longer than the others are
// behind, unless it is stopped.
func (m *Machine) passedOf(at pgoutput.Position) {
	ended := false
	for i := range m.states {
		l := &m.states[i].lag
		if at.Compare(l.sentBefore) >= 0 {
			l.sentBefore = pgoutput.Position{}
		}
		if l.behind && !m.behind() && m.states[i].stopped.reason == "" {
			l.behind, ended = false, true
		}
	}
	if ended {
		m.recordLags()
	}
	m.stream.lags = m.behind()
}

// anyShort reports whether a mapping is stopped short of what was sent of it.
func (m *Machine) anyShort() bool {
	return slices.ContainsFunc(m.states, func(s mappingState) bool { return s.stopped.short })
}

// behindOf reports whether nothing of a mapping may be sent yet: see behind.
func (m *Machine) behindOf(mapping int) bool {
	s := &m.states[mapping]
	return s.stopped.short || s.stopped.paused || m.behind() && !(s.lag.behind && s.lag.sentBefore == pgoutput.Position{})
}

// allBehind reports whether that is so of every mapping.
func (m *Machine) allBehind() bool {
	for i := range m.states {
		if !m.behindOf(i) {
			return false
		}
	}
	return m.behind()
}

// catchesUp reports whether there is something to be sent of a mapping that lags,
// while others are behind. One that is paused sends nothing, and is stopped before
// it takes memory from them.
func (m *Machine) catchesUp() bool {
	for i := range m.states {
		if m.states[i].pending > 0 && !m.behindOf(i) && !(m.states[i].paused[live] != "" && m.mayLeave(i)) {
			return true
		}
	}
	return false
}

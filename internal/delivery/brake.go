package delivery

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// A DELETE by mistake must not empty Marketo, which cannot bring objects back.
// So a mapping that wants to delete more than Config.MaxDeletes objects in an
// hour is held, and asks. What waits meanwhile is merged with what comes: rows
// that are put back take their deletions with them.

// brakeSpan is the time in which deletions are counted.
const brakeSpan = time.Hour

// brake counts the deletions of a mapping.
type brake struct {
	hourly
	// flying counts the objects of the calls under way that delete.
	flying int
	// held is set while the mapping waits for somebody to release it.
	held bool
	// changed is set while the store knows less of it.
	changed bool
	// due is set when it is about to be.
	due bool
	// free is until when deletions are not counted, as it was released.
	free time.Time
}

// hourly counts what has been in the last brakeSpan.
type hourly struct {
	// minutes counts by the minute since 1970 that newest is the last of; nil before
	// anything was counted.
	minutes []int
	newest  int64
	sum     int // of minutes
}

// turn forgets what is older than brakeSpan.
func (b *hourly) turn(now time.Time) {
	minute := now.Unix() / 60
	for n := 0; b.newest < minute && n < len(b.minutes); n++ {
		b.newest++
		oldest := &b.minutes[b.newest%int64(len(b.minutes))]
		b.sum -= *oldest
		*oldest = 0
	}
	b.newest = max(b.newest, minute)
}

// deleted counts an object that is gone.
func (m *Machine) deleted(now time.Time, mapping int) {
	b := &m.states[mapping].brake
	if b.free.After(now) {
		return
	}
	b.count(now)
	m.brakeChanged(mapping)
}

// brakeChanged has the next save keep the brake of a mapping.
func (m *Machine) brakeChanged(mapping int) {
	if b := &m.states[mapping].brake; !b.changed {
		b.changed = true
		m.ledger.brakes = append(m.ledger.brakes, mapping)
	}
}

// count counts one.
func (b *hourly) count(now time.Time) {
	b.turn(now)
	b.add(b.newest, 1)
}

// add counts n in one of the minutes.
func (b *hourly) add(minute int64, n int) {
	if b.minutes == nil {
		b.minutes = make([]int, brakeSpan/time.Minute)
	}
	b.minutes[minute%int64(len(b.minutes))] += n
	b.sum += n
}

// record returns what the store keeps of it.
func (b *brake) record(now time.Time, mapping string) checkpoint.Deletions {
	b.turn(now)
	d := checkpoint.Deletions{Mapping: mapping, Held: b.held, Minutes: map[int64]int{}}
	if b.free.After(now) {
		d.Free = b.free.Unix() / 60
	}
	for i := range int64(len(b.minutes)) {
		minute := b.newest - i
		if n := b.minutes[minute%int64(len(b.minutes))]; n > 0 {
			d.Minutes[minute] = n
		}
	}
	return d
}

// restore takes a record over. By a clock that was set back since, its minutes
// lie in the future: those count as now.
func (b *brake) restore(now time.Time, d checkpoint.Deletions) {
	b.turn(now)
	for minute, n := range d.Minutes {
		minute = min(minute, b.newest)
		if b.newest-minute < int64(brakeSpan/time.Minute) {
			b.add(minute, n)
		}
	}
	b.held = d.Held
	if free := time.Unix(60*d.Free, 0); d.Free > 0 && !free.After(now.Add(brakeSpan)) {
		b.free = free
	}
}

// recordBrakes puts what has changed into the next save.
func (m *Machine) recordBrakes(now time.Time) {
	for _, i := range m.ledger.brakes {
		b := &m.states[i].brake
		b.changed = false
		m.ledger.draft.Deletions = append(m.ledger.draft.Deletions, b.record(now, m.cfg.Mappings[i].Name))
	}
	m.ledger.brakes = m.ledger.brakes[:0]
}

func (m *Machine) restoreBrakes(now time.Time, all []checkpoint.Deletions) {
	for _, d := range all {
		if i, ok := m.named(d.Mapping); ok && m.cfg.MaxDeletes > 0 {
			m.states[i].brake.restore(now, d)
		}
	}
}

// mayDelete returns how many objects of a mapping a call may delete now, at most
// so many. Where it wants to and may not, it is about to be held; not at once, as
// that moves what waits.
func (m *Machine) mayDelete(now time.Time, mapping, most int) int {
	b := &m.states[mapping].brake
	if m.cfg.MaxDeletes <= 0 || b.free.After(now) {
		return most
	}
	b.turn(now)
	if b.sum >= m.cfg.MaxDeletes && !b.held {
		b.due, m.queue.braking = true, true
	}
	return min(most, max(m.cfg.MaxDeletes-b.sum-b.flying, 0))
}

// Deleting asks how many of so many objects of a mapping somebody else may delete now,
// such as an audit, and counts those as deleted. The answer's Done is how many, its
// Problems say what stands against the rest.
type Deleting struct {
	Mapping string
	Objects int
	Reply   chan<- Acted
}

func (Deleting) event() {}

func (m *Machine) deleting(now time.Time, ev Deleting) {
	var acted Acted
	i, ok := m.named(ev.Mapping)
	switch {
	case !ok:
		acted.Problems = []string{"there is no mapping " + ev.Mapping}
	case m.states[i].waits():
		acted.Problems = []string{"mapping " + ev.Mapping + " is paused; cdcsync resume " + ev.Mapping + " has it go on"}
	default:
		b := &m.states[i].brake
		if !b.held {
			acted.Done = m.mayDelete(now, i, ev.Objects)
		}
		for range acted.Done {
			m.deleted(now, i)
		}
		if acted.Done < ev.Objects {
			m.mayDelete(now, i, 1) // which holds it where nothing is left
			held := m.heldObstacle(i)
			acted.Problems = []string{held.Reason + "; " + held.Remedy}
		}
	}
	m.emit(Tell{To: ev.Reply, Answer: acted})
}

// brake holds the mappings that are to be held.
func (m *Machine) brake(now time.Time) {
	if !m.queue.braking {
		return
	}
	m.queue.braking = false
	for i := range m.states {
		b := &m.states[i].brake
		if !b.due {
			continue
		}
		b.due, b.held = false, true
		m.brakeChanged(i)
		m.log(slog.LevelError, "mapping held: it wants to delete more objects than delivery.max_deletes allows in an hour",
			"mapping", m.cfg.Mappings[i].Name, "deleted", b.sum, "max_deletes", m.cfg.MaxDeletes)
		m.dissolve(i)
		m.dropPreparedOf(now, i)
	}
}

// braked counts the objects of a call that deletes among those under way, or
// takes them out.
func (m *Machine) braked(c *call, sign int) {
	if c.batch.Operation == marketo.Delete {
		m.states[c.items[0].mapping].brake.flying += sign * len(c.items)
	}
}

// silent reports whether nothing of a mapping is sent but, if that, probes.
func (m *Machine) silent(mapping int) bool {
	s := &m.states[mapping]
	return s.brake.held || s.block.reason != "" || s.waits()
}

// askAgain has the table asked of every deletion of a mapping that was held:
// rows may have been put back, farther on in the stream than memory reaches.
func (m *Machine) askAgain(now time.Time, mapping int) {
	for it := range m.keys.items() {
		if int(it.mapping) != mapping {
			continue
		}
		if it.idle() {
			m.gatherAsking(now, it)
		}
		if !it.deletes() {
			continue
		}
		switch it.stage {
		case waiting, unended, timed:
			it.ask()
		case reading: // the answer may be from before
			it.stale = it.needs.has(itsHolder)
		}
	}
	for c := range classes {
		l := m.lane(c, mapping, marketo.Delete)
		for spot, end := l.head, l.tail; spot != end; spot++ {
			if it := *l.at(spot); it != nil && it.deletes() {
				it.ask()
				m.promote(now, it)
			}
		}
	}
}

// heldObstacle says why a mapping is held, and how it goes on.
func (m *Machine) heldObstacle(mapping int) Obstacle {
	name := m.cfg.Mappings[mapping].Name
	return Obstacle{
		Condition: DeletesHeld,
		Reason:    fmt.Sprintf("mapping %s is held: it wants to delete more than %d objects in an hour, which is what delivery.max_deletes allows", name, m.cfg.MaxDeletes),
		Remedy: "see whether these rows were to be deleted. If so: cdcsync release " + name +
			"; more often: raise delivery.max_deletes and restart. If not: put the rows back into the table, then release it; a row that is back is not deleted in marketo",
	}
}

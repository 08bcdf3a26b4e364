package simulation

import "time"

type eventKind uint8

const (
	evCommit eventKind = iota
	evChaos
	evStart
	evConnect
	evDeliver
	evKeepalive
	evOvertime
	evKill
	evPowerLoss
	evLeave
	evExecute
	evReply
	evSaved
	evRow
	evChunk
	evResume
	evLooked
	evWord
)

// event is something that is going to happen. Those with a life happen to the
// process of that life, or to nobody.
type event struct {
	at    time.Duration
	order uint64
	kind  eventKind
	life  int32
	n     int32
}

// agenda holds what is going to happen. It is short, so it is searched.
type agenda struct {
	events []event
	order  uint64
}

func (a *agenda) reset() { a.events, a.order = a.events[:0], 0 }

func (a *agenda) add(e event) {
	a.order++
	e.order = a.order
	a.events = append(a.events, e)
}

func (a *agenda) index() int {
	best := -1
	for i := range a.events {
		e := &a.events[i]
		if best < 0 || e.at < a.events[best].at || e.at == a.events[best].at && e.order < a.events[best].order {
			best = i
		}
	}
	return best
}

func (a *agenda) first() (time.Duration, bool) {
	if i := a.index(); i >= 0 {
		return a.events[i].at, true
	}
	return 0, false
}

func (a *agenda) pop() (event, bool) {
	i := a.index()
	if i < 0 {
		return event{}, false
	}
	e := a.events[i]
	last := len(a.events) - 1
	a.events[i] = a.events[last]
	a.events = a.events[:last]
	return e, true
}

// plan puts something on the agenda that concerns no process.
func (s *Simulator) plan(in time.Duration, kind eventKind, n int) {
	s.agenda.add(event{at: s.now + in, kind: kind, n: int32(n)})
}

// planFor puts something on the agenda that happens to the process that runs
// now, or to nobody.
func (s *Simulator) planFor(in time.Duration, kind eventKind, n int) {
	s.agenda.add(event{at: s.now + in, kind: kind, n: int32(n), life: s.process.life})
}

// happen carries an event out.
func (s *Simulator) happen(e event) {
	if e.life != 0 && (e.life != s.process.life || !s.process.alive()) {
		return
	}
	switch e.kind {
	case evCommit:
		s.commit()
	case evChaos:
		s.chaos()
	case evStart:
		s.start()
	case evConnect:
		s.connect()
	case evDeliver:
		s.deliver()
	case evKeepalive:
		s.keepalive()
	case evOvertime:
		s.tracef("the orderly end takes too long")
		s.die(false)
	case evKill, evPowerLoss:
		if !s.healed {
			s.die(e.kind == evPowerLoss)
		}
	case evLeave:
		s.leave(int(e.n))
	case evExecute:
		s.execute(int(e.n))
	case evReply:
		s.reply(int(e.n))
	case evSaved:
		s.saved()
	case evChunk:
		s.readChunk()
	case evLooked:
		s.looked(int(e.n))
	case evResume:
		s.resumeBackfill()
	case evWord:
		s.word(int(e.n))
	case evRow:
		s.rowRead(int(e.n))
	}
}

// exponential returns a time with the given mean.
func (s *Simulator) exponential(mean time.Duration) time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(mean))
}

// between returns a time in [low, high).
func (s *Simulator) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.rng.Int64N(int64(high-low)))
}

func (s *Simulator) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

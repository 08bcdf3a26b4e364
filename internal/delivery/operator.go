package delivery

import (
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Release has what waits by itself, or for somebody's word, go on at once: held
// mappings delete for an hour whatever they want to, blocked ones probe. Without
// Mappings it is for all of them, and for what Marketo said of too many calls,
// too: the next call asks. The answer counts what was released.
type Release struct {
	Mappings []string
	Reply    chan<- Acted
}

// Reserve asks for leave for one call to Marketo that somebody else makes, such
// as a check: it is counted with those of the Machine.
type Reserve struct{ Reply chan<- Reserved }

// Reserved says whether a call may be made now. If not, Wait is after how long
// it is worth asking again, and Why what stands against it: a limit's name.
type Reserved struct {
	OK   bool          `json:"ok"`
	Wait time.Duration `json:"wait,omitempty"`
	Why  string        `json:"why,omitempty"`
}

// Answer asks for the answer to a Reserve to be sent; To has room for it.
type Answer struct {
	To     chan<- Reserved
	Answer Reserved
}

func (Release) event() {}
func (Reserve) event() {}
func (Answer) effect() {}

func (m *Machine) released(now time.Time, ev Release) {
	var acted Acted
	names := ev.Mappings
	if len(names) == 0 {
		acted.Done += m.releaseCalls(now)
		for _, c := range m.cfg.Mappings {
			names = append(names, c.Name)
		}
	}
	for _, name := range names {
		i, ok := m.named(name)
		if !ok {
			acted.Problems = append(acted.Problems, "there is no mapping "+name)
			continue
		}
		s := &m.states[i]
		if s.brake.held {
			s.brake.held, s.brake.free = false, now.Add(brakeSpan)
			m.brakeChanged(i)
			m.askAgain(now, i)
			m.log(slog.LevelInfo, "mapping released: for an hour its deletions are not counted", "mapping", name)
			acted.Done++
		}
		if s.block.reason != "" {
			m.probe(now, i)
			acted.Done++
		}
	}
	m.emit(Tell{To: ev.Reply, Answer: acted})
}

// releaseCalls has the next call go at once, and returns what stood against it.
func (m *Machine) releaseCalls(now time.Time) int {
	done := 0
	if m.calls.limiter.IsExhausted() {
		m.calls.limiter.Ask()
		done++
	}
	for _, until := range []*time.Time{&m.pauses.wish, &m.pauses.outage.until, &m.pauses.throttle.until} {
		if until.After(now) {
			*until = now
			done++
		}
	}
	return done
}

func (m *Machine) named(name string) (int, bool) {
	for i := range m.cfg.Mappings {
		if m.cfg.Mappings[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// reservedFor is how long a call of somebody else takes a place.
const reservedFor = 5 * time.Second

func (m *Machine) reserve(now time.Time, ev Reserve) {
	answer := Reserved{Wait: time.Second}
	ok, at, why := m.calls.limiter.Ready(now)
	switch {
	case m.startsKnown().After(now):
		answer.Wait, answer.Why = m.startsKnown().Sub(now), marketo.WhyRate
	case m.pauses.wish.After(now):
		answer.Wait, answer.Why = m.pauses.wish.Sub(now), marketo.WhyRate
	case !ok:
		answer.Why = why
		if !at.IsZero() {
			answer.Wait = max(at.Sub(now), time.Second)
		}
	default:
		m.calls.limiter.Start(now)
		m.calls.limiter.Done(now, now)
		m.calls.limiter.Lose(now.Add(reservedFor))
		// It may be made once the store knows of it.
		m.ledger.counted = true
		m.ledger.reserved = append(m.ledger.reserved, reservation{ev.Reply, now})
		return
	}
	m.emit(Answer{To: ev.Reply, Answer: answer})
}

// startsKnown is when the calls that Marketo counts are known again: a loss of
// power may have taken the last ones of the life before from the store. Calls of
// objects wait for longer than that.
func (m *Machine) startsKnown() time.Time {
	return m.holds.all.Add(marketo.Window - m.cfg.UnknownHold)
}

// reservation is a Reserve that was granted then, and is not answered yet.
type reservation struct {
	to chan<- Reserved
	at time.Time
}

// grantedWithin is how long the store may take for a call that is reserved. Should
// the process die right after, the store has an earlier time than that of the
// call, by that much at most: a new life takes longer to begin.
const grantedWithin = 250 * time.Millisecond

// grant answers those whose calls are in the store now. Where that took long, the
// call is not to be made.
func (m *Machine) grant(now time.Time) {
	for _, r := range m.ledger.reserving {
		answer := Reserved{OK: true}
		switch took := now.Sub(r.at); {
		case took > grantedWithin:
			answer = Reserved{Wait: time.Second, Why: marketo.WhyRate}
		case took > prompt:
			m.calls.limiter.Again(r.at, now)
			m.ledger.counted = true
		}
		m.emit(Answer{To: r.to, Answer: answer})
	}
	m.ledger.reserving = nil
}

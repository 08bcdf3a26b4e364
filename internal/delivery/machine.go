// Package delivery carries objects from the replication stream to Marketo and
// tells the server what it may forget.
//
// The Machine decides everything: which changes merge, what goes into which
// call and when, what a status means for an object, when the checkpoint moves.
// It is a pure state machine: Step takes the time and one event and returns
// the effects. It has no goroutine, no clock and no randomness but a seed, so
// a run can be repeated exactly. The shell around it, which owns the goroutines,
// the connection, the calls and the store, is package pipeline.
//
// Promise: every committed change ends confirmed by a status of its own or
// parked in the store; the server is told to forget a change only after that
// is durable; per key, no older value is sent after a newer one, one call is
// in flight at a time, and after a call with an unknown outcome a newer value
// waits until the earlier call can no longer be executing.
//
// Limits: what is in memory is bounded by Config.MaxPending and MaxPendingBytes
// plus one piece of the stream, and a quarter of them plus one piece for what feeds
// hand in while the stream has filled it; after a kill the calls in flight are repeated.
package delivery

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Machine is the state machine. It must be used from one goroutine.
type Machine struct {
	cfg Config
	rng *rand.Rand
	// window knows which transactions are settled, up to where in the stream
	// things are: see promise.go.
	window *checkpoint.Window
	ledger ledger
	stream stream
	// replayed holds what the last life settled above its checkpoint.
	replayed replayed

	keys     keyIndex
	queue    queue
	memory   memory
	removals removals
	feeds    feeds
	reads    reads
	holds    holds
	calls    calls
	ahead    ahead
	parked   parked
	known    known
	states   []mappingState

	pauses pauses
	pace   pace
	stand  standing
	end    end
	clock  clock
	out    out
	count  Counts
}

// end is how the Machine comes to an end, in order or not.
type end struct {
	// halted is why nothing is sent any more; "" while that is not so.
	halted string
	// stopping is set from a Stop on, which sends until the time given.
	stopping, finished bool
	until              time.Time
}

// out is what a Step has done.
type out struct {
	effects []Effect
	// opening is what is to be told at the first Step.
	opening []Effect
}

// New returns a Machine that continues from state: what it holds as in flight
// may still be executing at Marketo, and is held back accordingly.
func New(cfg Config, state checkpoint.State, now time.Time) *Machine {
	m := &Machine{
		cfg:    cfg,
		rng:    rand.New(rand.NewPCG(cfg.Seed, 0)),
		keys:   newKeyIndex(rand.New(rand.NewPCG(cfg.Seed, 1))),
		queue:  newQueue(len(cfg.Mappings), cfg.Capacity.Objects),
		calls:  calls{limiter: marketo.NewLimiter(cfg.Limits), sent: make(map[uint64]*call)},
		reads:  reads{asked: make(map[uint64]*item)},
		holds:  holds{keys: make(map[string]time.Time)},
		parked: parked{objects: make(map[string]*parkedObject)},
		known:  known{incomplete: make(map[string]struct{}, len(state.Lacking)), looks: looks{asked: make(map[uint64]*item)}},
		states: make([]mappingState, len(cfg.Mappings)),
		stand:  standing{since: now},
	}
	for i := range m.states {
		m.states[i].shape = ShapeOf(&cfg.Mappings[i])
	}
	m.restore(state, now)
	return m
}

// Step takes one event and returns what is to be done about it. The effects
// are valid until the next Step.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	clear(m.out.effects)
	m.out.effects = m.out.effects[:0]
	m.clock.wake = time.Time{}
	m.out.effects, m.out.opening = append(m.out.effects, m.out.opening...), nil
	switch ev := ev.(type) {
	case *Received:
		m.received(now, ev.Entries)
	case Answered:
		m.answered(now, ev)
	case Saved:
		m.saved(now, ev.Err)
	case RowRead:
		m.rowRead(now, ev)
	case Stop:
		m.stop(ev.SendUntil)
	case Act:
		m.act(now, ev)
	case Release:
		m.released(now, ev)
	case Erase:
		m.erase(now, ev)
	case *Offered:
		m.offered(now, ev)
	case Looked:
		m.looked(now, ev)
	case Pause:
		m.pause(now, ev)
	case Reserve:
		m.reserve(now, ev)
	case Deleting:
		m.deleting(now, ev)
	case Tick:
	}
	m.expire(now)
	if len(m.removals.waiting) > 0 && (m.full() || m.end.stopping) {
		m.endOfTransaction(now)
	}
	m.dispatch(now)
	m.fetch()
	m.save(now)
	m.observe(now)
	m.tellParked(now)
	m.finish(now)
	return m.out.effects
}

// Accepting reports whether the Machine takes another Received. While it does
// not, nothing is to be read from the stream.
func (m *Machine) Accepting() bool {
	if m.end.stopping || m.end.halted != "" {
		return false
	}
	if m.behind() {
		// What an earlier life held at once, this one can hold, too, once it has
		// the rows that it asked for: they cover changes. While nothing is sent
		// as calls are unknown, what they may have carried is read: see enqueue.
		return !m.full() || len(m.reads.asked) == 0 && !m.catchesUp()
	}
	return !m.full() && !(m.supplied() && m.holds.all.IsZero())
}

func (m *Machine) emit(e Effect) { m.out.effects = append(m.out.effects, e) }

func (m *Machine) log(level slog.Level, message string, args ...any) {
	m.emit(Log{Level: level, Message: message, Args: args})
}

func (m *Machine) stop(until time.Time) {
	m.end.stopping, m.end.until = true, until
}

// halt ends all sending: going on would lose or damage something.
func (m *Machine) halt(reason string) {
	if m.end.halted == "" {
		m.end.halted = reason
		m.log(slog.LevelError, "delivery halted", "reason", reason)
	}
}

// finish ends a stop once nothing more can be done.
func (m *Machine) finish(now time.Time) {
	if !m.end.stopping || m.end.finished || len(m.calls.sent) > 0 || m.ledger.busy() {
		return
	}
	if m.unsent() > 0 && m.maySendLater(now) {
		return
	}
	m.end.finished = true
	m.emit(Finished{Left: m.liveItems()})
}

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
// plus one piece of the stream; after a kill the calls in flight are repeated.
package delivery

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Machine is the state machine. It must be used from one goroutine.
type Machine struct {
	cfg     Config
	rng     *rand.Rand
	limiter *marketo.Limiter
	window  *checkpoint.Window

	keys  chains
	seen  *sightings
	lanes []lane
	// listed holds the lanes that may have items, in the order they got them.
	listed []*lane
	groups []*group
	timers timers
	free   []*item
	spare  []*call

	// calls holds the calls that are counted and not answered; unsent of them
	// wait for their records.
	calls    map[uint64]*call
	unsent   int
	lastCall uint64
	// prepared holds calls that were recorded ahead, oldest first; quick is set
	// while calls are answered so soon that this pays.
	prepared []*call
	quick    bool
	// ghosts counts the calls that the store has, or will have, as in flight:
	// those under way and those that may still be executing.
	ghosts int
	// unread holds the items whose rows are to be read, reads those that have
	// been asked for.
	unread   []*item
	reads    map[uint64]*item
	lastRead uint64
	mayAsk   int // see mayRead
	// holds says until when newer values of keys are held, by their folded form.
	holds map[string]time.Time
	// removals wait for the end of the open transaction.
	removals []*item
	// removalsLimit is from how many on it is looked which of them still do.
	removalsLimit int
	// holdAll, when set, is until when every key is held: the last life's calls
	// are unknown.
	holdAll time.Time
	// heirUntil is until when keys of the last life's calls may be held.
	heirUntil time.Time
	// replayed holds what the last life settled above its checkpoint.
	replayed replayed
	parked   map[string]*parkedObject
	// lacking holds the keys of which Marketo may lack a part until the whole
	// object is confirmed: what was parked and given up, and objects that came
	// to be from a part of their rows, or may have.
	lacking map[string]struct{}
	// rows are those that were read of late, and may cover what comes.
	rows rowsRead
	// sentBefore is the newest change that an earlier life has sent, until the
	// stream has come to it again; see passed.
	sentBefore pgoutput.Position

	ledger   ledger
	ahead    time.Duration
	open     checkpoint.Ref
	inside   bool
	commit   LSN
	xid      uint32
	timeline int32
	time     time.Time
	sequence uint64
	items    int
	bytes    int
	// fetched is the part of bytes that was read from tables.
	fetched int

	stand standing
	// steps is part of the mark that stand looks at.
	steps uint64
	// opening is what is to be told at the first Step.
	opening []Effect
	// news is what is still to be told of parked objects.
	news parkedNews

	trouble  trouble
	throttle throttle
	// wish is until when the server wishes that nobody calls it.
	wish time.Time
	pace pace
	// braking is set when a mapping is to be held.
	braking bool
	// existing are the objects that are known to be there.
	existing existing
	// spent is set while our own limit of the day is used up.
	spent    bool
	states   []mappingState
	halted   string
	stopping bool
	finished bool
	until    time.Time

	effects []Effect
	wake    time.Time
	count   Counts
}

// New returns a Machine that continues from state: what it holds as in flight
// may still be executing at Marketo, and is held back accordingly.
func New(cfg Config, state checkpoint.State, now time.Time) *Machine {
	m := &Machine{
		cfg:     cfg,
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0)),
		limiter: marketo.NewLimiter(cfg.Limits),
		keys:    newChains(rand.New(rand.NewPCG(cfg.Seed, 1))),
		seen:    newSightings(cfg.Capacity.Objects),
		lanes:   make([]lane, len(cfg.Mappings)*operations),
		calls:   make(map[uint64]*call),
		reads:   make(map[uint64]*item),
		holds:   make(map[string]time.Time),
		parked:  make(map[string]*parkedObject),
		lacking: make(map[string]struct{}, len(state.Lacking)),
		states:  make([]mappingState, len(cfg.Mappings)),
		stand:   standing{since: now},
	}
	for i := range m.lanes {
		m.lanes[i].mapping = i / operations
		m.lanes[i].operation = marketo.Operation(i % operations)
	}
	m.restore(state, now)
	return m
}

const operations = int(marketo.Delete) + 1

func (m *Machine) lane(mapping int, op marketo.Operation) *lane {
	return &m.lanes[mapping*operations+int(op)]
}

// Step takes one event and returns what is to be done about it. The effects
// are valid until the next Step.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	clear(m.effects)
	m.effects = m.effects[:0]
	m.wake = time.Time{}
	m.effects, m.opening = append(m.effects, m.opening...), nil
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
	case Reserve:
		m.reserve(now, ev)
	case Tick:
	}
	m.expire(now)
	if len(m.removals) > 0 && (m.full() || m.stopping) {
		m.endOfTransaction(now)
	}
	m.dispatch(now)
	m.fetch()
	m.save(now)
	m.observe(now)
	m.tellParked(now)
	m.finish(now)
	return m.effects
}

// Accepting reports whether the Machine takes another Received. While it does
// not, nothing is to be read from the stream.
func (m *Machine) Accepting() bool {
	if m.stopping || m.halted != "" {
		return false
	}
	if m.behind() {
		// What an earlier life held at once, this one can hold, too, once it has
		// the rows that it asked for: they cover changes. While nothing is sent
		// as calls are unknown, what they may have carried is read: see enqueue.
		return !m.full() || len(m.reads) == 0
	}
	return !m.full() && !(m.supplied() && m.holdAll.IsZero())
}

// full reports whether as much is held in memory as may be.
func (m *Machine) full() bool {
	return m.items >= m.cfg.MaxPending || m.bytes >= m.cfg.MaxPendingBytes
}

// Deadline returns when the Machine wants its next Step at the latest; zero
// when it waits for events only.
func (m *Machine) Deadline() time.Time {
	if at, ok := m.timers.next(); ok {
		m.wakeAt(at)
	}
	return m.wake
}

func (m *Machine) wakeAt(at time.Time) {
	if m.wake.IsZero() || at.Before(m.wake) {
		m.wake = at
	}
}

func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *Machine) log(level slog.Level, message string, args ...any) {
	m.emit(Log{Level: level, Message: message, Args: args})
}

// expire acts on every timer that is due.
func (m *Machine) expire(now time.Time) {
	if !m.holdAll.After(now) {
		m.holdAll = time.Time{}
	}
	for {
		t, ok := m.timers.due(now)
		if !ok {
			return
		}
		switch {
		case t.item != nil:
			m.promote(now, t.item)
		case t.call != 0:
			m.ledger.draft.Ended = append(m.ledger.draft.Ended, t.call)
		case t.parked != "":
			m.waited(now, t.parked)
		default:
			if !m.holds[t.key].After(now) {
				delete(m.holds, t.key)
			}
		}
	}
}

func (m *Machine) stop(until time.Time) {
	m.stopping, m.until = true, until
}

// halt ends all sending: going on would lose or damage something.
func (m *Machine) halt(reason string) {
	if m.halted == "" {
		m.halted = reason
		m.log(slog.LevelError, "delivery halted", "reason", reason)
	}
}

// finish ends a stop once nothing more can be done.
func (m *Machine) finish(now time.Time) {
	if !m.stopping || m.finished || len(m.calls) > 0 || m.ledger.busy() {
		return
	}
	if m.items > 0 && m.maySendLater(now) {
		return
	}
	m.finished = true
	m.emit(Finished{Left: m.items})
}

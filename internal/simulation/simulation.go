// Package simulation runs the delivery machine in a simulated world: a source
// with transactions and a slot, an instance of Marketo that fails in every way
// delivery knows of, a store that loses what was not synced, and a process
// that dies between any two effects. One seed decides everything, so a failing
// run can be repeated exactly.
//
// The promise: the world knows the truth (what was committed, what Marketo
// holds, what the disk holds) and checks at every step that the machine keeps
// the invariants; after the faults have healed everything must converge within
// a bound. Every check is held against a planted mistake that it must find.
//
// Limits: the parts around the machine are models of the reader, the store and
// the sender, not those parts themselves.
package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
)

// LSN is a position in the write-ahead log.
type LSN = checkpoint.LSN

// Options say what to run.
type Options struct {
	Seed uint64
	// Steps is the number of events before the faults heal; zero means a
	// number between 150 and 450 that the seed picks.
	Steps int
	// Plant names a planted mistake; "" is none. See Plants.
	Plant string
	// Trace, when set, gets a line for everything that happens.
	Trace io.Writer
}

// Result is what came of one run.
type Result struct {
	// Violation is the invariant that did not hold; "" when all did.
	Violation string
	// Events counts what happened in the world, Steps those of the machine.
	Events, Steps int
	// Virtual is how much time passed in the world.
	Virtual time.Duration
	Covered Coverage
}

// violation ends a run.
type violation string

// epoch is when every world begins.
var epoch = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// Simulator runs seeds, one after the other, and keeps its memory between
// them. It is for one goroutine.
type Simulator struct {
	options Options
	trace   io.Writer
	source  rand.PCG
	rng     *rand.Rand
	profile profile
	plant   *plant
	now     time.Duration
	agenda  agenda
	// rowsCover is set once a row was read that covers changes.
	rowsCover bool
	covered   Coverage
	events    int
	steps     int
	healed    bool

	keys    []key
	changes []change
	txs     []transaction
	walEnd  LSN
	// longest is the number of changes of the largest transaction.
	longest int
	low     int32

	slot    slot
	reader  reader
	sink    []object
	births  []birth
	waste   waste
	calls   []request
	outage  outage
	reads   []reading
	disk    disk
	process process
	one     [1]delivery.Event
	other   [1]delivery.Effect
	limits  limits
	clock   wallClock
	acted   operator
	paused  [len(mappings)]pausing

	backfill backfill
	record   record
}

// New returns a Simulator.
func New() *Simulator {
	s := &Simulator{}
	s.rng = rand.New(&s.source)
	return s
}

// Run runs one seed.
func (s *Simulator) Run(o Options) (result Result) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case violation:
			result.Violation = string(p)
		default:
			result.Violation = fmt.Sprintf("panic: %v\n%s", p, firstFrames(debug.Stack()))
		}
		result.Events, result.Steps = s.events, s.steps
		result.Virtual, result.Covered = s.now, s.covered
	}()
	s.reset(o)
	s.attack()
	s.heal()
	s.converge()
	s.compare()
	return result
}

// firstFrames cuts a stack to what names the place.
func firstFrames(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	var kept []string
	for _, line := range lines {
		if strings.Contains(line, "/internal/") && len(kept) < 6 {
			kept = append(kept, line[strings.LastIndex(line, "/")+1:])
		}
	}
	return strings.Join(kept, "\n")
}

func (s *Simulator) reset(o Options) {
	s.options, s.trace = o, o.Trace
	s.source.Seed(o.Seed, 0x5eed)
	s.plant = newPlant(o.Plant)
	s.now, s.events, s.steps, s.healed = 0, 0, 0, false
	s.covered = Coverage{}
	s.agenda.reset()
	s.profile = s.newProfile(o.Steps)
	s.resetSource()
	s.resetSink()
	s.disk.reset(len(s.keys))
	s.resetProcess()
	s.backfill, s.record = backfill{}, record{}
	s.limits = limits{starts: s.limits.starts[:0]}
	s.clock, s.acted = wallClock{}, operator{}
	s.paused = [len(mappings)]pausing{}
	s.start()
	s.plan(s.exponential(s.profile.commitEvery), evCommit, 0)
	s.planWord()
	if s.profile.chaosEvery > 0 {
		s.plan(s.exponential(s.profile.chaosEvery), evChaos, 0)
	}
}

// attack runs the first phase: everything that can go wrong may.
func (s *Simulator) attack() {
	for s.events < s.profile.steps {
		if !s.next() {
			s.fail("liveness", "nothing is going to happen any more")
		}
	}
}

// converge runs the second phase until all is quiet.
func (s *Simulator) converge() {
	const most = 40_000
	end := s.events + most
	for !s.quiet() {
		if s.events > end || s.now > 1000*24*time.Hour {
			s.fail("liveness", "no convergence: %s", s.condition())
		}
		if !s.next() {
			s.fail("liveness", "nothing is going to happen any more: %s", s.condition())
		}
	}
	// Requests that nobody waits for any longer may still be executed.
	for {
		e, ok := s.agenda.pop()
		if !ok {
			return
		}
		if e.kind == evExecute {
			s.now = e.at
			s.execute(int(e.n))
		}
	}
}

// next lets the next event happen. It is false when there is none.
func (s *Simulator) next() bool {
	at, ok := s.agenda.first()
	if wake := s.process.wake; s.process.alive() && wake >= 0 && (!ok || wake <= at) {
		s.now = max(s.now, wake, s.process.paused)
		s.events++
		s.step(delivery.Tick{})
		return true
	}
	e, ok := s.agenda.pop()
	if !ok {
		return false
	}
	if e.life != 0 && e.at < s.process.paused && s.process.alive() {
		e.at = s.process.paused
		s.agenda.add(e)
		return true
	}
	s.now = max(s.now, e.at)
	s.events++
	s.happen(e)
	return true
}

func (s *Simulator) fail(invariant, format string, args ...any) {
	panic(violation(invariant + ": " + fmt.Sprintf(format, args...)))
}

func (s *Simulator) tracef(format string, args ...any) {
	if s.trace != nil {
		fmt.Fprintf(s.trace, "%12s  %s\n", s.now, fmt.Sprintf(format, args...))
	}
}

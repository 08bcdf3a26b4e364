package simulation

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// serverLimit is how long Marketo may work on a call that its caller has
// given up.
const serverLimit = 120 * time.Second

// roomy is a number of objects that no run comes near.
const roomy = 100_000

// narrowBytes is the least memory of a run.
const narrowBytes = 8_000

// callTimeout is how long a caller waits for a reply.
const callTimeout = 130 * time.Second

// profile is what one seed makes of the world: which faults there are, how
// often, and how the machine is configured. Only a part of the faults is on in
// any one run, so that none of them hides the others.
type profile struct {
	steps       int
	commitEvery time.Duration
	chaosEvery  time.Duration

	// Shares of what the source does.
	hot, toast, null, problem, keyChange, huge, foreign float64
	// asks: who holds a key is asked of the table. spellings: every key has two,
	// which Marketo takes for one where folds is set.
	asks, spellings, folds  bool
	exchange, hide, respell float64
	unreadable              float64
	// old is the share of the rows that are older than the slot.
	old   float64
	keys  int
	piece int

	// Shares of what becomes of a call.
	lostRequest, lostReply, late, slow, short float64
	faults                                    []marketo.FaultClass
	fault                                     float64
	outages                                   bool
	// Shares of what becomes of an object.
	reject, wait, retry, unknown float64
	badKeys, poisonKeys          int
	tooLarge                     int

	// Chaos.
	kills, powerLoss, stops, disconnects, serverCrashes, pauses, diskFull, slowDisk bool
	// clock: the wall clock is set; operator: somebody acts on parked objects.
	clock, operator bool
	readErrors      float64

	config delivery.Config
	// backfill: rows are sent that the tables have.
	backfill bool
	// announced is how many objects of a mapping it may create in an hour; zero for
	// any number.
	announced int
	// record: what Marketo has confirmed is remembered.
	record bool
	// pausing: somebody has mappings wait, and go on.
	pausing bool
	// broken is the share of changes that break their mapping.
	broken float64
	// raised is set when the operator will have to raise a limit.
	raised bool
}

// mappings are the mappings of every world: a name, what a change becomes, and
// what a deleted row does.
var mappings = [...]struct {
	operation marketo.Operation
	separate  bool
	set       bool
	shape     *marketo.Shape
}{
	{operation: marketo.Upsert, shape: newShape("Zero")},
	{operation: marketo.Upsert, set: true, shape: newShape("One")},
	{operation: marketo.Upsert, separate: true, shape: newShape("Two")},
	{operation: marketo.Insert, shape: newShape("Three")},
	{operation: marketo.Update, set: true, shape: newShape("Four")},
}

func newShape(name string) *marketo.Shape {
	return &marketo.Shape{Type: name, Key: []string{"id"}, Attributes: []string{"stamp", "a", "b"}}
}

// pick returns one of the given values.
func pick[T any](s *Simulator, values ...T) T { return values[s.rng.IntN(len(values))] }

// sometimes returns p in the given share of the runs, otherwise 0.
func (s *Simulator) sometimes(share, p float64) float64 {
	if s.chance(share) {
		return p * s.rng.Float64()
	}
	return 0
}

func (s *Simulator) newProfile(steps int) profile {
	p := profile{
		steps:       steps,
		commitEvery: pick(s, 30*time.Millisecond, 500*time.Millisecond, 10*time.Second, 60*time.Second),
		keys:        5 + s.rng.IntN(30),
		piece:       pick(s, 2, 8, 64),
		hot:         pick(s, 0.1, 0.5, 0.8),
		toast:       s.sometimes(0.6, 0.8), null: s.sometimes(0.5, 0.4),
		problem: s.sometimes(0.3, 0.1), keyChange: s.sometimes(0.5, 0.2),
		huge: s.sometimes(0.15, 0.05), foreign: s.sometimes(0.7, 0.5),
	}
	if steps == 0 {
		p.steps = 150 + s.rng.IntN(300)
	}
	if s.chance(0.85) {
		p.chaosEvery = pick(s, 2*time.Second, 20*time.Second, 100*time.Second)
	}
	p.sinkFaults(s)
	p.kills, p.powerLoss, p.stops = s.chance(0.5), s.chance(0.25), s.chance(0.3)
	p.disconnects, p.serverCrashes = s.chance(0.4), s.chance(0.2)
	p.pauses, p.diskFull, p.slowDisk = s.chance(0.15), s.chance(0.2), s.chance(0.3)
	p.readErrors = s.sometimes(0.3, 0.6)
	p.clock, p.operator = s.chance(0.2), s.chance(0.5)
	p.configure(s)
	switch s.options.Seed % 16 {
	case 2:
		p.spread(s)
	case 1, 6, 12:
		p.old = 0.7
	}
	p.hands(s)
	switch s.options.Seed % 8 {
	case 3, 5, 7:
		p.record, p.config.Digest = true, digest
	}
	switch s.options.Seed % 8 {
	case 4, 5:
		p.backfill = !p.spellings
		p.old = 0.7
	}
	if s.options.Seed%8 == 4 {
		p.announced = 2 + int(s.options.Seed/8%3)
	}
	p.pausing = s.options.Seed/16%10 == 2
	if s.options.Seed%16 == 9 {
		p.breaks(s)
	}
	return p
}

// hands has keys change hands.
func (p *profile) hands(s *Simulator) {
	p.hide, p.unreadable = s.sometimes(0.3, 0.2), s.sometimes(0.3, 0.15)
	if p.asks = s.chance(0.3); p.asks {
		p.exchange = s.sometimes(0.7, 0.3)
	}
	if p.asks && s.chance(0.5) {
		p.hide = 0 // a row that does not match and one of the other spelling are told apart by nobody
		p.spellings, p.folds = true, s.chance(0.5)
		p.respell = s.sometimes(0.8, 0.3)
		p.keys += p.keys % 2
	}
}

// spread takes so many keys that few come again, which the machine reads no
// further ahead for than calls can use.
func (p *profile) spread(s *Simulator) {
	p.keys = 500 + s.rng.IntN(1500)
	p.hot = pick(s, 0, 0.02, 0.1)
	p.commitEvery = pick(s, 5*time.Millisecond, 30*time.Millisecond)
	p.config.MaxPending = roomy
}

func (p *profile) sinkFaults(s *Simulator) {
	p.lostRequest, p.lostReply = s.sometimes(0.3, 0.3), s.sometimes(0.4, 0.4)
	p.late, p.slow, p.short = s.sometimes(0.4, 0.5), s.sometimes(0.4, 0.3), s.sometimes(0.15, 0.1)
	p.reject, p.wait = s.sometimes(0.3, 0.3), s.sometimes(0.2, 0.2)
	p.retry, p.unknown = s.sometimes(0.3, 0.4), s.sometimes(0.3, 0.4)
	if s.chance(0.4) {
		p.fault = 0.4 * s.rng.Float64()
		for c := marketo.FaultRetry; c <= marketo.FaultTooLarge; c++ {
			if s.chance(0.3) && c != marketo.FaultRefused && c != marketo.FaultTooLarge {
				p.faults = append(p.faults, c)
			}
		}
	}
	p.outages = s.chance(0.2)
	if s.chance(0.3) {
		p.badKeys = 1 + s.rng.IntN(3)
		if s.chance(0.3) {
			p.badKeys = p.keys
		}
	}
	if s.chance(0.2) {
		p.poisonKeys = 1 + s.rng.IntN(3)
		if s.chance(0.3) {
			p.poisonKeys = p.keys
		}
	}
	if s.chance(0.15) {
		p.tooLarge = 1 + s.rng.IntN(4)
	}
}

func (p *profile) configure(s *Simulator) {
	c := delivery.DefaultConfig()
	for i, m := range mappings {
		c.Mappings = append(c.Mappings, delivery.Mapping{
			Name: m.shape.Type, Object: m.shape.Type, Shape: m.shape, Operation: m.operation, Separate: mappings[i].separate, Deletes: !m.set, Rules: uint64(i),
		})
	}
	c.Capacity = marketo.Capacity{Objects: pick(s, 2, 5, 20)}
	if s.chance(0.15) {
		c.Capacity.Bytes, c.Capacity.Envelope, c.Capacity.Size = 200, 20, objectSize
	}
	c.Limits = marketo.Limits{CallsPer20s: pick(s, 0, 3, 10, 50), ConcurrentCalls: pick(s, 1, 2, 5)}
	if s.chance(0.1) {
		c.Limits.CallsPerDay = 20 + s.rng.IntN(80)
	}
	c.MaxWait = pick(s, 50*time.Millisecond, time.Second)
	c.MaxPending = pick(s, 3, 20, roomy)
	if s.chance(0.1) {
		c.MaxPendingBytes = narrowBytes
	}
	if s.chance(0.1) {
		c.MaxParked = 1 + s.rng.IntN(3)
		p.raised = true
	}
	if s.chance(0.03) {
		c.HaltOnReject, p.raised = true, true
	}
	c.MaxSettled = [...]int{0, 3, 30, roomy}[s.options.Seed/16%4]
	c.SyncEvery = pick(s, c.SyncEvery, 3*time.Second)
	c.MaxAttempts = pick(s, 2, 8)
	c.Seed = s.rng.Uint64()
	p.config = c
}

// objectSize makes the objects of some changes too large for any call.
func objectSize(o marketo.Object, _ marketo.Operation) int {
	if stampOf(o)%53 == 0 {
		return 500
	}
	return 25
}

// narrow reports whether a life may be unable to hold at once what an earlier
// one had sent.
func (p *profile) narrow() bool {
	return p.config.MaxPending < roomy || p.config.MaxPendingBytes == narrowBytes
}

// calm takes all faults out.
func (p *profile) calm() {
	p.lostRequest, p.lostReply, p.late, p.slow, p.short, p.fault = 0, 0, 0, 0, 0, 0
	p.reject, p.wait, p.retry, p.unknown, p.readErrors, p.unreadable = 0, 0, 0, 0, 0, 0
	p.badKeys, p.poisonKeys, p.tooLarge = 0, 0, 0
	p.slowDisk, p.outages = false, false
}

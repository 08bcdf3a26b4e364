package backfill_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// mistake is one that a reader of chunks may make.
type mistake string

const (
	none           mistake = ""
	positions      mistake = "positions instead of visibility"
	lateLock       mistake = "snapshot before the lock"
	newKeyOnly     mistake = "only the new key is touched"
	noStreamed     mistake = "what came before the window is not looked at"
	noBound        mistake = "what came before the stream was followed is not looked at"
	truncateMissed mistake = "TRUNCATE touches nothing"
	hole           mistake = "values that the stream left out are not read"
	overCrash      mistake = "a chunk outlives its connection"
	earlyMark      mistake = "the mark is behind the snapshot's beginning only"
	lateWindow     mistake = "the window opens after the snapshot"
)

// loader reads the world's table beside its stream into a sink, as pipeline does.
type loader struct {
	w       *world
	rng     *rand.Rand
	mistake mistake

	// place is the transaction that comes next, step the place in it.
	place, step int
	sink        map[int]row
	follower    *backfill.Follower
	bound       bool

	stage    string
	snapshot backfill.Snapshot
	// cursor is the last key that is done, until the one that the chunk ends
	// with; again are keys to be read once more.
	cursor, until int
	again         []int
	keys          []int
	rows          []row
	names         int
	// later is where the mark is, as long as the follower does not know.
	later pgoutput.LSN
	done  bool
	err   error
}

func (l *loader) run(steps int) error {
	l.sink, l.cursor, l.stage = map[int]row{}, -1, "idle"
	l.place = l.rng.IntN(len(l.w.log) + 1)
	for range steps {
		switch n := l.rng.IntN(100); {
		case n < 55:
			l.w.act()
		case n < 80:
			l.stream()
		case n == 80:
			l.reconnect(l.rng.IntN(3) == 0)
		default:
			l.load()
		}
		if l.err != nil {
			return l.err
		}
	}
	return l.finish()
}

// finish lets everything end, and compares.
func (l *loader) finish() error {
	for range 100 {
		for len(l.w.running) > 0 {
			l.w.commit(l.w.running[0])
		}
		for _, t := range l.w.log {
			l.w.show(t)
		}
		l.w.flushed = len(l.w.log)
		for l.place < len(l.w.log) {
			l.stream()
		}
		l.stream() // a sign of life
		for range 10 {
			l.load()
		}
		if l.err != nil {
			return l.err
		}
	}
	if !l.done {
		return fmt.Errorf("the backfill did not end: %s behind %d, again %v", l.stage, l.cursor, l.again)
	}
	if want := table(l.w.log, func(*tx) bool { return true }); !maps.Equal(l.sink, want) {
		return fmt.Errorf("in the end the sink has %v, the table %v", l.sink, want)
	}
	return nil
}

// stream brings the next message.
func (l *loader) stream() {
	if l.place >= l.w.flushed {
		l.settle()
		return
	}
	t := l.w.log[l.place]
	f := l.follower
	if l.step == 0 {
		if f != nil {
			f.Reach(t.start)
			l.settle()
			f.Begin(uint32(t.xid), t.start)
		}
		l.step++
		return
	}
	if l.step <= len(t.ops) {
		l.change(t.ops[l.step-1])
		l.step++
		return
	}
	l.place, l.step = l.place+1, 0
	if f != nil {
		if t.mark != "" {
			f.Message(t.mark)
		}
		f.Commit(t.end())
		l.settle()
	}
}

// change applies an op to the sink, and tells the follower.
func (l *loader) change(o op) {
	if f := l.follower; f != nil {
		switch o.kind {
		case "update":
			if l.mistake != newKeyOnly {
				f.Touch(keyName(o.from), false)
			}
			f.Touch(keyName(o.key), o.leftBig && o.from == o.key)
		case "insert", "delete":
			f.Touch(keyName(o.key), false)
		case "truncate":
			if l.mistake != truncateMissed {
				f.Empty()
			}
		}
	}
	switch o.kind {
	case "insert":
		l.sink[o.key] = o.row
	case "update":
		now := o.row
		if old, ok := l.sink[o.key]; o.leftBig && o.from == o.key {
			// The stream does not carry it; that of another key is completed.
			if now.big = missing; ok {
				now.big = old.big
			}
		}
		delete(l.sink, o.from)
		l.sink[o.key] = now
	case "delete":
		delete(l.sink, o.key)
	case "truncate":
		clear(l.sink)
	}
}

// load does the next step of the reading of a chunk.
func (l *loader) load() {
	w := l.w
	switch l.stage {
	case "idle":
		if l.done {
			return
		}
		if l.follower == nil {
			l.follow()
		}
		if !l.bound {
			if l.bound = true; l.mistake == noBound {
				l.follower.Bound(1)
			} else {
				l.follower.Bound(w.number())
			}
		}
		if l.mistake != lateWindow {
			l.follower.Open()
		}
		l.stage = "lock"
		if l.mistake == lateLock {
			l.snapshot, l.stage = w.snapshot(), "late lock"
		}
	case "lock", "late lock":
		if w.exclusive != nil {
			return
		}
		w.reading = true
		if l.stage == "late lock" {
			l.stage = "read"
			l.admit()
			return
		}
		l.stage = "snapshot"
	case "snapshot":
		l.snapshot, l.stage = w.snapshot(), "read"
		l.admit()
	case "read":
		if l.mistake == lateWindow {
			l.follower.Open()
		}
		l.read()
		w.reading = false
		l.stage = "mark"
	case "mark":
		l.later = 0
		l.mark()
	case "wait":
		if l.later != 0 {
			l.follower.Place(l.later)
			l.later = 0
		}
	}
}

func (l *loader) follow() {
	received := pgoutput.LSN(firstLSN)
	if l.place > 0 {
		received = l.w.log[l.place-1].end()
	}
	if l.step > 0 {
		l.follower = backfill.FollowInside(received, uint32(l.w.log[l.place].xid), l.w.log[l.place].start)
	} else {
		l.follower = backfill.Follow(received)
	}
	l.bound = false
}

func (l *loader) admit() {
	if l.mistake == noStreamed || l.mistake == lateWindow {
		return
	}
	if !l.follower.Admits(&l.snapshot) {
		l.w.reading = false
		l.stage = "idle"
	}
}

func (l *loader) read() {
	rows := l.w.read(&l.snapshot)
	l.keys, l.rows, l.until = nil, nil, 12
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if l.again != nil && !slices.Contains(l.again, key) || l.again == nil && key <= l.cursor {
			continue
		}
		l.keys, l.rows = append(l.keys, key), append(l.rows, rows[key])
		if l.again == nil && len(l.keys) == 4 {
			l.until = key
			break
		}
	}
}

// mark has the mark written, and the follower know of it: of its name before or after
// that, and of its place then or some time later.
func (l *loader) mark() {
	w := l.w
	m := backfill.Mark{LSN: w.end()}
	if l.mistake == earlyMark {
		m.LSN = w.log[w.flushed-1].end()
		l.loaded(m)
		return
	}
	if l.rng.IntN(2) == 0 {
		l.names++
		m.Name = fmt.Sprint("mark ", l.names)
	}
	early := l.rng.IntN(2) == 0
	if early {
		l.later, m.LSN = m.LSN, backfill.Unplaced
		l.loaded(m)
	}
	if m.Name != "" {
		t := w.begin()
		t.mark = m.Name
		w.commit(t)
		w.show(t)
		if l.rng.IntN(2) == 0 {
			m.LSN = backfill.Unplaced // by the message alone
		}
	}
	if !early {
		l.loaded(m)
	}
}

// loaded has the follower know the rows, and their mark.
func (l *loader) loaded(m backfill.Mark) {
	var names []string
	for _, key := range l.keys {
		names = append(names, keyName(key))
	}
	s := l.snapshot
	if l.mistake == positions {
		// What came after the window was opened is newer; what came before is not.
		s = backfill.Snapshot{Standby: true, Replayed: l.w.log[max(l.place-1, 0)].end()}
	}
	if l.stage = "wait"; !l.follower.Load(s, names, m) {
		l.stage = "idle"
	}
}

// settle emits the chunk at its mark, and holds every row against the table as
// it is at this place of the stream.
func (l *loader) settle() {
	if l.follower == nil || l.stage != "wait" || !l.follower.Passed() {
		return
	}
	v := l.follower.Settle()
	l.stage = "idle"
	here := table(l.w.log[:l.place], func(*tx) bool { return true })
	for _, i := range v.Kept {
		is, there := here[l.keys[i]]
		switch {
		case !there:
			l.err = fmt.Errorf("key %d is made although its row has gone", l.keys[i])
		case is != l.rows[i]:
			l.err = fmt.Errorf("key %d gets %v although it is %v at the mark", l.keys[i], l.rows[i], is)
		}
		l.sink[l.keys[i]] = l.rows[i]
	}
	if l.again == nil {
		l.cursor = l.until
	}
	l.again = nil
	for _, i := range v.Again {
		l.again = append(l.again, l.keys[i])
	}
	if l.mistake == hole {
		l.again = nil
	}
	l.done = l.again == nil && l.cursor == 12
}

// reconnect goes on behind what was received, mostly as the server crashed.
func (l *loader) reconnect(crash bool) {
	if crash {
		l.w.crash()
	}
	l.step, l.w.reading = 0, false
	if l.stage != "wait" {
		l.stage = "idle"
	}
	if l.mistake != overCrash {
		l.follower, l.stage = nil, "idle"
	}
}

func try(seed uint64, m mistake) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	l := &loader{w: newWorld(rng), rng: rng, mistake: m}
	return l.run(150 + rng.IntN(350))
}

func TestModel(t *testing.T) {
	seeds := uint64(4000)
	for seed := range seeds {
		if err := try(seed, none); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestModelFindsMistakes(t *testing.T) {
	for _, m := range []mistake{positions, lateLock, newKeyOnly, noStreamed, noBound, truncateMissed, hole, overCrash, earlyMark, lateWindow} {
		t.Run(string(m), func(t *testing.T) {
			for seed := range uint64(5000) {
				if err := try(seed, m); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found")
		})
	}
}

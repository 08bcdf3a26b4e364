package backfill

import (
	"slices"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Follower watches the stream for the rows of one table that are being read
// beside it. It starts at any place of the stream, also inside a transaction,
// and ends with its connection: behind a crash of the server, numbers of
// transactions may mean others. It must be used from one goroutine at a time.
type Follower struct {
	// start is how far the stream had come, bound the first number that no
	// transaction had by then; zero where that is not known yet.
	start pgoutput.LSN
	bound uint64
	// unclear are transactions that run, and that the stream may have brought
	// before it was followed; cleared is set when there are none any more.
	unclear []uint64
	cleared bool
	// past holds what has come of the stream outside a window, and was not seen
	// in a snapshot yet.
	past []transaction

	inside   bool
	current  transaction
	received pgoutput.LSN
	window   *window
}

// Follow begins at the place where the stream is: received is the end of what it
// has brought.
func Follow(received pgoutput.LSN) *Follower {
	return &Follower{start: received, received: received}
}

// FollowInside is Follow in the middle of a transaction.
func FollowInside(received pgoutput.LSN, xid uint32, commit pgoutput.LSN) *Follower {
	f := Follow(received)
	f.start = max(f.start, commit+1)
	f.inside, f.current = true, transaction{commit, xid}
	f.past = append(f.past, f.current)
	return f
}

// Bound says that number is one that no transaction had when the stream was
// first followed: that of a transaction which was begun after Follow had
// returned. Only a standby needs none.
func (f *Follower) Bound(number uint64) { f.bound = number }

// Open opens a window: what comes from now on counts for the snapshot that is to
// be taken now, after this call. It takes the place of another one.
func (f *Follower) Open() {
	f.Close()
	f.window = &window{}
}

// Close gives the window up, with its rows.
func (f *Follower) Close() {
	if f.window != nil {
		f.past = append(f.past, f.window.began...)
	}
	f.window = nil
}

// Admits reports whether a snapshot that was taken in the window sees all that
// the stream brought before it. Otherwise it is too old: another one is to be
// taken. The window stays open.
func (f *Follower) Admits(s *Snapshot) bool {
	f.past = slices.DeleteFunc(f.past, s.sees)
	if f.window == nil || f.window.tooMany || len(f.past) > 0 {
		return false
	}
	if s.Standby {
		return s.Replayed >= f.start
	}
	return f.clear(s)
}

// clear reports whether no transaction can still be unseen that the stream
// brought before it was followed: none runs that was begun by then, but for
// those that have come since.
func (f *Follower) clear(s *Snapshot) bool {
	if f.cleared {
		return true
	}
	if f.bound == 0 || s.Xmax < f.bound {
		return false
	}
	f.unclear = f.unclear[:0]
	for _, number := range s.Running {
		if number < f.bound && !f.came(uint32(number)) {
			f.unclear = append(f.unclear, number)
		}
	}
	f.cleared = len(f.unclear) == 0
	return f.cleared
}

// came reports whether a transaction has come since the stream was followed.
func (f *Follower) came(xid uint32) bool {
	is := func(t transaction) bool { return t.xid == xid }
	return slices.ContainsFunc(f.past, is) || f.window != nil && slices.ContainsFunc(f.window.began, is)
}

// Unclear returns the numbers of transactions that are waited for: they run
// since before the stream was followed, and may be among what it had brought.
func (f *Follower) Unclear() []uint64 { return f.unclear }

// Unseen returns how many transactions are remembered that no snapshot was known
// to see. Forget and Admits make it smaller.
func (f *Follower) Unseen() int { return len(f.past) }

// Forget drops what a snapshot sees of what has come: it need not be remembered.
// The first snapshot must be given to Admits.
func (f *Follower) Forget(s *Snapshot) {
	if f.cleared {
		f.past = slices.DeleteFunc(f.past, s.sees)
	}
}

// Load makes known what was read as of a snapshot that was admitted, by the keys
// of its rows, and the mark behind it. It reports whether the window can take it;
// otherwise all is to be read again. From then on Passed may be true. A message that
// comes before it is known what it is called is not noticed: so the mark is Unplaced
// until that is written.
func (f *Follower) Load(s Snapshot, keys []string, mark Mark) bool {
	w := f.window
	if w == nil || w.tooMany || w.loaded {
		return false
	}
	for _, t := range w.began {
		if !s.sees(t) {
			f.past = append(f.past, t)
		}
	}
	w.load(s, keys, mark)
	f.reach(f.received)
	return true
}

// Place says where the mark is that was Unplaced.
func (f *Follower) Place(lsn pgoutput.LSN) {
	if w := f.window; w != nil && w.loaded {
		w.mark.LSN = lsn
		f.reach(f.received)
	}
}

// Begin takes in the beginning of a transaction. Reach(commit) comes before it.
func (f *Follower) Begin(xid uint32, commit pgoutput.LSN) {
	f.inside, f.current = true, transaction{commit, xid}
	if w := f.window; w != nil && !w.loaded {
		w.began = append(w.began, f.current)
	} else {
		f.past = append(f.past, f.current)
	}
}

// Touch takes in a change of the row of a key: the one that it had, or has now.
// incomplete says that the change does not carry the whole row.
func (f *Follower) Touch(key string, incomplete bool) {
	what := whole
	if incomplete {
		what = part
	}
	f.note(touch{key: key, what: what})
}

// Empty takes in that all rows have gone.
func (f *Follower) Empty() { f.note(touch{what: emptied}) }

// Obscure takes in a change that does not tell the key.
func (f *Follower) Obscure() { f.note(touch{what: obscure}) }

func (f *Follower) note(t touch) {
	if f.window == nil {
		return
	}
	t.transaction = f.current
	f.window.note(t)
}

// Message takes in the content of a message in the write-ahead log.
func (f *Follower) Message(content string) {
	if w := f.window; w != nil && w.loaded && w.mark.Name != "" && w.mark.Name == content {
		w.passed = true
	}
}

// Commit takes in the end of the transaction, end being that of its record.
func (f *Follower) Commit(end pgoutput.LSN) {
	f.inside = false
	f.received = max(f.received, end)
	f.reach(end)
}

// Reach takes in that the stream has brought everything before end.
func (f *Follower) Reach(end pgoutput.LSN) {
	if f.inside {
		return
	}
	f.received = max(f.received, end)
	f.reach(end)
}

func (f *Follower) reach(end pgoutput.LSN) {
	if w := f.window; w != nil && w.loaded && !f.inside && end >= w.mark.LSN {
		w.passed = true
	}
}

// Passed reports whether the stream has passed the mark, and is between two
// transactions: the rows belong here.
func (f *Follower) Passed() bool { return f.window != nil && f.window.passed && !f.inside }

// Verdict is what becomes of the rows of a chunk, by their places in it.
type Verdict struct {
	// Kept are to be sent, Again to be read again: the stream has them newer, but
	// lacks values of them. All others the stream has.
	Kept, Again []int
}

// Settle closes the window at the mark.
func (f *Follower) Settle() (v Verdict) {
	for i, fate := range f.window.fates {
		switch fate {
		case kept:
			v.Kept = append(v.Kept, i)
		case again:
			v.Again = append(v.Again, i)
		}
	}
	f.window = nil
	return v
}

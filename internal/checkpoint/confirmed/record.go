package confirmed

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Record is what is remembered. Its methods may be called from several goroutines.
type Record struct {
	mu   sync.Mutex
	file *file
	// n counts the entries, as far as that is known: a page that was torn took
	// some.
	n     int64
	hot   hot
	wants []want // of the call at hand
	// saving is the number of the save that the next Write is for.
	saving uint64
}

// hot is the page that was used last.
type hot struct {
	number  ref // 0 for none
	depth   int // by which it is led to
	changed bool
	page    page
}

// want is what is asked or said of a key: i-th of those given.
type want struct {
	hash hash
	i    int
	gone bool
}

// Open opens the record at path, which remembers objects for identity: of which
// endpoint they are, and of what history the changes are that they come from. A
// record for another identity is emptied, as is one that may have lost something
// by a loss of power since. boot is boot.ID().
func Open(path, identity, boot string) (*Record, error) {
	f, err := openFile(path, identity, boot)
	if err != nil {
		return nil, fmt.Errorf("open record of confirmed objects %s: %w", path, err)
	}
	return &Record{file: f, n: f.head.entries}, nil
}

// Look returns what is remembered of objects, in the order of their keys, nil for
// nothing. An error means that nothing is known of any.
func (r *Record) Look(keys []string) ([]*checkpoint.Confirmed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make([]*checkpoint.Confirmed, len(keys))
	if err := r.file.err; err != nil {
		return found, fmt.Errorf("look up confirmed objects: %w", err)
	}
	r.wants = r.wants[:0]
	for i, key := range keys {
		r.wants = append(r.wants, want{hash: r.hashOf(key), i: i})
	}
	for _, w := range r.sorted() {
		ok, err := r.turnTo(w.hash)
		if err != nil {
			return make([]*checkpoint.Confirmed, len(keys)), fmt.Errorf("look up confirmed objects: %w", r.file.fail(err))
		}
		if !ok {
			continue
		}
		if from, to := r.hot.page.find(w.hash); to > 0 {
			found[w.i] = readEntry(r.hot.page[from+atData:to], keys[w.i])
		}
	}
	return found, nil
}

// sorted brings wants of one page together, and those of one key in their order.
func (r *Record) sorted() []want {
	slices.SortStableFunc(r.wants, func(x, y want) int { return cmp.Or(cmp.Compare(x.hash.a, y.hash.a), cmp.Compare(x.hash.b, y.hash.b)) })
	return r.wants
}

// Write remembers objects in the place of what was, and nothing of those that are
// forgotten; one in both is remembered. When it returns, the process may die. After
// an error nothing is remembered of any object: the record is empty, and stays so
// until it is opened anew.
func (r *Record) Write(confirmed []checkpoint.Confirmed, forgotten []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(confirmed)+len(forgotten) == 0 {
		return nil
	}
	if err := r.write(confirmed, forgotten); err != nil {
		r.hot.number = 0
		return fmt.Errorf("remember confirmed objects: %w", r.file.fail(err))
	}
	return nil
}

func (r *Record) write(confirmed []checkpoint.Confirmed, forgotten []string) error {
	if err := r.file.begin(); err != nil {
		return err
	}
	if r.saving > r.file.head.Number {
		r.file.head.Number = r.saving
		if err := r.file.writeHead(); err != nil {
			return err
		}
	}
	r.wants = r.wants[:0]
	for i, key := range forgotten {
		r.wants = append(r.wants, want{hash: r.hashOf(key), i: i, gone: true})
	}
	for i := range confirmed {
		r.wants = append(r.wants, want{hash: r.hashOf(confirmed[i].Key), i: i})
	}
	var data []byte
	for _, w := range r.sorted() {
		ok, err := r.turnTo(w.hash)
		if err != nil {
			return err
		}
		if ok && r.hot.page.remove(w.hash) {
			r.hot.changed = true
			r.n--
		}
		if w.gone {
			continue
		}
		if data = appendEntry(data[:0], &confirmed[w.i]); len(data) > mostData {
			continue
		}
		if err := r.add(w.hash, data); err != nil {
			return err
		}
		r.n++
	}
	r.file.head.entries = r.n
	return r.flush()
}

// add puts an entry on its page, which is split as often as it takes.
func (r *Record) add(h hash, data []byte) error {
	for {
		ok, err := r.turnTo(h)
		if err != nil {
			return err
		}
		if !ok {
			_, depth := r.file.index.find(h.a)
			if err := r.newPage(h.a, depth); err != nil {
				return err
			}
		}
		r.hot.changed = true
		if r.hot.page.add(h, data) {
			return nil
		}
		if err := r.split(); err != nil {
			return err
		}
	}
}

// turnTo makes the page of a hash the hot one; false when there is none.
func (r *Record) turnTo(h hash) (bool, error) {
	number, depth := r.file.index.find(h.a)
	if number == r.hot.number && number != 0 && depth == r.hot.depth {
		return true, nil
	}
	if err := r.flush(); err != nil || number == 0 {
		return false, err
	}
	r.hot.number = 0
	if err := r.file.read(number, &r.hot.page); err != nil {
		return false, err
	}
	// A page that is not sound was torn: nothing is known of what it had. One that
	// says that it is for more hashes has some that another page has now.
	switch p := &r.hot.page; {
	case !p.sound() || p.depth() > depth || (h.a^p.prefix())&mask(p.depth()) != 0:
		p.begin(h.a, depth)
	default:
		for p.depth() < depth {
			var other page
			if p.split(&other); (h.a^p.prefix())&mask(p.depth()) != 0 {
				*p = other
			}
		}
	}
	r.hot.number, r.hot.depth = number, depth
	return true, nil
}

// newPage makes the hot page a new one, for hashes that begin as a does.
func (r *Record) newPage(a uint64, depth int) error {
	if err := r.flush(); err != nil {
		return err
	}
	number, err := r.file.grow()
	if err != nil {
		return err
	}
	r.hot = hot{number: number, depth: depth, changed: true}
	r.hot.page.begin(a, depth)
	r.file.index.put(a, depth, number)
	return nil
}

// split divides the hot page. The new half is written before the old one loses it:
// should the process die in between, both have it.
func (r *Record) split() error {
	if r.hot.depth == deepest {
		r.hot.page.begin(r.hot.page.prefix(), deepest) // never, with hashes that are any good
		return nil
	}
	number, err := r.file.grow()
	if err != nil {
		return err
	}
	var other page
	r.hot.page.split(&other)
	if err := r.file.write(number, &other); err != nil {
		return err
	}
	r.hot.depth++
	r.file.index.put(other.prefix(), other.depth(), number)
	return r.flush()
}

// flush writes the hot page, if it has changed.
func (r *Record) flush() error {
	if r.hot.number == 0 || !r.hot.changed {
		return nil
	}
	r.hot.changed = false
	return r.file.write(r.hot.number, &r.hot.page)
}

// Saving tells for which save of the store the next Write is: how many the store
// has taken will be n at least, once that save is done. Write has to come before it.
func (r *Record) Saving(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saving = max(r.saving, n)
}

// Ahead reports whether the record has something of later saves than a store has
// that has taken so many: that store is an older copy, and what it knows of calls
// is older than what is remembered. The record is to be emptied then.
func (r *Record) Ahead(saves uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.head.Number > saves+1
}

// Len is about how many objects are remembered.
func (r *Record) Len() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Empty forgets everything; from then on the record is for identity. Digests of
// before mean nothing any more.
func (r *Record) Empty(identity string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hot, r.n, r.saving = hot{}, 0, 0
	if err := r.file.empty(identity); err != nil {
		return fmt.Errorf("empty record of confirmed objects: %w", r.file.fail(err))
	}
	return nil
}

// Close makes what is remembered survive a loss of power.
func (r *Record) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.file.close(); err != nil {
		return fmt.Errorf("close record of confirmed objects: %w", err)
	}
	return nil
}

package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// Where mappings take values from other tables, what was read is completed on its
// way to the machine, in order: many writes at once, as each look at a table
// costs the server the same for one key and for a thousand. Rows of a backfill are
// completed at their place among the changes, and not when they are read: a value
// that a change has brought must not give way to an older one.

const (
	// lookupEvery is the shortest time between two looks at other tables, unless
	// as many writes wait as are looked up at once. max_wait may make it shorter.
	lookupEvery = 250 * time.Millisecond
	// maxLookupEntries and maxLookupBytes bound what is looked up at once, about.
	maxLookupEntries = 4 * maxHandedEntries
	maxLookupBytes   = 4 * maxHandedBytes
	// lookupIdle is how long the session is kept for more to look up.
	lookupIdle = 10 * time.Second
)

// completing has what the reader hands over completed.
type completing struct {
	lookups *rowread.Lookups
	in      chan entryBuffer
	out     chan<- entryBuffer
	every   time.Duration
	// xid is the transaction that the newest buffer is in.
	xid uint32

	mu sync.Mutex
	// held is how many buffers are here; passed is how far those reach that are
	// not any more.
	held   int
	passed delivery.LSN
}

// run completes buffers until life ends.
func (c *completing) run(life context.Context) error {
	defer c.lookups.Close(life)
	var began time.Time
	var idle <-chan time.Time
	for {
		var b entryBuffer
		select {
		case b = <-c.in:
		case <-idle:
			c.lookups.Close(life)
			idle = nil
			continue
		case <-life.Done():
			return nil
		}
		r := round{buffers: []entryBuffer{b}}
		c.take(&r, b)
		if r.writes != nil {
			c.gather(life, &r, began.Add(c.every))
			began = time.Now()
			idle = time.After(lookupIdle)
		}
		for len(r.buffers) > 0 {
			if len(r.writes) > 0 {
				n, err := c.lookups.Complete(life, r.writes, r.xids)
				if err != nil {
					return nil
				}
				r.writes = r.writes[n:]
			}
			if !c.pass(life, &r) {
				return nil
			}
		}
	}
}

// pass hands over what is complete, in order: values may be so large that it is a
// part of a buffer. It reports whether life goes on.
func (c *completing) pass(life context.Context, r *round) bool {
	for len(r.buffers) > 0 {
		b := r.buffers[0]
		n, whole := b.complete()
		switch {
		case whole:
			r.buffers = r.buffers[1:]
		case n == 0:
			return true
		default:
			all := b.entries
			b.entries = append(*entryBuffers.Get().(*[]delivery.Entry), all[:n]...)
			clear(all[:n])
			r.buffers[0].entries = all[n:]
		}
		end := reach(b)
		select {
		case c.out <- b:
			c.passedOn(end, whole)
		case <-life.Done():
			return false
		}
	}
	return true
}

// complete says how many entries come before the first that lacks anything, and
// whether nothing is lacking. What a backfill hands in is one.
func (b entryBuffer) complete() (n int, whole bool) {
	if b.offered != nil {
		return 0, !slices.ContainsFunc(b.offered.Writes, func(w mapping.Write) bool { return w.Sought != nil })
	}
	for n < len(b.entries) && b.entries[n].Write.Sought == nil {
		n++
	}
	return n, n == len(b.entries)
}

// round is what is looked up at once.
type round struct {
	buffers []entryBuffer
	writes  []*mapping.Write
	// xids are the transactions of the writes.
	xids           []uint32
	entries, bytes int
}

// take notes what a buffer lacks.
func (c *completing) take(r *round, b entryBuffer) {
	c.mu.Lock()
	c.held++
	c.mu.Unlock()
	r.entries += len(b.entries)
	if b.offered != nil {
		r.entries += len(b.offered.Writes)
		for i := range b.offered.Writes {
			c.seek(r, &b.offered.Writes[i])
		}
	}
	for i := range b.entries {
		e := &b.entries[i]
		switch {
		case e.Kind == delivery.EntryBegin:
			c.xid = e.XID
		case e.Kind == delivery.EntryWrite:
			c.seek(r, &e.Write)
		}
	}
}

// seek notes what a write lacks.
func (c *completing) seek(r *round, w *mapping.Write) {
	if w.Sought == nil {
		return
	}
	r.writes = append(r.writes, w)
	r.bytes += w.Bytes
	if n := len(r.xids); n == 0 || r.xids[n-1] != c.xid {
		r.xids = append(r.xids, c.xid)
	}
}

// gather takes more buffers until it is time, or there are enough.
func (c *completing) gather(life context.Context, r *round, until time.Time) {
	wait := time.NewTimer(time.Until(until))
	defer wait.Stop()
	for r.entries < maxLookupEntries && r.bytes < maxLookupBytes {
		select {
		case b := <-c.in:
			r.buffers = append(r.buffers, b)
			c.take(r, b)
		case <-wait.C:
			return
		case <-life.Done():
			return
		}
	}
}

// reach is how far a buffer reaches; zero where it ends no transaction.
func reach(b entryBuffer) (end delivery.LSN) {
	for i := range b.entries {
		switch b.entries[i].Kind {
		case delivery.EntryCommit, delivery.EntryMark:
			end = max(end, b.entries[i].LSN)
		}
	}
	return end
}

// passedOn notes that the machine gets what reaches so far, and whether that was
// the rest of a buffer.
func (c *completing) passedOn(end delivery.LSN, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole {
		c.held--
	}
	c.passed = max(c.passed, end)
}

// holds reports whether anything is on its way to the machine.
func (c *completing) holds() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held > 0
}

// received is how far the machine has what was received, at least; all of it
// where nothing is held here.
func (c *completing) received(all delivery.LSN) delivery.LSN {
	if c == nil {
		return all
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == 0 {
		return all
	}
	return min(all, c.passed)
}

// obstacles are that what was read waits for values.
func (c *completing) obstacles(now time.Time) []delivery.Obstacle {
	if c == nil {
		return nil
	}
	reason, ok := c.lookups.Problem(now)
	if !ok {
		return nil
	}
	return []delivery.Obstacle{{Condition: delivery.Unreadable, Reason: reason}}
}

package rowread

import (
	"context"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// queue holds the rows that are to be read.
type queue struct {
	mu      sync.Mutex
	waiting []delivery.Read
	// readers of them there are, idle of them wait for rows at more.
	readers, idle int
	more          chan struct{}
}

// put adds a row, and reports whether one more reader is to be started.
func (q *queue) put(e delivery.Read) (start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, e)
	switch {
	case q.idle > 0:
		q.idle--
		q.more <- struct{}{} // has room for every reader
	case q.readers < mostSessions:
		q.readers++
		return true
	}
	return false
}

// next is take for a reader that has a session: it waits a while for rows.
func (q *queue) next(life context.Context) []delivery.Read {
	for {
		reads, idle := q.take(true)
		if !idle {
			return reads
		}
		select {
		case <-q.more:
			continue
		case <-life.Done():
		case <-time.After(sessionIdle):
		}
		q.mu.Lock()
		if q.idle > 0 {
			q.idle--
			q.readers--
			q.mu.Unlock()
			return nil
		}
		q.mu.Unlock()
		<-q.more // it was counted as no longer idle
	}
}

// take returns rows of one mapping, the oldest first; none when none are left,
// and then the reader has ended, or is idle where it stays.
func (q *queue) take(stays bool) (reads []delivery.Read, idle bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		if stays {
			q.idle++
			return nil, true
		}
		q.readers--
		return nil, false
	}
	var taken []delivery.Read
	mapping, folded, kept := q.waiting[0].Mapping, q.waiting[0].Folded, q.waiting[:0]
	most := rowsAtOnce
	if folded {
		most = keysAtOnce
	}
	for _, e := range q.waiting {
		if e.Mapping == mapping && e.Folded == folded && len(taken) < most {
			taken = append(taken, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	return taken, false
}

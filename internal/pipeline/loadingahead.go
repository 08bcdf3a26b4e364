package pipeline

import (
	"context"
	"time"
)

// aloneFor is for how long a backfill goes on with one session where the server gives
// it no second one.
const aloneFor = time.Minute

// What is here is for speed only. Between the reading of a chunk and its mark, the
// server and the reader have to come to that mark: the next chunk is read meanwhile,
// over the other session.
// It is of use only if the one before it is handed in whole, and soon.

// readAhead reads what follows a part that waits for its mark, where chunks are
// settled quickly, and there is room for both. What goes wrong is met again when its
// turn comes.
func (l *loading) readAhead(ctx context.Context, p *part) {
	want := l.chunkRows()
	if l.pieces < 2 || l.passBy || int(l.credits.Load()) < want+len(p.writes) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, chunkPatience)
	defer cancel()
	other := 1 - p.session
	if l.sessions[other] == nil {
		if time.Now().Before(l.alone) {
			return
		}
		if _, err := l.open(ctx, other); err != nil {
			l.alone = time.Now().Add(aloneFor)
			return
		}
	}
	l.ahead = &part{room: want, session: other, ahead: true, before: p.next, next: p.next}
	if l.read(ctx, l.ahead) != nil {
		l.dropAhead()
	}
}

// dropAhead gives up what was read ahead.
func (l *loading) dropAhead() {
	p := l.ahead
	if l.ahead = nil; p == nil || l.beside == nil {
		return
	}
	l.beside.mu.Lock()
	defer l.beside.mu.Unlock()
	l.beside.followers[p.window].Close()
}

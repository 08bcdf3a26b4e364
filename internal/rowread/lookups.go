package rowread

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// firstPause and lastPause bound the pause before values are looked up again
	// that could not be: what is in the way, a lock or a right that is missing,
	// may be gone at any moment, and asking costs the server little.
	firstPause, lastPause = time.Second, 15 * time.Second
	// firstLook is the first pause before a transaction is looked for again that
	// was streamed and could not be seen yet.
	firstLook = 20 * time.Millisecond
	// lookupPatience bounds one LookUp: a server that does not answer, and does
	// not end the connection either, must not hold the stream for ever.
	lookupPatience = time.Minute
	// outOfReachAfter is how long values may be out of reach, for what passes,
	// until that is told.
	outOfReachAfter = time.Minute
)

// Lookups completes the writes of the stream, over a session of its own, as
// often as it takes. It is for one goroutine at once, but for Problem.
type Lookups struct {
	source   *replication.Source
	mappings *mapping.Set
	log      *slog.Logger
	session  *Session

	mu sync.Mutex
	// since is when it was asked for what is under way; zero when nothing is.
	since time.Time
	// reason is why it cannot be had; "" while nothing has failed.
	reason string
	setUp  bool
}

// NewLookups makes Lookups for the writes of these mappings.
func NewLookups(source *replication.Source, mappings *mapping.Set, log *slog.Logger) *Lookups {
	return &Lookups{source: source, mappings: mappings, log: log}
}

// Complete completes the first of these writes, as LookUpSome does, and says how
// many. What is in the way is waited for. It returns an error only when life ends.
func (l *Lookups) Complete(life context.Context, writes []*mapping.Write, xids []uint32) (int, error) {
	l.note(time.Now(), nil)
	for attempt := 0; ; attempt++ {
		n, err := l.try(life, writes, xids)
		if life.Err() != nil {
			return 0, life.Err()
		}
		if err == nil {
			l.done()
			return n, nil
		}
		first := firstPause
		if errors.Is(err, ErrNotVisible) {
			first = firstLook
		} else {
			l.note(time.Time{}, err)
		}
		pause := min(first<<min(attempt, 10), lastPause)
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-life.Done():
			return 0, life.Err()
		}
	}
}

func (l *Lookups) try(life context.Context, writes []*mapping.Write, xids []uint32) (int, error) {
	ctx, cancel := context.WithTimeout(life, lookupPatience)
	defer cancel()
	if l.session == nil {
		session, err := Open(ctx, l.source)
		if err != nil {
			return 0, err
		}
		l.session = session
	}
	n, err := l.session.LookUpSome(ctx, l.mappings, writes, xids)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w; the server has not answered within %s: see that an index covers the columns of match, as cdcsync check does", err, lookupPatience)
	}
	if err != nil && !errors.Is(err, ErrNotVisible) {
		l.Close(life)
	}
	return n, err
}

// Close ends the session; the next Complete opens another.
func (l *Lookups) Close(ctx context.Context) {
	if l.session != nil {
		l.session.Close(ctx)
		l.session = nil
	}
}

// note notes the beginning of a Complete, or an error in it.
func (l *Lookups) note(since time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !since.IsZero() {
		l.since = since
	}
	if err == nil {
		return
	}
	if l.reason == "" {
		l.log.Warn("values cannot be looked up; the stream waits", "err", err)
	}
	l.reason, l.setUp = err.Error(), ofSetUp(err)
}

// done notes the end of a Complete.
func (l *Lookups) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason != "" {
		l.log.Info("values can be looked up again")
	}
	l.since, l.reason, l.setUp = time.Time{}, "", false
}

// Problem says why what is read waits for values of other tables, when somebody
// has to act for it or it has lasted.
func (l *Lookups) Problem(now time.Time) (reason string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || !l.setUp && now.Sub(l.since) < outOfReachAfter {
		return "", false
	}
	reason = l.reason
	if reason == "" {
		reason = "the server has not answered, or does not show a transaction that it has streamed"
	}
	return "what was read waits since " + l.since.UTC().Format(time.RFC3339) + " for values of other tables: " + reason, true
}

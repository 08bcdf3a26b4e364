package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// While reading is held back, nothing that comes on the replication connection
// tells how much PostgreSQL has by now. So it is asked, over a session of its
// own: every half minute, and when somebody wants to know.

const (
	// askEvery is the shortest time between two questions for somebody who asks us.
	askEvery = 5 * time.Second
	// askTimeout bounds such a question; without an answer the last one has to do.
	askTimeout = time.Second
	// rateSpan is the time that rates are taken over, rateLeast the shortest
	// that says something.
	rateSpan, rateLeast = 10 * time.Minute, 10 * time.Second
	// maxSilence is how long PostgreSQL may have more than it sends until that is
	// no longer called ready. It is looked at every half minute, so that makes a
	// minute.
	maxSilence = 30 * time.Second
	// maxSamples bounds those that are remembered.
	maxSamples = 1000
)

// slotLag gathers samples of the server.
type slotLag struct {
	mu   sync.Mutex
	last sample
	// ahead are the samples whose end has not been received, oldest first;
	// current is the newest one that was.
	ahead   []sample
	current time.Time
	// received is what was received last, moved when that changed.
	received delivery.LSN
	moved    time.Time
	rates    []sample
}

// sample is what the server said at one moment, and where we were.
type sample struct {
	at         time.Time
	end, saved delivery.LSN
	retained   int64
	safe       *int64
}

// add takes a sample into account.
func (g *slotLag) add(l sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = l
	if len(g.ahead) < maxSamples {
		g.ahead = append(g.ahead, l)
	}
	if n := len(g.rates); n == 0 || l.at.Sub(g.rates[n-1].at) >= askEvery {
		g.rates = append(g.rates, l)
	}
	g.rates = slices.DeleteFunc(g.rates, func(old sample) bool { return l.at.Sub(old.at) > rateSpan })
}

// advance notes how far the stream has come. It returns the end of the WAL as far
// as it is known, as of when all that the server had has been received (zero
// when never), and since when nothing more comes although there is some (zero
// when that is not so).
func (g *slotLag) advance(now time.Time, received delivery.LSN) (end delivery.LSN, current, silent time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if received != g.received || g.moved.IsZero() {
		g.received, g.moved = received, now
	}
	n := 0
	for n < len(g.ahead) && g.ahead[n].end <= received {
		g.current = g.ahead[n].at
		n++
	}
	g.ahead = slices.Delete(g.ahead, 0, n)
	if len(g.ahead) > 0 {
		silent = g.moved
		if at := g.ahead[0].at; at.After(silent) {
			silent = at
		}
	}
	return max(g.last.end, received), g.current, silent
}

// report is what people are told, where saved is how far everything is settled.
func (g *slotLag) report(saved delivery.LSN) delivery.SlotLag {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := delivery.SlotLag{At: g.last.at, Retained: g.last.retained, Safe: g.last.safe}
	if len(g.rates) == 0 {
		return p
	}
	first, span := g.rates[0], g.last.at.Sub(g.rates[0].at)
	if span < rateLeast {
		return p
	}
	rate := func(from, to float64) float64 { return (to - from) / span.Seconds() }
	if saved < g.last.end {
		lag := float64(g.last.end - saved)
		gain := rate(float64(first.saved), float64(g.last.saved)) - rate(float64(first.end), float64(g.last.end))
		if gain > 0 {
			p.CatchUp = toDuration(lag / gain)
		} else {
			p.Growing = first.end > first.saved && g.last.end-g.last.saved > first.end-first.saved
		}
	}
	if first.safe != nil && g.last.safe != nil {
		if use := rate(float64(*g.last.safe), float64(*first.safe)); use > 0 {
			p.Drop = toDuration(max(float64(*g.last.safe), 1) / use)
		}
	}
	return p
}

// toDuration is a number of seconds as a duration, at most a year.
func toDuration(seconds float64) time.Duration {
	return time.Duration(min(seconds, 365*24*3600) * float64(time.Second))
}

// AskServer asks the server where its WAL ends, unless that was asked a moment ago or
// nothing is streamed. Without an answer within a second the last one stands.
func (r *Runner) AskServer(ctx context.Context) {
	r.prepared.Do(r.prepare)
	if !r.reader.status().Connected || !r.asking.TryLock() {
		return
	}
	defer r.asking.Unlock()
	r.slotLag.mu.Lock()
	fresh := time.Since(r.slotLag.last.at) < askEvery
	r.slotLag.mu.Unlock()
	if fresh {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if server, err := r.Source.Inspect(ctx); err == nil {
		r.noteServer(server)
	}
}

// noteServer notes what the server said.
func (r *Runner) noteServer(server replication.Server) {
	l := sample{at: time.Now(), end: server.Flushed, saved: delivery.LSN(r.acknowledged.Load())}
	if s := server.Slot; s != nil {
		l.retained, l.safe = s.RetainedBytes, s.SafeBytes
	}
	r.slotLag.add(l)
	r.judgeRetained(l)
}

// sourceReport is the reader's part of a report, with what the server was seen to have.
func (r *Runner) sourceReport(saved delivery.LSN) delivery.SourceReport {
	s := r.reader.status()
	end, current, silent := r.slotLag.advance(time.Now(), s.Received)
	if r.completing.holds() {
		silent = time.Time{} // what is held here has come
	}
	s.Server, s.Silent, s.Lag = max(s.Server, end), silent, r.slotLag.report(saved)
	if current.After(s.Current) {
		s.Current = current
	}
	return s
}

// silentObstacles is the obstacle that PostgreSQL does not send what it has; none while
// the machine has something to do, which knows better what is waited for.
func silentObstacles(r delivery.Report, now time.Time) []delivery.Obstacle {
	s := r.Source
	if s.Silent.IsZero() || !s.Connected || s.Problem != "" || r.Pending > 0 || !r.Through.IsZero() || now.Sub(s.Silent) < maxSilence {
		return nil
	}
	return []delivery.Obstacle{{Condition: delivery.Stuck, Reason: "postgresql has sent nothing for " + now.Sub(s.Silent).Round(time.Second).String() +
		" although its WAL goes on to " + s.Server.String() + "; a large transaction of other tables takes it such a time, and so does an overloaded server"}}
}

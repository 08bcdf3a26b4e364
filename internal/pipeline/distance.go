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
	// lookEvery is the shortest time between two looks for somebody who asks.
	lookEvery = 5 * time.Second
	// lookTimeout bounds such a look; without it the last one has to do.
	lookTimeout = time.Second
	// rateSpan is the time that rates are taken over, rateLeast the shortest
	// that says something.
	rateSpan, rateLeast = 10 * time.Minute, 10 * time.Second
	// silence is how long PostgreSQL may have more than it sends until that is
	// no longer called ready. It is looked at every half minute, so that makes a
	// minute.
	silence = 30 * time.Second
	// mostLooks bounds the looks that are remembered.
	mostLooks = 1000
)

// distance gathers looks at the server.
type distance struct {
	mu   sync.Mutex
	last look
	// ahead are the looks whose end has not been received, oldest first;
	// current is the newest one that was.
	ahead   []look
	current time.Time
	// received is what was received last, moved when that changed.
	received delivery.LSN
	moved    time.Time
	rates    []look
}

// look is what the server said at one moment, and where we were.
type look struct {
	at         time.Time
	end, saved delivery.LSN
	retained   int64
	safe       *int64
}

// note takes a look into account.
func (d *distance) note(l look) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = l
	if len(d.ahead) < mostLooks {
		d.ahead = append(d.ahead, l)
	}
	if n := len(d.rates); n == 0 || l.at.Sub(d.rates[n-1].at) >= lookEvery {
		d.rates = append(d.rates, l)
	}
	d.rates = slices.DeleteFunc(d.rates, func(old look) bool { return l.at.Sub(old.at) > rateSpan })
}

// reach notes how far the stream has come. It returns the end of the WAL as far
// as it is known, as of when all that the server had has been received (zero
// when never), and since when nothing more comes although there is some (zero
// when that is not so).
func (d *distance) reach(now time.Time, received delivery.LSN) (end delivery.LSN, current, silent time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if received != d.received || d.moved.IsZero() {
		d.received, d.moved = received, now
	}
	n := 0
	for n < len(d.ahead) && d.ahead[n].end <= received {
		d.current = d.ahead[n].at
		n++
	}
	d.ahead = slices.Delete(d.ahead, 0, n)
	if len(d.ahead) > 0 {
		silent = d.moved
		if at := d.ahead[0].at; at.After(silent) {
			silent = at
		}
	}
	return max(d.last.end, received), d.current, silent
}

// picture is what people are told, where saved is how far everything is settled.
func (d *distance) picture(saved delivery.LSN) delivery.Distance {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := delivery.Distance{At: d.last.at, Retained: d.last.retained, Safe: d.last.safe}
	if len(d.rates) == 0 {
		return p
	}
	first, span := d.rates[0], d.last.at.Sub(d.rates[0].at)
	if span < rateLeast {
		return p
	}
	rate := func(from, to float64) float64 { return (to - from) / span.Seconds() }
	if saved < d.last.end {
		lag := float64(d.last.end - saved)
		gain := rate(float64(first.saved), float64(d.last.saved)) - rate(float64(first.end), float64(d.last.end))
		if gain > 0 {
			p.CatchUp = lasts(lag / gain)
		} else {
			p.Growing = first.end > first.saved && d.last.end-d.last.saved > first.end-first.saved
		}
	}
	if first.safe != nil && d.last.safe != nil {
		if use := rate(float64(*d.last.safe), float64(*first.safe)); use > 0 {
			p.Drop = lasts(max(float64(*d.last.safe), 1) / use)
		}
	}
	return p
}

// lasts is a number of seconds as a duration, at most a year.
func lasts(seconds float64) time.Duration {
	return time.Duration(min(seconds, 365*24*3600) * float64(time.Second))
}

// Look asks the server where its WAL ends, unless that was asked a moment ago or
// nothing is streamed. Without an answer within a second the last one stands.
func (r *Runner) Look(ctx context.Context) {
	r.prepared.Do(r.prepare)
	if !r.reader.status().Connected || !r.looking.TryLock() {
		return
	}
	defer r.looking.Unlock()
	r.distance.mu.Lock()
	fresh := time.Since(r.distance.last.at) < lookEvery
	r.distance.mu.Unlock()
	if fresh {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if server, err := r.Source.Inspect(ctx); err == nil {
		r.looked(server)
	}
}

// looked notes what the server said.
func (r *Runner) looked(server replication.Server) {
	l := look{at: time.Now(), end: server.Flushed, saved: delivery.LSN(r.acknowledged.Load())}
	if s := server.Slot; s != nil {
		l.retained, l.safe = s.RetainedBytes, s.SafeBytes
	}
	r.distance.note(l)
	r.weigh(l)
}

// source is the reader's part of a report, with what the server was seen to have.
func (r *Runner) source(saved delivery.LSN) delivery.SourceReport {
	s := r.reader.status()
	end, current, silent := r.distance.reach(time.Now(), s.Received)
	s.Server, s.Silent, s.Distance = max(s.Server, end), silent, r.distance.picture(saved)
	if current.After(s.Current) {
		s.Current = current
	}
	return s
}

// silent is the obstacle that PostgreSQL does not send what it has; none while
// the machine has something to do, which knows better what is waited for.
func silent(r delivery.Report, now time.Time) []delivery.Obstacle {
	s := r.Source
	if s.Silent.IsZero() || !s.Connected || s.Problem != "" || r.Pending > 0 || !r.Through.IsZero() || now.Sub(s.Silent) < silence {
		return nil
	}
	return []delivery.Obstacle{{Condition: delivery.Stuck, Reason: "postgresql has sent nothing for " + now.Sub(s.Silent).Round(time.Second).String() +
		" although its WAL goes on to " + s.Server.String() + "; a large transaction of other tables takes it such a time, and so does an overloaded server"}}
}

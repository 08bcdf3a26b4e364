package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// eventEvery is how often a page is told how things are.
	eventEvery = 2 * time.Second
	// mostListeners bounds the connections of /api/v1/events.
	mostListeners = 32
	// slowReader is how long one of them may take to read an event.
	slowReader = 5 * time.Second
)

// events tells pages how things are, without being asked again: server-sent
// events (https://html.spec.whatwg.org/multipage/server-sent-events.html) called
// status and backfills, each with what its path of the API answers. None of them
// has values of rows.
//
// Each connection waits by itself, and what is told is looked up once for all of
// them: nothing queues up, and nobody who reads slowly holds up another. One that
// takes too long is dropped; a page connects again by itself.
type events struct {
	every, slow time.Duration
	most        int
	look        func(context.Context) []event
	ending      <-chan struct{}

	mu        sync.Mutex
	listeners int
	looked    time.Time
	seen      []event
}

// event is one message: its name, and its JSON on one line.
type event struct {
	name string
	data []byte
}

func (o Options) events() *events {
	return &events{every: eventEvery, slow: slowReader, most: mostListeners, ending: o.Ending, look: func(ctx context.Context) []event {
		all := []event{eventOf("status", o.Status(ctx))}
		if backfills, err := o.Backfills(ctx, BackfillAsk{}); err == nil {
			all = append(all, eventOf("backfills", backfills))
		}
		return all
	}}
}

func eventOf(name string, body any) event {
	data, err := json.Marshal(body)
	if err != nil {
		data, _ = json.Marshal(failure{err.Error()})
	}
	return event{name, data}
}

func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !e.enter() {
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already, and no more are kept up to date; close one, or ask /api/v1/status", e.most))
		return
	}
	defer e.leave()
	connection := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is not to hold it back
	w.WriteHeader(http.StatusOK)
	told := map[string][]byte{}
	message := []byte("retry: 1000\n\n")
	next := time.NewTicker(e.every)
	defer next.Stop()
	for {
		for _, one := range e.latest(r.Context()) {
			if !bytes.Equal(told[one.name], one.data) {
				told[one.name] = one.data
				message = fmt.Appendf(message, "event: %s\ndata: %s\n\n", one.name, one.data)
			}
		}
		_ = connection.SetWriteDeadline(time.Now().Add(e.slow)) // where it cannot be set, none is
		if _, err := w.Write(message); err != nil {
			return
		}
		if err := connection.Flush(); err != nil {
			return
		}
		message = message[:0]
		select {
		case <-next.C:
		case <-r.Context().Done():
			return
		case <-e.ending:
			return
		}
	}
}

// latest is what there is to tell, looked up now unless that was done just before.
func (e *events) latest(ctx context.Context) []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.Sub(e.looked) >= e.every/2 {
		if seen := e.look(ctx); ctx.Err() == nil {
			e.looked, e.seen = now, seen
		}
	}
	return e.seen
}

func (e *events) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listeners >= e.most {
		return false
	}
	e.listeners++
	return true
}

func (e *events) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listeners--
}

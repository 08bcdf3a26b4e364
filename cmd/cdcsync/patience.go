package main

import (
	"io"
	"sync"
	"time"
)

// patience is how long somebody at a terminal waits without a word.
const patience = 2 * time.Second

// patient says at a terminal what takes long, in a line that goes again.
type patient struct {
	out   io.Writer
	live  bool
	after time.Duration
}

func patientOn(w io.Writer) patient { return patient{out: w, live: terminal(w), after: patience} }

// while says what is being done, once that has taken a while; the returned
// function ends it and takes the line away.
func (p patient) while(what string) (end func()) {
	if !p.live {
		return func() {}
	}
	var mu sync.Mutex
	said, over := false, false
	timer := time.AfterFunc(p.after, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			said = true
			_, _ = io.WriteString(p.out, what+" …") // who looks may have left
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if said {
			_, _ = io.WriteString(p.out, "\r\x1b[K")
		}
	}
}

package acceptance_test

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// connections are the simulator's ends of the connections that the program
// made.
type connections struct {
	mu    sync.Mutex
	state map[net.Conn]http.ConnState
}

// note is the hook of http.Server.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil {
		c.state = map[net.Conn]http.ConnState{}
	}
	c.state[conn] = state
	if state == http.StateClosed {
		delete(c.state, conn)
	}
}

// awaitRead waits until the simulator has begun with every request that a
// program sent before it was killed: each of its connections is then in use or
// closed.
func (c *connections) awaitRead(t *testing.T) {
	t.Helper()
	await(t, time.Minute, func() (bool, string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, state := range c.state {
			if state != http.StateActive {
				return false, "a connection of a dead program is " + state.String()
			}
		}
		return true, ""
	})
	time.Sleep(20 * time.Millisecond) // from the first byte to the call log
}

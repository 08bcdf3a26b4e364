// Package faultproxy is a TCP proxy that misbehaves on demand. Tests put it
// between the program and a server to have connections reset, cut, slow,
// silent or refused, and to have them fixed again while both sides run.
//
// It knows nothing of what it carries and changes no byte of it. What it
// promises: bytes that arrive, arrive in order and whole; a connection that
// has lost bytes never carries another one, but ends with a reset when the
// loss ends, as a partition does that outlasts the senders' patience.
//
// It is made for tests: it listens on 127.0.0.1 only, and a slow connection
// costs a goroutine that sleeps.
package faultproxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Faults are what a Proxy does wrong. The zero value is a faithful proxy.
type Faults struct {
	// Off resets connections, those that stand and those that come.
	Off bool
	// Up is the way from client to server, Down the way back.
	Up, Down Flow
}

// Flow is one direction of all connections.
type Flow struct {
	// Lose takes bytes and forwards none, nor the end of the connection.
	// When Up loses, new connections are accepted and lead nowhere.
	Lose bool
	// Cut resets the connection in place of the Cut-th byte, counted from the
	// Set that asked for it or from the connection's beginning: 1 lets no
	// byte through. Zero means never.
	Cut int64
	// Latency delays whatever is read at once.
	Latency time.Duration
	// Rate is the most bytes a second on each connection. Zero means no limit.
	Rate int
}

// Proxy is a running proxy. Its methods may be called from several goroutines.
type Proxy struct {
	target   string
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	faults Faults
	// changed is closed by the next Set.
	changed  chan struct{}
	links    map[*link]struct{}
	up, down int64
	accepted int
}

// Listen starts a proxy to the TCP address target. Close must be called.
func Listen(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{target: target, listener: listener, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the address to connect to, host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set replaces the faults, for connections that stand and for those that come.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.links {
		l.counted = [2]int64{}
		if f.Off || l.lost[up] && !f.Up.Lose || l.lost[down] && !f.Down.Lose {
			l.reset()
		}
	}
}

// Reset resets the connections that stand, and leaves the faults as they are.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Bytes returns how many bytes were forwarded each way so far.
func (p *Proxy) Bytes() (up, down int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up, p.down
}

// Accepted returns how many connections came so far, those that were reset at
// once among them.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close ends everything and waits for it.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.Reset()
	p.running.Wait()
	return err
}

// accept takes connections until the listener is closed.
func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{proxy: p, client: client.(*net.TCPConn), gone: make(chan struct{})}
		if p.enter(l) {
			p.running.Go(l.serve)
		}
	}
}

// enter takes a connection in, unless the proxy is off or closed.
func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	if p.faults.Off || p.ctx.Err() != nil {
		l.reset()
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.end(false)
	delete(p.links, l)
}

package faultproxy

import (
	"io"
	"net"
	"time"
)

// The directions of a link.
const (
	up = iota
	down
)

// link is one connection and the one behind it.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	// gone is closed by reset.
	gone chan struct{}

	// The proxy's mutex guards the rest. server is nil until it is dialled.
	server  *net.TCPConn
	over    bool
	counted [2]int64
	lost    [2]bool
}

// serve carries bytes both ways until both directions have ended.
func (l *link) serve() {
	defer l.proxy.leave(l)
	if !l.dial() {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		l.carry(down, l.client, l.server)
	}()
	l.carry(up, l.server, l.client)
	<-back
}

// dial connects to the server. While what goes up is lost it only swallows
// what the client says.
func (l *link) dial() bool {
	p := l.proxy
	p.mu.Lock()
	nowhere := p.faults.Up.Lose
	l.lost[up] = nowhere
	p.mu.Unlock()
	if nowhere {
		_, _ = io.Copy(io.Discard, l.client) // ends with the client, or with a reset
		return false
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.server = conn.(*net.TCPConn)
	if l.over {
		_ = l.server.Close() // nothing was sent
	}
	return !l.over
}

// carry forwards one direction until its end, or until the link is reset.
func (l *link) carry(way int, to, from *net.TCPConn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.forward(way, to, buf[:n]) {
			return
		}
		if err == nil {
			continue
		}
		switch {
		case l.losing(way):
			<-l.gone // the other side must not learn of the end
		case err != io.EOF || to.CloseWrite() != nil:
			l.abandon()
		}
		return
	}
}

// losing reports whether the direction loses what comes now: the end of the
// connection, or has lost bytes before it.
func (l *link) losing(way int) bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.lost[way] = l.lost[way] || l.flow(way).Lose
	return l.lost[way] && !l.over
}

func (l *link) flow(way int) Flow {
	if way == up {
		return l.proxy.faults.Up
	}
	return l.proxy.faults.Down
}

// forward writes b as the faults have it. It returns false when the link is
// over.
func (l *link) forward(way int, to *net.TCPConn, b []byte) bool {
	for delayed := false; len(b) > 0; {
		wait, n := l.next(way, b, delayed)
		if wait > 0 {
			delayed = true
			if !l.sleep(wait) {
				return false
			}
			continue
		}
		if n == 0 {
			return l.alive()
		}
		if _, err := to.Write(b[:n]); err != nil {
			l.abandon()
			return false
		}
		b, delayed = b[n:], false
	}
	return true
}

// next says how long to wait before b may go on, or how many bytes of it to
// write now; neither when b is lost or the link over.
func (l *link) next(way int, b []byte, delayed bool) (wait time.Duration, n int) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	f := l.flow(way)
	n = len(b)
	if f.Rate > 0 {
		n = min(n, max(1, f.Rate/20))
	}
	switch {
	case l.over:
		return 0, 0
	case f.Lose || l.lost[way]:
		l.lost[way] = true
		return 0, 0
	case !delayed && f.Rate > 0:
		return f.Latency + time.Duration(n)*time.Second/time.Duration(f.Rate), 0
	case !delayed && f.Latency > 0:
		return f.Latency, 0
	}
	if f.Cut > 0 && l.counted[way]+int64(n) >= f.Cut {
		if n = int(max(f.Cut-1-l.counted[way], 0)); n == 0 {
			l.reset()
			return 0, 0
		}
	}
	l.counted[way] += int64(n)
	if way == up {
		p.up += int64(n)
	} else {
		p.down += int64(n)
	}
	return 0, n
}

func (l *link) alive() bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	return !l.over
}

// sleep waits, and returns false when the link is reset meanwhile. New faults
// end it early.
func (l *link) sleep(d time.Duration) bool {
	l.proxy.mu.Lock()
	changed := l.proxy.changed
	l.proxy.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-l.gone:
		return false
	}
	return true
}

// abandon resets the link because one of its connections broke.
func (l *link) abandon() {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.reset()
}

// reset ends the link with a reset on both sides. The proxy's mutex is held.
func (l *link) reset() { l.end(true) }

// end ends the link: with a reset, or in order when both sides have said all
// they had to say. The proxy's mutex is held.
func (l *link) end(reset bool) {
	if l.over {
		return
	}
	l.over = true
	close(l.gone)
	for _, conn := range []*net.TCPConn{l.client, l.server} {
		if conn == nil {
			continue
		}
		if reset {
			_ = conn.SetLinger(0) // without it the end is a polite one
		}
		_ = conn.Close()
	}
}

package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/faultproxy"
)

// limit is how long anything may take here; what must not happen is given
// quiet to happen.
const (
	limit = 10 * time.Second
	quiet = 50 * time.Millisecond
)

// start runs a server that sends back what it gets, and a proxy before it.
func start(t *testing.T) *faultproxy.Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // ends with the connection
			})
		}
	})
	p, err := faultproxy.Listen(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		listener.Close()
		wait.Wait()
	})
	return p
}

func dial(t *testing.T, p *faultproxy.Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear reads until n bytes, the end, or the deadline have come.
func hear(t *testing.T, conn net.Conn, n int, wait time.Duration) (string, error) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, n)
	got, err := io.ReadFull(conn, buf)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return string(buf[:got]), err
}

// echoes checks that the connection carries bytes both ways.
func echoes(t *testing.T, conn net.Conn) {
	t.Helper()
	say(t, conn, "hello")
	if got, err := hear(t, conn, 5, limit); got != "hello" || err != nil {
		t.Fatalf("got %q, %v; want hello", got, err)
	}
}

func wantReset(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got, err := hear(t, conn, 100, limit)
	if got != want || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v; want %q and a reset", got, err, want)
	}
}

func wantSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := hear(t, conn, 1, quiet); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v; want nothing at all", got, err)
	}
}

func TestFaithful(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		_, _ = conn.Write(sent) // what is missing is noticed below
		_ = conn.CloseWrite()
	}()
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v; want the %d that were sent and an orderly end", len(got), err, len(sent))
	}
	if up, down := p.Bytes(); up != int64(len(sent)) || down != up {
		t.Errorf("counted %d up and %d down, want %d", up, down, len(sent))
	}
}

func TestOff(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	echoes(t, conn)
	p.Set(faultproxy.Faults{Off: true})
	wantReset(t, conn, "")
	// The reset may come while the connection is still being made.
	if late, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNRESET) {
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		wantReset(t, late, "")
	}
	p.Set(faultproxy.Faults{})
	echoes(t, dial(t, p))
	if got := p.Accepted(); got != 3 {
		t.Errorf("accepted %d connections, want 3", got)
	}
}

func TestReset(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	echoes(t, conn)
	p.Reset()
	wantReset(t, conn, "")
	echoes(t, dial(t, p))
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults faultproxy.Faults
		want   string
		up     int64
	}{
		{"before the request", faultproxy.Faults{Up: faultproxy.Flow{Cut: 1}}, "", 0},
		{"in the request", faultproxy.Faults{Up: faultproxy.Flow{Cut: 4}}, "012", 3},
		{"after the request", faultproxy.Faults{Down: faultproxy.Flow{Cut: 1}}, "", 10},
		{"in the reply", faultproxy.Faults{Down: faultproxy.Flow{Cut: 7}}, "012345", 10},
		{"behind the reply", faultproxy.Faults{Down: faultproxy.Flow{Cut: 11}}, "0123456789", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t)
			conn := dial(t, p)
			echoes(t, conn) // is not counted
			before, _ := p.Bytes()
			p.Set(tt.faults)
			say(t, conn, "0123456789")
			if tt.faults.Up.Cut > 1 || len(tt.want) == 10 {
				// What went through may come back before the reset does.
				got, _ := hear(t, conn, len(tt.want), limit)
				if !bytes.HasPrefix([]byte(tt.want), []byte(got)) {
					t.Errorf("got %q, want part of %q", got, tt.want)
				}
			} else {
				wantReset(t, conn, tt.want)
			}
			if after, _ := p.Bytes(); after-before != tt.up {
				t.Errorf("%d bytes went up, want %d", after-before, tt.up)
			}
			p.Set(faultproxy.Faults{})
			echoes(t, dial(t, p))
		})
	}
}

func TestLoss(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults faultproxy.Faults
	}{
		{"both ways", faultproxy.Faults{Up: faultproxy.Flow{Lose: true}, Down: faultproxy.Flow{Lose: true}}},
		{"up", faultproxy.Faults{Up: faultproxy.Flow{Lose: true}}},
		{"down", faultproxy.Faults{Down: faultproxy.Flow{Lose: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t)
			old := dial(t, p)
			echoes(t, old)
			p.Set(tt.faults)
			fresh := dial(t, p)
			for _, conn := range []*net.TCPConn{old, fresh} {
				say(t, conn, "hello")
				wantSilence(t, conn)
			}
			p.Set(faultproxy.Faults{})
			wantReset(t, old, "")
			wantReset(t, fresh, "")
			echoes(t, dial(t, p))
		})
	}
}

// TestLossHidesTheEnd has the server leave while nothing comes down.
func TestLossHidesTheEnd(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	echoes(t, conn)
	p.Set(faultproxy.Faults{Down: faultproxy.Flow{Lose: true}})
	if err := conn.CloseWrite(); err != nil { // the server answers with its own end
		t.Fatal(err)
	}
	wantSilence(t, conn)
	p.Set(faultproxy.Faults{})
	wantReset(t, conn, "")
}

func TestSlow(t *testing.T) {
	for _, tt := range []struct {
		name string
		flow faultproxy.Flow
		text string
		most time.Duration
		back int
	}{
		{"latency", faultproxy.Flow{Latency: 100 * time.Millisecond}, "hello", 100 * time.Millisecond, 5},
		{"rate", faultproxy.Flow{Rate: 100}, "0123456789abcdefghij", 200 * time.Millisecond, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t)
			conn := dial(t, p)
			p.Set(faultproxy.Faults{Down: tt.flow})
			began := time.Now()
			say(t, conn, tt.text)
			got, err := hear(t, conn, tt.back, limit)
			if took := time.Since(began); got != tt.text || err != nil || took < tt.most {
				t.Errorf("got %q, %v after %s; want %q after at least %s", got, err, took, tt.text, tt.most)
			}
		})
	}
}

// TestHealingEndsWaiting fixes a connection that would wait for an hour.
func TestHealingEndsWaiting(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	p.Set(faultproxy.Faults{Down: faultproxy.Flow{Latency: time.Hour}})
	say(t, conn, "hello")
	wantSilence(t, conn)
	p.Set(faultproxy.Faults{})
	if got, err := hear(t, conn, 5, limit); got != "hello" || err != nil {
		t.Errorf("got %q, %v; want hello", got, err)
	}
}

func TestServerGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.Listen(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	listener.Close()
	if got, err := hear(t, dial(t, p), 1, limit); got != "" || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v; want the end of the connection", got, err)
	}
}

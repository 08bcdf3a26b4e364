package exchange

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
)

// A call that is over before its body was begun never sends one.
func TestPayloadNeverBegun(t *testing.T) {
	buf := NewBuffer()
	buf.B = append(buf.B, "body"...)
	p := newPayload(buf)
	if p.started() {
		t.Fatal("started, though nothing was sent")
	}
	p.begin()
	if left, err := io.ReadAll(p.body()); len(left) > 0 || err != nil {
		t.Errorf("read %q, %v after the call was over, want nothing", left, err)
	}
	if p.started() {
		t.Error("started after it was over")
	}
	p.taken(httptrace.WroteRequestInfo{})
	p.taken(httptrace.WroteRequestInfo{})
}

type countingConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// Headers and body leave together, and the buffer comes back.
func TestPayloadInOnePiece(t *testing.T) {
	var got atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
	}))
	defer s.Close()
	var writes atomic.Int32
	transport := newTransport(DefaultTimeout)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return countingConn{conn, &writes}, err
	}
	defer transport.CloseIdleConnections()
	x := New(Config{Transport: transport})
	const size = 60_000
	for call := int32(1); call <= 3; call++ {
		buf := NewBuffer()
		buf.B = append(buf.B, strings.Repeat("x", size)...)
		a, fault := x.Do(t.Context(), Request{Method: http.MethodPost, URL: s.URL, Header: http.Header{}, Body: buf})
		if fault != nil {
			t.Fatal(fault)
		}
		a.Buf.Release()
		if got.Load() != size || writes.Load() != call {
			t.Errorf("call %d: %d bytes arrived in %d writes, want %d in one", call, got.Load(), writes.Load()-call+1, size)
		}
	}
}

package exchange

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// A connection of HTTP/2 that is dead without a word, as behind a firewall that
// has forgotten it, is found dead long before the timeout, and is not used
// again.
func TestSilentConnection(t *testing.T) {
	var served, slow atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the server is spoken to in %s", r.Proto)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		served.Add(1)
		if slow.Load() > 0 {
			time.Sleep(3 * time.Second)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	proxy, err := faultproxy.Listen(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()

	const timeout = 8 * time.Second
	transport := newTransport(timeout)
	transport.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.MinVersion = tls.VersionTLS12
	defer transport.CloseIdleConnections()
	x := New(Config{Transport: transport, Timeout: timeout})
	call := func() *marketo.Fault {
		buf := NewBuffer()
		buf.B = append(buf.B, strings.Repeat("x", 1000)...)
		a, fault := x.Do(t.Context(), Request{Method: http.MethodPost, URL: "https://" + proxy.Addr(), Header: http.Header{}, Body: buf})
		if fault == nil {
			a.Buf.Release()
		}
		return fault
	}
	if f := call(); f != nil {
		t.Fatal(f)
	}
	// A server that works on a call for longer than the connection may be quiet
	// answers when it is asked.
	slow.Store(1)
	if f := call(); f != nil {
		t.Fatalf("a slow call: %v", f)
	}
	slow.Store(0)

	proxy.Set(faultproxy.Faults{Up: faultproxy.Flow{Lose: true}, Down: faultproxy.Flow{Lose: true}})
	began := time.Now()
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() {
			f := call()
			if f == nil || f.Class != marketo.FaultUnknown || !f.MayRun() {
				t.Errorf("a call on a dead connection: %v, want one of unknown outcome", f)
			}
		})
	}
	calls.Wait()
	if took := time.Since(began); took > timeout/2 {
		t.Errorf("the dead connection was found dead after %s, the timeout is %s", took, timeout)
	}
	// Connections that stand stay dead; new ones pass.
	before := proxy.Accepted()
	proxy.Set(faultproxy.Faults{})
	for range 3 {
		if f := call(); f != nil {
			t.Errorf("a call after the connection was found dead: %v", f)
		}
	}
	if proxy.Accepted() == before {
		t.Error("no new connection was made")
	}
}

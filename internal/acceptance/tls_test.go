package acceptance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var yesterday, tomorrow = time.Now().Add(-24 * time.Hour), time.Now().Add(24 * time.Hour)

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: yesterday, NotAfter: tomorrow,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

// pem is the certificate as SSL_CERT_FILE takes it.
func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// sign makes a certificate of a server.
func (a *authority) sign(host string, address net.IP, until time.Time) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: yesterday.Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{host}, IPAddresses: []net.IP{address},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestCertificates starts the program before an endpoint whose certificate is
// not to be trusted. Not a byte of a call may reach it, encrypted or not; the
// program says why it is not ready, and goes on once the certificate is right.
func TestCertificates(t *testing.T) {
	needServer(t)
	t.Parallel()
	known, stranger := newAuthority(t, "known"), newAuthority(t, "stranger")
	local := net.IPv4(127, 0, 0, 1)
	good := known.sign("localhost", local, tomorrow)
	for i, tt := range []struct {
		name, reason string
		cert         *tls.Certificate // nil for a server that does not speak TLS
	}{
		{"unknown authority", "signed by an unknown authority", stranger.sign("localhost", local, tomorrow)},
		{"another host", "it is for another host", known.sign("marketo.example", net.IPv4(127, 0, 0, 2), tomorrow)},
		{"expired", "it has expired or is not valid yet", known.sign("localhost", local, yesterday)},
		{"no TLS at all", "TLS", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 10, simulator.Options{RecordHistory: true})
			web := w.serveTLS(tt.cert)
			p := w.launchWith(program, "SSL_CERT_FILE="+w.write("roots.pem", known.pem()), "SSL_CERT_DIR=/nonexistent")
			await(t, time.Minute, func() (bool, string) { return w.slotReady(), "no slot" })
			w.exec(`UPDATE items SET version = version + 1`)
			await(t, time.Minute, func() (bool, string) {
				status, reason := w.get("/readyz")
				return status == 503 && strings.Contains(reason, tt.reason), "readyz says " + reason
			})
			if web.heard.Load() == 0 {
				t.Error("nobody has connected: the test proves nothing")
			}
			if got := w.sim.Stats().Calls; got != 0 {
				t.Errorf("%d calls have reached the endpoint, want none", got)
			}
			if got := web.plain.Load(); got != 0 {
				t.Errorf("%d connections began without TLS, want none", got)
			}
			web.cert.Store(good)
			w.settle(p)
			p.stop(t)
			w.itemsAgree()
			w.neverTwice()
			if got := web.plain.Load(); got != 0 {
				t.Errorf("%d connections began without TLS, want none", got)
			}
		})
	}
}

// web is the simulator behind TLS, with a certificate that can be replaced.
type web struct {
	net.Listener
	cert atomic.Pointer[tls.Certificate]
	// heard counts connections, plain those whose first byte is not that of
	// a TLS handshake.
	heard, plain atomic.Int32
}

// serveTLS puts the simulator behind TLS and the program before it. Without a
// certificate the server answers in plain text until it gets one.
func (w *world) serveTLS(cert *tls.Certificate) *web {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	s := &web{Listener: listener}
	s.cert.Store(cert)
	plain := httptest.NewUnstartedServer(w.sim)
	plain.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that fail
	plain.Listener.Close()
	plain.Listener = s
	plain.Start()
	w.t.Cleanup(plain.Close)
	w.config.endpoint = "https://" + listener.Addr().String()
	return s
}

// Accept implements net.Listener.
func (s *web) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.heard.Add(1)
	watched := &watchedConn{Conn: conn, plain: &s.plain}
	cert := s.cert.Load()
	if cert == nil {
		return watched, nil
	}
	return tls.Server(watched, &tls.Config{Certificates: []tls.Certificate{*cert}}), nil
}

// watchedConn counts itself when what it hears first is not TLS: a handshake
// record begins with 22 (RFC 8446, 5.1).
type watchedConn struct {
	net.Conn
	plain *atomic.Int32
	begun bool
}

// Read implements net.Conn.
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.begun {
		c.begun = true
		if b[0] != 22 {
			c.plain.Add(1)
		}
	}
	return n, err
}

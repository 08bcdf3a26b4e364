package admin_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// certificate writes one that is for no name, and its key, into a folder.
func certificate(t *testing.T, folder string) (certificatePEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificatePEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{"cert.pem": certificatePEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificatePEM
}

// With a web configuration everything is encrypted and asks for a user; commands
// know the daemon by its own certificate.
func TestServeWithAWebConfiguration(t *testing.T) {
	folder := t.TempDir()
	own, other := certificate(t, folder), certificate(t, t.TempDir())
	hash, err := bcrypt.GenerateFromPassword([]byte("wonder land"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web := filepath.Join(folder, "web.yaml")
	if err := os.WriteFile(web, fmt.Appendf(nil, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {alice: %s}\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	o := full().options()
	o.Listen = ""
	o.Login.Before = func() bool { return true }
	ctx, cancel := context.WithCancel(t.Context())
	ending, done := make(chan struct{}), make(chan error, 1)
	o.Ending = ending
	o.Backfills = func(context.Context, admin.BackfillAsk) (admin.Backfills, error) { return admin.Backfills{}, nil }
	listener := admin.Listener(t)
	go func() { done <- admin.ServeWith(ctx, listener, web, admin.New(o)) }()
	address := listener.Addr().String()

	alice := admin.Access{TLS: true, Certificate: own, User: "alice", Password: "wonder land"}
	for _, tt := range []struct {
		name   string
		change func(*admin.Access)
		want   string
	}{
		{"alice", func(*admin.Access) {}, ""},
		{"a wrong password", func(a *admin.Access) { a.Password = "x" }, "--login-file"},
		{"nobody", func(a *admin.Access) { a.User = "" }, "--login-file"},
		{"somebody else's certificate", func(a *admin.Access) { a.Certificate = other }, "not the one of http.web_config"},
		{"a certificate that nobody vouches for", func(a *admin.Access) { a.Certificate = nil }, "certificate"},
		{"no TLS", func(a *admin.Access) { a.TLS = false }, "does not answer as this version"},
	} {
		access := alice
		tt.change(&access)
		client, err := admin.NewClient(address)
		if err != nil {
			t.Fatal(err)
		}
		if client, err = client.With(access); err != nil {
			t.Fatal(err)
		}
		_, err = client.Retry(t.Context(), admin.Selector{All: true})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}

	// Behind a login any name will do, and events go over HTTP/2.
	browser := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+address+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "cdcsync.internal"
	r.SetBasicAuth("alice", "wonder land")
	res, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("events: got %s over %s", res.Status, res.Proto)
	}
	close(ending)
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "event: status") {
		t.Errorf("events: got %q, %v", body, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("end: %v", err)
	}
}

package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func TestNewClientRefusesAddressesThatNobodyCanAsk(t *testing.T) {
	for _, address := range []string{"", "here", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:http", "127.0.0.1:70000", "http://127.0.0.1:9640/x"} {
		if _, err := admin.NewClient(address); err == nil || !strings.Contains(err.Error(), "--address") {
			t.Errorf("%q: got %v, want an error that says what to do", address, err)
		}
	}
}

// A daemon that listens on all addresses is asked on loopback, by a name that
// it takes for its own.
func TestClientOfAllAddresses(t *testing.T) {
	for _, host := range []string{"", "0.0.0.0", "localhost", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			listener := admin.Listener(t)
			_, port, _ := strings.Cut(listener.Addr().String(), ":")
			o := full().options()
			o.Listen = host + ":" + port
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- admin.ServeOn(ctx, listener, admin.New(o)) }()
			client, err := admin.NewClient(o.Listen)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := client.Status(t.Context()); err != nil || !s.Ready {
				t.Errorf("got %+v, %v, want an answer", s, err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClientTellsWhoDoesNotAnswer(t *testing.T) {
	listener := admin.Listener(t)
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := admin.NewClient(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status(t.Context()); !errors.Is(err, admin.ErrUnreachable) || !strings.Contains(err.Error(), address) {
		t.Errorf("nobody there: got %v, want ErrUnreachable with the address", err)
	}

	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"not found", http.NotFound, "HTTP 404 not found"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "does not answer as this version of cdcsync"},
		{"other JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, "does not answer as this version of cdcsync"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "HTTP 302 found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			web := httptest.NewServer(tt.handler)
			defer web.Close()
			client, err := admin.NewClient(strings.TrimPrefix(web.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

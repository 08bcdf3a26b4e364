package admin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/prometheus/client_golang/prometheus"
)

// options is a daemon that is well, with one metric.
func options() admin.Options {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "cdcsync_test_value", Help: "A test."})
	gauge.Set(42)
	registry.MustRegister(gauge)
	return admin.Options{
		Metrics: registry,
		Alive:   func(context.Context) error { return nil },
		Ready:   func(context.Context) (bool, string) { return true, "" },
		Version: "1.2.3",
	}
}

func request(t *testing.T, o admin.Options, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	admin.New(o).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestEndpoints(t *testing.T) {
	ill := func(o *admin.Options) {
		o.Alive = func(context.Context) error { return errors.New("stuck") }
		o.Ready = func(context.Context) (bool, string) { return false, "Marketo refuses the credentials" }
	}
	tests := []struct {
		name         string
		change       func(*admin.Options)
		method, path string
		status       int
		body         string
	}{
		{"metrics", nil, "GET", "/metrics", 200, "cdcsync_test_value 42\n"},
		{"metrics of an ill daemon", ill, "GET", "/metrics", 200, "cdcsync_test_value 42\n"},
		{"alive", nil, "GET", "/healthz", 200, "ok\n"},
		{"not alive", ill, "GET", "/healthz", 503, "the pipeline does not answer: stuck\n"},
		{"ready", nil, "GET", "/readyz", 200, "ok\n"},
		{"not ready", ill, "GET", "/readyz", 503, "Marketo refuses the credentials\n"},
		{"index", nil, "GET", "/", 200, "cdcsync 1.2.3\n\n/metrics"},
		{"head", nil, "HEAD", "/readyz", 200, ""},
		{"unknown path", nil, "GET", "/nothing", 404, ""},
		{"unknown path below a known one", nil, "GET", "/metrics/x", 404, ""},
		{"wrong method", nil, "POST", "/readyz", 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options()
			if tt.change != nil {
				tt.change(&o)
			}
			status, body := request(t, o, tt.method, tt.path)
			if status != tt.status {
				t.Errorf("status: got %d, want %d", status, tt.status)
			}
			if !strings.Contains(body, tt.body) {
				t.Errorf("body: got %q, want %q in it", body, tt.body)
			}
		})
	}
}

func TestHealthzOfAHangingPipeline(t *testing.T) {
	o := options()
	o.AliveTimeout = time.Millisecond
	o.Alive = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	status, body := request(t, o, "GET", "/healthz")
	if status != 503 || !strings.Contains(body, "does not answer") {
		t.Errorf("got %d %q, want 503 that says so", status, body)
	}
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener := admin.Listener(t)
	done := make(chan error, 1)
	go func() { done <- admin.ServeOn(ctx, listener, admin.New(options())) }()

	base := "http://" + listener.Addr().String()
	res, err := http.Get(base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 200 || string(body) != "ok\n" {
		t.Errorf("readyz: got %d %q, %v, want 200 ok", res.StatusCode, body, err)
	}
	huge, err := http.NewRequest("GET", base+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	huge.Header.Set("X-Huge", strings.Repeat("x", 64<<10))
	res, err = http.DefaultClient.Do(huge)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got, want := res.StatusCode, http.StatusRequestHeaderFieldsTooLarge; got != want {
		t.Errorf("huge header: got %d, want %d", got, want)
	}

	err = admin.Serve(ctx, listener.Addr().String(), "", admin.New(options()))
	if err == nil || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("address in use: got %v, want an error that names http.listen", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("end: got %v, want none", err)
	}
	if _, err := http.Get(base + "/readyz"); err == nil {
		t.Error("after the end: got an answer, want none")
	}
}

// A request that hangs must not keep the daemon from ending.
func TestServeEndsWithAHangingRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener := admin.Listener(t)
	began, done := make(chan struct{}), make(chan error, 1)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	go func() { done <- admin.ServeOn(ctx, listener, handler) }()
	asked := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			err = res.Body.Close()
		}
		asked <- err
	}()
	<-began
	cancel()
	if err := <-done; err != nil {
		t.Errorf("end: got %v, want none", err)
	}
	if err := <-asked; err == nil {
		t.Error("hanging request: got an answer, want the connection closed")
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	listener := admin.Listener(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err := admin.ServeOn(t.Context(), listener, admin.New(options()))
	if err == nil || !strings.Contains(err.Error(), "serve HTTP") {
		t.Errorf("got %v, want an error", err)
	}
}

package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// TestAnswersMayTakeLong has answers take longer than a request may take to come, and
// than an answer may take to be read.
func TestAnswersMayTakeLong(t *testing.T) {
	const limit = 50 * time.Millisecond
	takes := func(ctx context.Context) error {
		select {
		case <-time.After(5 * limit):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o := full().options()
	o.Wait = func(ctx context.Context, _ admin.WaitAsk) (admin.Waited, error) { return admin.Waited{}, takes(ctx) }
	o.Act = func(ctx context.Context, _ []string, _ bool) (admin.Acted, error) { return admin.Acted{}, takes(ctx) }
	server := httptest.NewUnstartedServer(nil)
	o.Listen = server.Listener.Addr().String()
	server.Config.Handler = admin.New(o)
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	defer server.Close()
	for method, path := range map[string]string{"GET": "/api/v1/wait?hold=1s&lsn=0/1", "POST": "/api/v1/parked/retry"} {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(`{"all": true}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(admin.RequestHeader, "test")
		if method == "GET" {
			r.Body, r.ContentLength = nil, 0
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

package admin_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func TestHostIsChecked(t *testing.T) {
	tests := []struct {
		listen, host string
		want         bool
	}{
		{"127.0.0.1:9640", "127.0.0.1:9640", true},
		{"127.0.0.1:9640", "localhost:9640", true},
		{"127.0.0.1:9640", "LOCALHOST", true},
		{"127.0.0.1:9640", "[::1]:9640", true},
		{"127.0.0.1:9640", "[::ffff:127.0.0.1]:9640", true},
		{"127.0.0.1:9640", "attacker.example:9640", false},
		{"127.0.0.1:9640", "localhost.attacker.example", false},
		{"127.0.0.1:9640", "127.0.0.1.attacker.example", false},
		{"127.0.0.1:9640", "192.0.2.1:9640", false},
		{"127.0.0.1:9640", "0.0.0.0:9640", false},
		{"127.0.0.1:9640", "", false},
		{"192.0.2.1:9640", "192.0.2.1:9640", true},
		{"192.0.2.1:9640", "192.0.2.2:9640", false},
		{"cdcsync.internal:9640", "cdcsync.internal:9640", true},
		{"cdcsync.internal:9640", "other.internal:9640", false},
		{":9640", "192.0.2.1:9640", true},
		{"0.0.0.0:9640", "192.0.2.1:9640", true},
		{"[::]:9640", "[2001:db8::1]:9640", true},
		{"0.0.0.0:9640", "attacker.example:9640", false},
		{"", "192.0.2.1:9640", false},
		{"", "127.0.0.1:9640", true},
	}
	for _, tt := range tests {
		t.Run(tt.listen+" asked as "+tt.host, func(t *testing.T) {
			for _, path := range []string{"/api/v1/status", "/api/v1/parked", "/api/v1/parked/MKTOID=7,rid=42"} {
				o := full().options()
				o.Listen = tt.listen
				r := httptest.NewRequest("GET", path, nil)
				r.Host = tt.host
				w := httptest.NewRecorder()
				admin.New(o).ServeHTTP(w, r)
				if got := w.Code == 200; got != tt.want {
					t.Errorf("%s: got %d, want allowed %v", path, w.Code, tt.want)
				}
			}
		})
	}
}

// A page in a browser can send any of these requests but the last.
func TestPagesCannotAct(t *testing.T) {
	tests := []struct {
		name, host string
		headers    map[string]string
		status     int
	}{
		{"a form", "127.0.0.1:9640", map[string]string{"Content-Type": "text/plain"}, 403},
		{"no header", "127.0.0.1:9640", map[string]string{"Content-Type": "application/json"}, 403},
		{"another type", "127.0.0.1:9640", map[string]string{"Content-Type": "text/plain", admin.RequestHeader: "x"}, 415},
		{"no type", "127.0.0.1:9640", map[string]string{admin.RequestHeader: "x"}, 415},
		{"another name", "attacker.example", map[string]string{"Content-Type": "application/json", admin.RequestHeader: "x"}, 403},
		{"a command", "127.0.0.1:9640", map[string]string{"Content-Type": "application/json", admin.RequestHeader: "x"}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, verb := range []string{"retry", "discard"} {
				l := full()
				r := httptest.NewRequest("POST", "/api/v1/parked/"+verb, strings.NewReader(`{"all":true}`))
				r.Host = tt.host
				for name, value := range tt.headers {
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				admin.New(l.options()).ServeHTTP(w, r)
				if w.Code != tt.status || l.acted != (tt.status == 200) {
					t.Errorf("%s: got %d, acted %v, want %d", verb, w.Code, l.acted, tt.status)
				}
				if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
					t.Errorf("%s: other origins are let in: %q", verb, got)
				}
			}
		})
	}
}

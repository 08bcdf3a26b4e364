package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// No body acts on anything unless it says on what.
func FuzzActions(f *testing.F) {
	for _, body := range []string{`{"all":true}`, `{"key":"id=42"}`, `{"mapping":"visits","code":"-"}`, `{}`, `{"all":false}`, `null`, `[]`, `{"all":true}x`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		l := full()
		r := httptest.NewRequest("POST", "http://127.0.0.1:9640/api/v1/parked/discard", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(admin.RequestHeader, "fuzz")
		w := httptest.NewRecorder()
		admin.New(l.options()).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("the answer is no JSON: %q", w.Body)
		}
		if l.acted != (w.Code == http.StatusOK) {
			t.Fatalf("acted %v with status %d", l.acted, w.Code)
		}
		var s admin.Selector
		if l.acted && (json.Unmarshal([]byte(body), &s) != nil || !s.All && s.Mapping == "" && s.Code == "" && s.Key == "") {
			t.Fatalf("acted on %q for %q", l.keys, body)
		}
	})
}

// Stored entries and questions may be anything.
func FuzzListing(f *testing.F) {
	f.Add(`{"id":42}`, `{"id":42,"city":"x"}`, "id=42", "20260301T120000.000000000Z-473e1e5103b1")
	f.Add(`{"a":null,"b":[1],"c":{}}`, ``, "c=map[],a=,b=[1]", "-")
	f.Add(`{"a"`, `nul`, "=", "")
	f.Fuzz(func(t *testing.T, fields, payload, key, after string) {
		l := full()
		l.parked[0].Fields, l.parked[0].Payload = fields, payload
		for _, path := range []string{
			"/api/v1/parked?" + url.Values{"key": {key}, "after": {after}}.Encode(),
			"/api/v1/parked?limit=1",
			"/api/v1/parked/" + url.PathEscape("x"+key),
		} {
			r := httptest.NewRequest("GET", "http://127.0.0.1:9640"+path, nil)
			w := httptest.NewRecorder()
			admin.New(l.options()).ServeHTTP(w, r)
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s: the answer is no JSON: %d %q", path, w.Code, w.Body)
			}
		}
	})
}

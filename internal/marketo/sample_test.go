package marketo_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Canaries: none of these may ever be in an error or a fault.
const (
	userID   = "demo17_1_809934544BFABAE58E5D27"
	secret   = "hunter2-secret-canary"
	rowValue = "row-value-canary@example.com"
)

func literally(s string) func() (string, error) { return func() (string, error) { return s, nil } }

func str(s string) marketo.Value  { return marketo.Value{Kind: marketo.String, Text: s} }
func num(s string) marketo.Value  { return marketo.Value{Kind: marketo.Number, Text: s} }
func flip(s string) marketo.Value { return marketo.Value{Kind: marketo.Boolean, Text: s} }

var (
	null    = marketo.Value{Kind: marketo.Null}
	omitted = marketo.Value{}
)

var roadShow = &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city", "zip", "vip", "note"}}

func object(shape *marketo.Shape, values ...marketo.Value) marketo.Object {
	return marketo.NewObject(shape, values)
}

// sample is a batch with one of everything that a value can be.
func sample(op marketo.Operation) *marketo.Batch {
	other := &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}
	return &marketo.Batch{Type: "RoadShow", Operation: op, Objects: []marketo.Object{
		object(roadShow, num("1090177"), str("rid1"), str("SanJose"), num("-12.50"), flip("true"), str(rowValue)),
		object(roadShow, num("1090178"), str(`<r>&"'\]]>`), null, omitted, flip("false"), str("tab\tline\nreturn\rend")),
		object(roadShow, num("0"), str("  spaced  "), str(""), num("1e3"), omitted, str("Zürich 東京 🚀")),
		object(other, num("7"), str("nothing else"), omitted),
	}}
}

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// recorder keeps what a server was sent and answers with what it is told.
type recorder struct {
	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	paths   []string
	reply   func(w http.ResponseWriter, body string)
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := req.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	r.mu.Lock()
	r.bodies = append(r.bodies, b.String())
	r.headers = append(r.headers, req.Header.Clone())
	r.paths = append(r.paths, req.Method+" "+req.URL.RequestURI())
	r.mu.Unlock()
	r.reply(w, b.String())
}

func (r *recorder) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func (r *recorder) last() (path string, h http.Header, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.bodies) - 1
	return r.paths[i], r.headers[i], r.bodies[i]
}

func respond(status int, kind, body string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func soapAt(t *testing.T, endpoint string) *soap.Client {
	t.Helper()
	when := time.Date(2013, 8, 20, 10, 26, 7, 0, time.FixedZone("", -7*60*60))
	c, err := soap.New(soap.Config{
		Endpoint: endpoint, User: userID, Secret: literally(secret), Timeout: 10 * time.Second,
		Now: func() time.Time { return when },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func restAt(t *testing.T, endpoint string) *rest.Client {
	t.Helper()
	c, err := rest.New(rest.Config{Endpoint: endpoint, User: "client-id-canary", Secret: literally(secret), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const tokenReply = `{"access_token":"token-canary:sj","token_type":"bearer","expires_in":3599,"scope":"a@b"}`

// withTokens answers token calls by itself, so that reply sees the others.
func withTokens(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/identity/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(tokenReply))
	})
	mux.Handle("/", h)
	return mux
}

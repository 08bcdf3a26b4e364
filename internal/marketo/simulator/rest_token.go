package simulator

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokens hands out the one token of the instance: the same until it expires.
type tokens struct {
	life time.Duration

	mu      sync.Mutex
	current string
	expires time.Time
	old     map[string]bool // handed out and expired
}

// issue returns the token and what is left of its life.
func (t *tokens) issue() (string, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.expires)
	if t.current == "" || left <= 0 {
		t.retire()
		t.current, t.expires, left = rand.Text(), time.Now().Add(t.life), t.life
	}
	return t.current, left
}

func (t *tokens) retire() {
	if t.current == "" {
		return
	}
	if t.old == nil {
		t.old = map[string]bool{}
	}
	t.old[t.current] = true
	t.current = ""
}

func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retire()
}

func (t *tokens) check(token string) *fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.old[token], token == t.current && time.Now().After(t.expires):
		return &fault{code: "602", message: "Access token expired"}
	case token != t.current || token == "":
		return &fault{code: "601", message: "Access token invalid"}
	}
	return nil
}

// authorise accepts the Authorization header only: Marketo has given up the
// access_token parameter.
func (s *Simulator) authorise(r *http.Request) *fault {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Query().Has("access_token"):
		return &fault{code: "600", message: "Access token is not accepted as a parameter", violation: ViolationMalformed}
	case !ok || token == "":
		return &fault{code: "600", message: "Empty access token"}
	}
	return s.tokens.check(token)
}

// parseToken reads a token call: GET with a query, or POST with a form.
func (s *Simulator) parseToken(r *http.Request, body string) (*request, *fault) {
	req := &request{operation: opToken}
	values := r.URL.Query()
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		form, err := url.ParseQuery(body)
		media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if err != nil || body != "" && strings.TrimSpace(media) != "application/x-www-form-urlencoded" {
			return req, &fault{code: "invalid_request", message: "not a form", status: http.StatusBadRequest, violation: ViolationMalformed}
		}
		for name, list := range form {
			values[name] = append(values[name], list...)
		}
	default:
		return req, &fault{code: "invalid_request", message: "GET or POST", status: http.StatusMethodNotAllowed, violation: ViolationMalformed}
	}
	if values.Get("grant_type") != "client_credentials" {
		return req, &fault{code: "unsupported_grant_type", message: "grant_type must be client_credentials", status: http.StatusBadRequest, violation: ViolationMalformed}
	}
	if !same(values.Get("client_id"), s.opts.ClientID) || !same(values.Get("client_secret"), s.opts.ClientSecret) {
		return req, &fault{code: "unauthorized", message: "Bad client credentials", status: http.StatusUnauthorized}
	}
	req.read = s.token
	return req, nil
}

func same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

func (s *Simulator) token() ([]byte, *fault) {
	token, left := s.tokens.issue()
	return fmt.Appendf(nil, `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":"simulator@cdcsync.example"}`,
		token, int(left.Seconds())), nil
}

// identityFault is the answer of the identity endpoint, which has its own form.
func identityFault(f *fault) *reply {
	body, err := json.Marshal(map[string]string{"error": f.code, "error_description": f.message})
	if err != nil {
		body = []byte(`{"error":"internal"}`)
	}
	return &reply{status: f.status, contentType: "application/json", body: body}
}

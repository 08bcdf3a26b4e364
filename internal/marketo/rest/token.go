package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// tokenMargin is how long before its end a token is given up, so that it does
// not expire on its way. A token that lives less than twice as long is given
// up at half its life.
const tokenMargin = time.Minute

// tokens holds the access token of one REST client.
type tokens struct {
	// turn holds one element while nobody fetches. One goroutine at a time
	// does; the others wait for it and use what it got.
	turn chan struct{}

	mu     sync.Mutex // guards the rest; held only to look
	value  string
	usable time.Time // until when
	// refused is the last token that Marketo did not accept, refusals how often
	// in a row, and again when it may be tried once more.
	refused  string
	refusals int
	again    time.Time
}

const (
	// firstPause and lastPause bound the time until a token that was refused is
	// tried again, if the identity service goes on handing it out; it doubles.
	// Marketo is known to refuse good tokens now and then.
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

func newTokens() *tokens {
	t := &tokens{turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// get returns the token if it is usable at now.
func (t *tokens) get(now time.Time) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.value != "" && now.Before(t.usable)
}

// put keeps a token. For the one that was refused it returns how long it has to
// wait, if it does.
func (t *tokens) put(token string, now, usable time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token == t.refused && now.Before(t.again) {
		return t.again.Sub(now)
	}
	t.value, t.usable = token, usable
	return 0
}

// refuse gives up a token that Marketo did not accept, and no newer one. Of
// calls that used it together, the first counts.
func (t *tokens) refuse(token string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != token {
		return
	}
	t.value = ""
	if t.refused != token {
		t.refused, t.refusals = token, 0
	}
	t.again = now.Add(min(firstPause<<min(t.refusals, 10), lastPause))
	t.refusals++
}

// accept notes that Marketo accepts a token.
func (t *tokens) accept(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == token {
		t.refused, t.refusals = "", 0
	}
}

// grant is an answer of the identity service.
type grant struct {
	AccessToken string `json:"access_token"`
	// ExpiresIn is in seconds. The service hands out the same token until it
	// expires, so it may be 0.
	ExpiresIn float64 `json:"expires_in"`
}

// token returns a usable token, fetching one if there is none.
func (c *Client) token(ctx context.Context) (string, *marketo.Fault) {
	t := c.tokens
	if token, ok := t.get(c.exchange.Now()); ok {
		return token, nil
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", &marketo.Fault{Class: marketo.FaultRetry, Code: "connection", Message: "the call was given up while waiting for an access token"}
	}
	defer func() { t.turn <- struct{}{} }()
	asked := c.exchange.Now()
	if token, ok := t.get(asked); ok {
		return token, nil
	}
	g, fault := c.fetchToken(ctx)
	if fault != nil {
		return "", fault
	}
	life := time.Duration(g.ExpiresIn * float64(time.Second))
	if wait := t.put(g.AccessToken, asked, asked.Add(life-min(tokenMargin, life/2))); wait > 0 {
		return "", &marketo.Fault{
			Class: marketo.FaultRetry, Code: "601", RetryAfter: wait,
			Message: "the identity service keeps handing out a token that was not accepted; it is tried again after a pause",
		}
	}
	return g.AccessToken, nil
}

// fetchToken asks the identity service. Whatever goes wrong here, no object
// was sent, so no fault is one of unknown outcome.
func (c *Client) fetchToken(ctx context.Context) (grant, *marketo.Fault) {
	secret, err := c.secret()
	if err == nil && secret == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return grant{}, &marketo.Fault{Class: marketo.FaultCredentials, Code: "secret", Message: "client secret: " + err.Error() + "; set marketo.rest.client_secret or client_secret_file"}
	}
	id, err := c.id()
	if err == nil && id == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return grant{}, &marketo.Fault{Class: marketo.FaultCredentials, Code: "secret", Message: "client id: " + err.Error() + "; set marketo.rest.client_id or client_id_file"}
	}
	c.lastID.Store(&id)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	buf := exchange.NewBuffer()
	buf.B = append(buf.B, form.Encode()...)
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	a, fault := c.exchange.Do(ctx, exchange.Request{Method: http.MethodPost, URL: c.base + "/identity/oauth/token", Header: header, Body: buf})
	if fault == nil {
		defer a.Buf.Release()
		fault = c.identityFault(a)
	}
	var g grant
	if fault == nil {
		g, err = readGrant(a.Buf.B)
		if err != nil {
			fault = &marketo.Fault{Code: "reply", Message: "the identity service's reply is refused: " + err.Error() + "; check the endpoint"}
		}
	}
	if fault != nil && fault.Class == marketo.FaultUnknown {
		fault.Class = marketo.FaultRetry
	}
	return g, fault
}

// identityFault reads the HTTP status; nil for 200. The service answers bad
// credentials with 400 or 401, which is no word on any object.
func (c *Client) identityFault(a exchange.Answer) *marketo.Fault {
	if a.Status == http.StatusOK {
		return nil
	}
	f := exchange.StatusFault(a, c.exchange.Now(), restGone)
	if a.Status == http.StatusBadRequest || a.Status == http.StatusUnauthorized {
		f.Class = marketo.FaultCredentials
		f.Message = "the identity service refuses the client id or the client secret; check marketo.rest"
	}
	return f
}

// readGrant reads a token that can stand in a header.
func readGrant(body []byte) (grant, error) {
	var g grant
	r := newJSONReader(body)
	r.skip()
	if err := r.finish(); err != nil {
		return g, err
	}
	if err := json.Unmarshal(body, &g); err != nil {
		return grant{}, errors.New("not the fields of a token")
	}
	if g.AccessToken == "" || len(g.AccessToken) > 8192 {
		return grant{}, errors.New("no token in it")
	}
	for _, c := range []byte(g.AccessToken) {
		if c <= ' ' || c > '~' {
			return grant{}, errors.New("a token that no header can hold")
		}
	}
	const day = 24 * 60 * 60
	g.ExpiresIn = min(max(g.ExpiresIn, 0), day)
	return g, nil
}

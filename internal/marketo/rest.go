package marketo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// RESTConfig is what a REST client needs.
type RESTConfig struct {
	// Endpoint is the address of the REST API, such as
	// https://123-ABC-456.mktorest.com; the "/rest" that Marketo shows at its
	// end may be there or not. http is allowed to a loopback address only.
	Endpoint string
	// ClientID is that of a LaunchPoint service.
	ClientID string
	// ID, when set, returns the client id in place of ClientID. Like Secret it
	// is asked for each token.
	ID func() (string, error)
	// Secret returns the client secret. It is asked for each token.
	Secret func() (string, error)
	// Timeout bounds a whole call, the reply's body included, and likewise
	// the token call that may precede it. Zero means DefaultTimeout.
	Timeout time.Duration
	// ReplyLimit bounds a reply's body after decompression, in bytes. Zero
	// means DefaultReplyLimit.
	ReplyLimit int
	// Admit, when set, is asked before each counted call but those of Sync, which
	// whoever calls Sync counts. Its error says why there is to be none.
	Admit func(ctx context.Context) error
	// UserAgent is sent with each call; empty means DefaultUserAgent.
	UserAgent string
	// Transport makes the HTTP exchange. Nil means one of our own. It must
	// not repeat requests, and tell their httptrace what http.Transport does.
	Transport http.RoundTripper
	// Now is the clock of tokens; nil means time.Now.
	Now func() time.Time
}

// REST is a Client that speaks Marketo's REST API.
type REST struct {
	exchange
	base   string
	id     func() (string, error)
	lastID atomic.Pointer[string]
	secret func() (string, error)
	tokens *tokens
	admit  func(context.Context) error
}

var _ Client = (*REST)(nil)

const restGone = "nothing answers at this address; check the REST endpoint, without /identity or anything after /rest"

// NewREST returns a client that has not called anybody yet. Its errors are
// mistakes in c.
func NewREST(c RESTConfig) (*REST, error) {
	u, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	if c.ID == nil {
		c.ID = func() (string, error) { return c.ClientID, nil }
	}
	if id, err := c.ID(); err != nil || id == "" {
		return nil, errors.New("rest: no client id; set marketo.rest.client_id")
	}
	if c.Secret == nil {
		return nil, errors.New("rest: no client secret; set marketo.rest.client_secret")
	}
	base := strings.TrimRight(u.String(), "/")
	base = strings.TrimRight(strings.TrimSuffix(base, "/rest"), "/")
	return &REST{
		exchange: newExchange(c.Transport, c.Timeout, c.ReplyLimit, c.UserAgent, c.Now),
		base:     base,
		id:       c.ID,
		secret:   c.Secret,
		tokens:   newTokens(),
		admit:    c.Admit,
	}, nil
}

// Capacity implements Client: 300 objects and one megabyte, read as the
// smaller million. Size is exact.
func (c *REST) Capacity() Capacity {
	return Capacity{Objects: 300, Bytes: 1_000_000, Size: recordSize, Envelope: restEnvelope}
}

// Close ends idle connections. Calls may still be made after it.
func (c *REST) Close() { c.exchange.close() }

// Sync implements Client. An empty batch is answered without a call.
func (c *REST) Sync(ctx context.Context, b *Batch) Reply {
	if len(b.Objects) == 0 {
		return Reply{}
	}
	buf, ok := newBuffer(), false
	if buf.b, ok = appendRESTBody(buf.b, b); !ok {
		buf.release()
		return Reply{Fault: &Fault{Class: FaultRefused, Code: "value", Message: "a value that JSON cannot carry: a number or boolean that is none, or text that is not UTF-8; check the mapping's types"}}
	}
	var results []Result
	path := typePath(b.Type) + restCalls[b.Operation].suffix
	reply := c.call(ctx, http.MethodPost, path, buf, b, func(body []byte) (failed *restError, err error) {
		results, failed, err = readRESTReply(body, b)
		return failed, err
	})
	if reply.Fault == nil {
		reply.Results = results
	}
	return reply
}

func typePath(objectType string) string {
	return "/rest/v1/customobjects/" + url.PathEscape(objectType)
}

// call makes one attempt with a token, judges the answer and has read read
// it. buf is given away; b is what no message may repeat. The Reply has no
// Results.
func (c *REST) call(ctx context.Context, method, path string, buf *buffer, b *Batch, read func([]byte) (*restError, error)) Reply {
	token, fault := c.token(ctx)
	if fault != nil {
		buf.discard()
		return Reply{Fault: fault}
	}
	header := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + token}}
	if buf != nil {
		header.Set("Content-Type", "application/json")
	}
	a, fault := c.do(ctx, request{method: method, url: c.base + path, header: header, body: buf})
	if fault == nil {
		defer a.buf.release()
		fault = c.judge(a, token, b, read)
	}
	return Reply{Fault: fault, Date: a.date, Left: a.left}
}

// judge has read read an answer, and says why it counts for nothing if it
// does.
func (c *REST) judge(a answer, token string, b *Batch, read func([]byte) (*restError, error)) *Fault {
	if a.status != http.StatusOK {
		if a.status == http.StatusUnauthorized {
			c.tokens.refuse(token, c.now())
		}
		return statusFault(a, c.now(), restGone)
	}
	failed, err := read(a.buf.b)
	switch {
	case err != nil:
		return &Fault{Code: "reply", Message: "the reply is refused as a whole: " + err.Error() + "; check the endpoint and any proxy in between"}
	case failed == nil:
		c.tokens.accept(token)
		return nil
	}
	f := c.failure(a, failed, token, b)
	if f.Class == FaultExpired {
		c.tokens.refuse(token, c.now())
	}
	return f
}

// failure is the fault of a call that Marketo says has failed.
func (c *REST) failure(a answer, failed *restError, token string, b *Batch) *Fault {
	f := &Fault{Code: failed.code, RetryAfter: retryAfter(a, c.now())}
	r := restRule(failed.code)
	f.Class = r.class
	if f.Code == "" {
		f.Code = "reply"
	}
	secrets := []string{token}
	if id := c.lastID.Load(); id != nil {
		secrets = append(secrets, *id)
	}
	if secret, err := c.secret(); err == nil {
		secrets = append(secrets, secret)
	}
	f.Message = said(r.help, failed.text, secrets, b)
	return f
}

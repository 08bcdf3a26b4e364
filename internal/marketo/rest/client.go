package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// Config is what a REST client needs. The "/rest" that Marketo shows at the end of
// an endpoint may be there or not.
type Config = exchange.Config

// Client is a Client that speaks Marketo's REST API.
type Client struct {
	exchange exchange.Caller
	base     string
	id       func() (string, error)
	lastID   atomic.Pointer[string]
	secret   func() (string, error)
	tokens   *tokens
	admit    func(context.Context) error
	// listed is set once a query by JSON of one field was refused.
	listed atomic.Bool
}

var _ marketo.Client = (*Client)(nil)

const restGone = "nothing answers at this address; check the REST endpoint, without /identity or anything after /rest"

// New returns a client that has not called anybody yet. Its errors are
// mistakes in c.
func New(c Config) (*Client, error) {
	u, err := exchange.ParseEndpoint(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	identity := c.Identity()
	if id, err := identity(); err != nil || id == "" {
		return nil, errors.New("rest: no client id; set marketo.rest.client_id")
	}
	if c.Secret == nil {
		return nil, errors.New("rest: no client secret; set marketo.rest.client_secret")
	}
	base := strings.TrimRight(u.String(), "/")
	base = strings.TrimRight(strings.TrimSuffix(base, "/rest"), "/")
	return &Client{
		exchange: exchange.New(c),
		base:     base,
		id:       identity,
		secret:   c.Secret,
		tokens:   newTokens(),
		admit:    c.Admit,
	}, nil
}

// Capacity implements Client: 300 objects and one megabyte, read as the
// smaller million. Size is exact.
func (c *Client) Capacity() marketo.Capacity {
	return marketo.Capacity{Objects: 300, Bytes: 1_000_000, Size: recordSize, Envelope: restEnvelope}
}

// Close ends idle connections. Calls may still be made after it.
func (c *Client) Close() { c.exchange.Close() }

// Sync implements Client. An empty batch is answered without a call.
func (c *Client) Sync(ctx context.Context, b *marketo.Batch) marketo.Reply {
	if len(b.Objects) == 0 {
		return marketo.Reply{}
	}
	buf, ok := exchange.NewBuffer(), false
	if buf.B, ok = appendBody(buf.B, b); !ok {
		buf.Release()
		return marketo.Reply{Fault: &marketo.Fault{Class: marketo.FaultRefused, Code: "value", Message: "a value that JSON cannot carry: a number or boolean that is none, or text that is not UTF-8; check the mapping's types"}}
	}
	var results []marketo.Result
	path := typePath(b.Type) + restCalls[b.Operation].suffix
	reply := c.call(ctx, http.MethodPost, path, buf, b, func(body []byte) (failed *restError, err error) {
		results, failed, err = readReply(body, b)
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

// call makes one attempt with a token, and judges the answer, which it gives to
// read. buf is given away; b is what no message may repeat. The Reply has no
// Results.
func (c *Client) call(ctx context.Context, method, path string, buf *exchange.Buffer, b *marketo.Batch, read func([]byte) (*restError, error)) marketo.Reply {
	return c.callAs(ctx, method, path, "application/json", buf, b, read)
}

// callAs is call with a body of another type.
func (c *Client) callAs(ctx context.Context, method, path, media string, buf *exchange.Buffer, b *marketo.Batch, read func([]byte) (*restError, error)) marketo.Reply {
	token, fault := c.token(ctx)
	if fault != nil {
		buf.Discard()
		return marketo.Reply{Fault: fault}
	}
	header := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + token}}
	if buf != nil {
		header.Set("Content-Type", media)
	}
	a, fault := c.exchange.Do(ctx, exchange.Request{Method: method, URL: c.base + path, Header: header, Body: buf})
	if fault == nil {
		defer a.Buf.Release()
		fault = c.judge(a, token, b, read)
	}
	return marketo.Reply{Fault: fault, Date: a.Date, Left: a.Left}
}

// judge gives an answer to read, and says why it counts for nothing if it does.
func (c *Client) judge(a exchange.Answer, token string, b *marketo.Batch, read func([]byte) (*restError, error)) *marketo.Fault {
	if a.Status != http.StatusOK {
		if a.Status == http.StatusUnauthorized {
			c.tokens.refuse(token, c.exchange.Now())
		}
		return exchange.StatusFault(a, c.exchange.Now(), restGone)
	}
	failed, err := read(a.Buf.B)
	switch {
	case err != nil:
		return &marketo.Fault{Code: "reply", Message: "the reply is refused as a whole: " + err.Error() + "; check the endpoint and any proxy in between"}
	case failed == nil:
		c.tokens.accept(token)
		return nil
	}
	f := c.failure(a, failed, token, b)
	if f.Class == marketo.FaultExpired {
		c.tokens.refuse(token, c.exchange.Now())
	}
	return f
}

// failure is the fault of a call that Marketo says has failed.
func (c *Client) failure(a exchange.Answer, failed *restError, token string, b *marketo.Batch) *marketo.Fault {
	f := &marketo.Fault{Code: failed.code, RetryAfter: exchange.RetryAfter(a, c.exchange.Now())}
	r := marketo.RESTRule(failed.code)
	f.Class = r.Class
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
	f.Message = marketo.Said(r.Help, failed.text, secrets, b)
	return f
}

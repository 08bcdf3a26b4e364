package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// Client asks a running daemon. It keeps no connections open and goes through
// no proxy.
type Client struct {
	base string
	http http.Client
	// access is how it shows who it is.
	access Access
}

// Access is how a Client shows who it is, and how it knows the daemon. The zero
// value is for a daemon that asks for nothing.
type Access struct {
	// TLS is set where the daemon is asked by https. Certificate is the one that it
	// shows, as PEM; where there is none, one that this machine trusts.
	TLS         bool
	Certificate []byte
	// Token is that of http.token_file; User and Password are one of http.web_config.
	Token, User, Password string
}

// With is c for a daemon that asks for a login, or speaks TLS.
func (c *Client) With(access Access) (*Client, error) {
	d := *c
	d.access = access
	if !access.TLS {
		return &d, nil
	}
	transport := &http.Transport{DisableKeepAlives: true}
	d.base, d.http.Transport = "https://"+strings.TrimPrefix(c.base, "http://"), transport
	if access.Certificate == nil {
		return &d, nil
	}
	block, _ := pem.Decode(access.Certificate)
	if block == nil {
		return nil, errors.New("the certificate of http.web_config is not PEM")
	}
	// Whoever can read the daemon's own certificate need not trust anybody else, and
	// an address such as 127.0.0.1 need not stand in it.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
			return errors.New("the certificate is not the one of http.web_config")
		}
		return nil
	}}
	return &d, nil
}

// answerLimit bounds an answer, in bytes.
const answerLimit = 256 << 20

// NewClient returns a client of the daemon that listens on address
// (host:port, as in http.listen). An address that stands for all addresses is
// asked on loopback. Port 0 is an error: nobody knows the port that it became.
func NewClient(address string) (*Client, error) {
	_, port, err := net.SplitHostPort(address)
	if number, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || number == 0 {
		what := "address " + strconv.Quote(address)
		if strings.Contains(address, "@") {
			what = "an address with an @" // it may hold a password
		}
		return nil, fmt.Errorf("%s is not one to ask; give HOST:PORT of the running daemon with --address", what)
	}
	return &Client{
		base: "http://" + own(address),
		http: http.Client{
			Timeout:       30 * time.Second,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// ErrUnreachable is wrapped by errors that mean that nobody answered.
var ErrUnreachable = errors.New("no answer")

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (snapshot.Status, error) {
	var s snapshot.Status
	err := c.get(ctx, "/api/v1/status", &s)
	if err == nil && s.State == "" {
		err = c.foreign()
	}
	return s, err
}

// Query says which parked objects to list. The zero Query asks for the first
// 100 of all.
type Query struct {
	Mapping string
	// Code is Marketo's code or NoCode.
	Code string
	// Key is an Entry's ID or Key.
	Key string
	// Waiting asks for those that are tried again by themselves.
	Waiting bool
	// Limit is the most entries; zero means 100, a negative one none, for the
	// groups alone. The daemon gives 1,000 at most.
	Limit int
	// After is the Next of an earlier answer.
	After string
}

func (q Query) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"mapping": q.Mapping, "code": q.Code, "key": q.Key, "after": q.After} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Waiting {
		v.Set("waits", "true")
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(max(q.Limit, 0)))
	}
	return v
}

// Parked lists parked objects.
func (c *Client) Parked(ctx context.Context, q Query) (Parked, error) {
	var p Parked
	err := c.get(ctx, "/api/v1/parked?"+q.values().Encode(), &p)
	return p, err
}

// Show returns one parked object with its payload. Key is its ID or Key;
// mapping may be empty.
func (c *Client) Show(ctx context.Context, key, mapping string) (Entry, error) {
	var e Entry
	query := url.Values{}
	if mapping != "" {
		query.Set("mapping", mapping)
	}
	err := c.get(ctx, "/api/v1/parked/"+url.PathEscape(key)+"?"+query.Encode(), &e)
	return e, err
}

// Retry has parked objects tried again.
func (c *Client) Retry(ctx context.Context, s Selector) (Acted, error) {
	return c.act(ctx, "retry", s)
}

// Discard gives parked objects up.
func (c *Client) Discard(ctx context.Context, s Selector) (Acted, error) {
	return c.act(ctx, "discard", s)
}

func (c *Client) act(ctx context.Context, verb string, s Selector) (Acted, error) {
	return post[Acted](ctx, c, "/api/v1/parked/"+verb, s)
}

// post sends a question, and returns the answer.
func post[T any](ctx context.Context, c *Client, path string, question any) (answer T, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer, fmt.Errorf("encode question: %w", err)
	}
	err = c.do(ctx, http.MethodPost, path, body, &answer)
	return answer, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, nil, into)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(RequestHeader, "cdcsync")
	}
	switch a := c.access; {
	case a.Token != "":
		req.Header.Set("Authorization", "Bearer "+a.Token)
	case a.User != "":
		req.SetBasicAuth(a.User, a.Password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("%w from %s: %w", ErrUnreachable, c.base, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("%w from %s: %w", ErrUnreachable, c.base, err)
	}
	return c.understand(res.StatusCode, data, into)
}

// understand reads an answer. One that is none of ours says that somebody else
// listens there.
func (c *Client) understand(status int, data []byte, into any) error {
	if status != http.StatusOK {
		var f failure
		if err := json.Unmarshal(data, &f); err == nil && f.Error != "" {
			return errors.New(f.Error)
		}
		if status == http.StatusUnauthorized {
			return errors.New("the daemon asks for a user and a password; name a file with USER:PASSWORD with --login-file")
		}
		return fmt.Errorf("HTTP %d %s: %w", status, strings.ToLower(http.StatusText(status)), c.foreign())
	}
	if err := json.Unmarshal(data, into); err != nil {
		return c.foreign()
	}
	return nil
}

func (c *Client) foreign() error {
	return fmt.Errorf("%s does not answer as this version of cdcsync does; see what listens there, and give --address if it is not the daemon", c.base)
}

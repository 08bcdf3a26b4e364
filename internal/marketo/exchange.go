package marketo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/cdcsync/cdcsync/internal/failpoint"
)

const (
	// DefaultTimeout is longer than the 120 seconds after which Marketo gives
	// a call up, so that a call we give up is over there too.
	DefaultTimeout = 130 * time.Second
	// longestQuiet is how long nothing may come over a connection of HTTP/2
	// until a sign of life is asked for, and how long that may take.
	longestQuiet = 10 * time.Second
	// DefaultReplyLimit bounds a reply after decompression, in bytes.
	DefaultReplyLimit = 4 << 20
	// DefaultUserAgent names us to Marketo.
	DefaultUserAgent = "cdcsync"
)

// exchange makes single HTTP attempts. It uses a RoundTripper and no
// http.Client: a RoundTripper follows no redirect and keeps no cookies.
type exchange struct {
	transport http.RoundTripper
	timeout   time.Duration
	limit     int
	agent     string
	now       func() time.Time
}

// newExchange fills the defaults in.
func newExchange(rt http.RoundTripper, timeout time.Duration, limit int, agent string, now func() time.Time) exchange {
	x := exchange{transport: rt, timeout: timeout, limit: limit, agent: agent, now: now}
	if x.timeout <= 0 {
		x.timeout = DefaultTimeout
	}
	if x.transport == nil {
		x.transport = newTransport(x.timeout)
	}
	if x.limit <= 0 {
		x.limit = DefaultReplyLimit
	}
	if x.agent == "" {
		x.agent = DefaultUserAgent
	}
	if x.now == nil {
		x.now = time.Now
	}
	return x
}

// newTransport is tuned for a few long-lived connections to one host, each
// carrying bodies of tens of kilobytes. A connection idles for less time than
// servers usually allow, so that it is seldom the server who ends it.
//
// All calls share one connection of HTTP/2. One that is dead without a word
// would take them all until their timeouts, and those that follow, so it is
// asked for a sign of life while nothing comes. A server that works on a call
// gives one.
func newTransport(timeout time.Duration) *http.Transport {
	quiet := min(longestQuiet, timeout/8)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: quiet, PingTimeout: quiet},
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        45 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
}

// close ends idle connections.
func (x *exchange) close() {
	if c, ok := x.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// answer is a complete HTTP reply. Its body is in buf, which the receiver
// releases.
type answer struct {
	status int
	header http.Header
	date   time.Time
	// left is set with a fault, too; see Reply.Left.
	left time.Time
	buf  *buffer
}

// request is one attempt to make.
type request struct {
	method string
	url    string
	header http.Header
	body   *buffer // nil for GET; given away
}

// do makes the attempt and reads the reply to its end. The fault says whether
// anything can have been executed; date is set with it where a reply began.
func (x *exchange) do(ctx context.Context, r request) (answer, *Fault) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	var body *payload
	if r.body != nil {
		body = newPayload(r.body)
		ctx = body.traced(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		r.body.discard()
		return answer{}, &Fault{Class: FaultCredentials, Code: "connection", Message: "the endpoint does not make a URL; check its spelling"}
	}
	req.Header = r.header
	req.Header.Set("User-Agent", x.agent)
	if body != nil {
		req.ContentLength, req.Body = int64(len(r.body.b)), body.body()
	}
	failpoint.Hit("call.before_send")
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		started := body.started()
		return answer{left: body.leftAt()}, broken(ctx, err, started)
	}
	failpoint.Hit("call.after_headers")
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, left: body.leftAt()}
	if date := resp.Header.Get("Date"); date != "" {
		a.date, _ = http.ParseTime(date)
	}
	a.buf = newBuffer()
	whole, err := a.buf.fill(resp.Body, x.limit)
	failpoint.Hit("call.after_reply")
	switch {
	case err != nil:
		a.buf.release()
		a.buf = nil
		return a, broken(ctx, err, true)
	case !whole:
		a.buf.release()
		a.buf = nil
		return a, &Fault{Code: "reply", Message: fmt.Sprintf("the reply is larger than %d bytes and was not read; check what answers at the endpoint", x.limit)}
	}
	return a, nil
}

// admitted asks admit, if there is one.
func admitted(ctx context.Context, admit func(context.Context) error) error {
	if admit == nil {
		return nil
	}
	return admit(ctx)
}

// discard releases a buffer that may be nil.
func (b *buffer) discard() {
	if b != nil {
		b.release()
	}
}

// fill reads r to its end, or reports that it is longer than limit.
func (b *buffer) fill(r io.Reader, limit int) (whole bool, err error) {
	for {
		if len(b.b) == cap(b.b) {
			b.b = append(b.b, 0)[:len(b.b)]
		}
		end := min(cap(b.b), limit+1)
		n, err := r.Read(b.b[len(b.b):end])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > limit:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		}
	}
}

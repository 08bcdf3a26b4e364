package exchange

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
	"github.com/cdcsync/cdcsync/internal/marketo"
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

// Caller makes single HTTP attempts. It uses a RoundTripper and no
// http.Client: a RoundTripper follows no redirect and keeps no cookies.
type Caller struct {
	transport http.RoundTripper
	timeout   time.Duration
	limit     int
	agent     string
	Now       func() time.Time
}

// New fills the defaults in.
func New(c Config) Caller {
	x := Caller{transport: c.Transport, timeout: c.Timeout, limit: c.ReplyLimit, agent: c.UserAgent, Now: c.Now}
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
	if x.Now == nil {
		x.Now = time.Now
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

// Close ends idle connections.
func (x *Caller) Close() {
	if c, ok := x.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Answer is a complete HTTP reply. Its body is in buf, which the receiver
// releases.
type Answer struct {
	Status int
	Header http.Header
	Date   time.Time
	// Left is set with a fault, too; see Reply.Left.
	Left time.Time
	Buf  *Buffer
}

// Request is one attempt to make.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   *Buffer // nil for GET; given away
}

// Do makes the attempt and reads the reply to its end. The fault says whether
// anything can have been executed; date is set with it where a reply began.
func (x *Caller) Do(ctx context.Context, r Request) (Answer, *marketo.Fault) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	var body *payload
	if r.Body != nil {
		body = newPayload(r.Body)
		ctx = body.traced(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		r.Body.Discard()
		return Answer{}, &marketo.Fault{Class: marketo.FaultCredentials, Code: "connection", Message: "the endpoint does not make a URL; check its spelling"}
	}
	req.Header = r.Header
	req.Header.Set("User-Agent", x.agent)
	if body != nil {
		req.ContentLength, req.Body = int64(len(r.Body.B)), body.body()
	}
	failpoint.Hit("call.before_send")
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		started := body.started()
		return Answer{Left: body.leftAt()}, broken(ctx, err, started)
	}
	failpoint.Hit("call.after_headers")
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Left: body.leftAt()}
	if date := resp.Header.Get("Date"); date != "" {
		a.Date, _ = http.ParseTime(date)
	}
	a.Buf = NewBuffer()
	whole, err := a.Buf.fill(resp.Body, x.limit)
	failpoint.Hit("call.after_reply")
	switch {
	case err != nil:
		a.Buf.Release()
		a.Buf = nil
		return a, broken(ctx, err, true)
	case !whole:
		a.Buf.Release()
		a.Buf = nil
		return a, &marketo.Fault{Code: "reply", Message: fmt.Sprintf("the reply is larger than %d bytes and was not read; check what answers at the endpoint", x.limit)}
	}
	return a, nil
}

// Admitted asks admit, if there is one.
func Admitted(ctx context.Context, admit func(context.Context) error) error {
	if admit == nil {
		return nil
	}
	return admit(ctx)
}

// Discard releases a buffer that may be nil.
func (b *Buffer) Discard() {
	if b != nil {
		b.Release()
	}
}

// fill reads r to its end, or reports that it is longer than limit.
func (b *Buffer) fill(r io.Reader, limit int) (whole bool, err error) {
	for {
		if len(b.B) == cap(b.B) {
			b.B = append(b.B, 0)[:len(b.B)]
		}
		end := min(cap(b.B), limit+1)
		n, err := r.Read(b.B[len(b.B):end])
		b.B = b.B[:len(b.B)+n]
		switch {
		case len(b.B) > limit:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		}
	}
}

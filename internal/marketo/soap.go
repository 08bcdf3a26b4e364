package marketo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// SOAPConfig is what a SOAP client needs.
type SOAPConfig struct {
	// Endpoint is the address of the SOAP API, such as
	// https://123-ABC-456.mktoapi.com/soap/mktows/2_3. http is allowed to a
	// loopback address only.
	Endpoint string
	// UserID is Marketo's mktowsUserId.
	UserID string
	// ID, when set, returns the user id in place of UserID. Like Secret it is
	// asked for each attempt.
	ID func() (string, error)
	// Secret returns the secret key. It is asked for each attempt, so that a
	// secret that was replaced is used without a restart.
	Secret func() (string, error)
	// Timeout bounds a whole call, the reply's body included. Zero means
	// DefaultTimeout.
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
	// Now is the clock that signatures are made by; nil means time.Now.
	Now func() time.Time
}

// SOAP is a Client that speaks Marketo's SOAP API.
type SOAP struct {
	exchange
	endpoint string
	id       func() (string, error)
	secret   func() (string, error)
	// signed is the last signature.
	signed atomic.Pointer[signature]
	admit  func(context.Context) error
}

var _ Client = (*SOAP)(nil)

// soapGone explains an endpoint where nothing is.
const soapGone = "nothing answers at this address; Marketo switched its SOAP API off on 2026-07-31, a live instance speaks REST: configure marketo.rest, or check the endpoint of the gateway"

// NewSOAP returns a client that has not called anybody yet. Its errors are
// mistakes in c.
func NewSOAP(c SOAPConfig) (*SOAP, error) {
	u, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("soap: %w", err)
	}
	if c.ID == nil {
		c.ID = func() (string, error) { return c.UserID, nil }
	}
	if id, err := c.ID(); err != nil || id == "" || !validXML([]byte(id)) {
		return nil, errors.New("soap: no user id, or one that XML cannot carry; set marketo.soap.user_id")
	}
	if c.Secret == nil {
		return nil, errors.New("soap: no secret key; set marketo.soap.secret_key")
	}
	return &SOAP{
		exchange: newExchange(c.Transport, c.Timeout, c.ReplyLimit, c.UserAgent, c.Now),
		endpoint: u.String(),
		id:       c.ID,
		secret:   c.Secret,
		admit:    c.Admit,
	}, nil
}

// Capacity implements Client: 100 objects, and no limit of bytes is known.
func (s *SOAP) Capacity() Capacity { return Capacity{Objects: 100} }

// Close ends idle connections. Calls may still be made after it.
func (s *SOAP) Close() { s.exchange.close() }

// Sync implements Client. An empty batch is answered without a call.
func (s *SOAP) Sync(ctx context.Context, b *Batch) Reply {
	if len(b.Objects) == 0 {
		return Reply{}
	}
	buf, secrets, fault := s.open()
	if fault != nil {
		return Reply{Fault: fault}
	}
	enc := soapEncoders.Get().(*soapEncoder)
	body, valid := enc.appendBody(buf.b, b)
	soapEncoders.Put(enc)
	buf.b = append(body, soapClose...)
	if !valid {
		buf.release()
		return Reply{Fault: &Fault{Class: FaultRefused, Code: "value", Message: "a value holds a character that XML cannot carry; set the mapping's policy for characters"}}
	}
	a, fault := s.post(ctx, callOf(b.Operation), buf)
	if fault != nil {
		return Reply{Fault: fault, Date: a.date, Left: a.left}
	}
	defer a.buf.release()
	results, soap, err := readSOAPReply(a.buf.b, b)
	if fault := s.fault(a, soap, err, secrets, b); fault != nil {
		return Reply{Fault: fault, Date: a.date, Left: a.left}
	}
	return Reply{Results: results, Date: a.date, Left: a.left}
}

// Login implements Client with listMObjects, which takes no parameters,
// changes nothing and is signed like every other call.
func (s *SOAP) Login(ctx context.Context) error {
	if err := admitted(ctx, s.admit); err != nil {
		return err
	}
	buf, secrets, fault := s.open()
	if fault != nil {
		return fault
	}
	buf.b = append(append(buf.b, listCall.open...), soapClose...)
	a, fault := s.post(ctx, &listCall, buf)
	if fault != nil {
		return fault
	}
	defer a.buf.release()
	soap, err := readEnvelope(a.buf.b, listCall.success, (*xmlReader).skip)
	if fault := s.fault(a, soap, err, secrets, nil); fault != nil {
		return fault
	}
	return nil
}

// open begins the envelope of an attempt, signed for this moment. The secrets
// are what no message may repeat.
func (s *SOAP) open() (*buffer, []string, *Fault) {
	secret, err := s.secret()
	if err == nil && secret == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, nil, &Fault{Class: FaultCredentials, Code: "secret", Message: "secret key: " + err.Error() + "; set marketo.soap.secret_key or secret_key_file"}
	}
	id, err := s.id()
	if err == nil && (id == "" || !validXML([]byte(id))) {
		err = errors.New("it is empty, or XML cannot carry it")
	}
	if err != nil {
		return nil, nil, &Fault{Class: FaultCredentials, Code: "secret", Message: "user id: " + err.Error() + "; set marketo.soap.user_id or user_id_file"}
	}
	signed := s.sign(id, secret, s.now())
	buf := newBuffer()
	buf.b = appendSOAPHeader(buf.b, id, signed.text, signed.timestamp)
	return buf, []string{id, secret, signed.text}, nil
}

// signature is one of a second.
type signature struct {
	id, secret      string
	at              int64 // seconds since 1970
	timestamp, text string
}

// sign returns the signature of an attempt at now. Those of one second are the
// same.
func (s *SOAP) sign(id, secret string, now time.Time) *signature {
	last := s.signed.Load()
	if last != nil && last.at == now.Unix() && last.secret == secret && last.id == id {
		return last
	}
	timestamp := now.Format(timestampLayout)
	next := &signature{id: id, secret: secret, at: now.Unix(), timestamp: timestamp, text: sign(secret, timestamp, id)}
	s.signed.Store(next)
	return next
}

// post sends an envelope. The answer it returns without a fault is one of the
// two statuses that may hold a SOAP envelope, 200 and 500.
func (s *SOAP) post(ctx context.Context, call *soapCall, buf *buffer) (answer, *Fault) {
	header := http.Header{"Content-Type": {"text/xml; charset=UTF-8"}, "Accept": {"text/xml"}}
	// In HTTP/1 the name keeps this spelling: some servers want it.
	header["SOAPAction"] = []string{call.action}
	a, fault := s.do(ctx, request{method: http.MethodPost, url: s.endpoint, header: header, body: buf})
	if fault == nil && a.status != http.StatusOK && a.status != http.StatusInternalServerError {
		fault = statusFault(a, s.now(), soapGone)
		a.buf.release()
	}
	return a, fault
}

// fault judges a reply that was read: nil when it holds what was asked for.
func (s *SOAP) fault(a answer, soap *soapFault, err error, secrets []string, b *Batch) *Fault {
	switch {
	case a.status == http.StatusInternalServerError && (err != nil || soap == nil):
		return statusFault(a, s.now(), soapGone)
	case err != nil:
		return &Fault{Code: "reply", Message: errNotSOAP(a, err).Error()}
	case soap == nil:
		return nil
	case soap.code == "":
		code := "reply"
		if a.status != http.StatusOK {
			code = fmt.Sprintf("http_%d", a.status)
		}
		return &Fault{Code: code, Message: said("a SOAP fault without Marketo's code", soap.text, secrets, b), RetryAfter: retryAfter(a, s.now())}
	}
	r := soapRule(soap.code)
	f := &Fault{Class: r.class, Code: soap.code, RetryAfter: retryAfter(a, s.now())}
	if r.class == FaultExpired {
		r.help += s.skew(a)
	}
	f.Message = said(r.help, soap.text, secrets, b)
	return f
}

// skew compares the two clocks; a signature expires early when they differ.
func (s *SOAP) skew(a answer) string {
	if a.date.IsZero() {
		return "; check this machine's clock"
	}
	d := s.now().Sub(a.date).Round(time.Second)
	word := "ahead of"
	if d < 0 {
		d, word = -d, "behind"
	}
	// The Date header has whole seconds and is older than the reply.
	if d <= 5*time.Second {
		return "; this machine's clock agrees with the server's"
	}
	return strings.Join([]string{"; this machine's clock is", d.String(), word, "the server's: set the clock"}, " ")
}

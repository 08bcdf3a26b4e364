package soap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// Config is what a SOAP client needs.
type Config = exchange.Config

// Client is a Client that speaks Marketo's SOAP API.
type Client struct {
	exchange exchange.Caller
	endpoint string
	id       func() (string, error)
	secret   func() (string, error)
	// signed is the last signature.
	signed atomic.Pointer[signature]
	admit  func(context.Context) error
}

var _ marketo.Client = (*Client)(nil)

// soapGone explains an endpoint where nothing is.
const soapGone = "nothing answers at this address; Marketo switched its SOAP API off on 2026-07-31, a live instance speaks REST: configure marketo.rest, or check the endpoint of the gateway"

// New returns a client that has not called anybody yet. Its errors are
// mistakes in c.
func New(c Config) (*Client, error) {
	u, err := exchange.ParseEndpoint(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("soap: %w", err)
	}
	identity := c.Identity()
	if id, err := identity(); err != nil || id == "" || !validXML([]byte(id)) {
		return nil, errors.New("soap: no user id, or one that XML cannot carry; set marketo.soap.user_id")
	}
	if c.Secret == nil {
		return nil, errors.New("soap: no secret key; set marketo.soap.secret_key")
	}
	return &Client{
		exchange: exchange.New(c),
		endpoint: u.String(),
		id:       identity,
		secret:   c.Secret,
		admit:    c.Admit,
	}, nil
}

// Capacity implements Client: 100 objects, and no limit of bytes is known.
func (s *Client) Capacity() marketo.Capacity { return marketo.Capacity{Objects: 100} }

// Close ends idle connections. Calls may still be made after it.
func (s *Client) Close() { s.exchange.Close() }

// Sync implements Client. An empty batch is answered without a call.
func (s *Client) Sync(ctx context.Context, b *marketo.Batch) marketo.Reply {
	if len(b.Objects) == 0 {
		return marketo.Reply{}
	}
	buf, secrets, fault := s.open()
	if fault != nil {
		return marketo.Reply{Fault: fault}
	}
	enc := encoders.Get().(*encoder)
	body, valid := enc.appendBody(buf.B, b)
	encoders.Put(enc)
	buf.B = append(body, soapClose...)
	if !valid {
		buf.Release()
		return marketo.Reply{Fault: &marketo.Fault{Class: marketo.FaultRefused, Code: "value", Message: "a value holds a character that XML cannot carry; set the mapping's policy for characters"}}
	}
	a, fault := s.post(ctx, callOf(b.Operation), buf)
	if fault != nil {
		return marketo.Reply{Fault: fault, Date: a.Date, Left: a.Left}
	}
	defer a.Buf.Release()
	results, soap, err := readReply(a.Buf.B, b)
	if fault := s.fault(a, soap, err, secrets, b); fault != nil {
		return marketo.Reply{Fault: fault, Date: a.Date, Left: a.Left}
	}
	return marketo.Reply{Results: results, Date: a.Date, Left: a.Left}
}

// Login implements Client with listMObjects, which takes no parameters,
// changes nothing and is signed like every other call.
func (s *Client) Login(ctx context.Context) error {
	if err := exchange.Admitted(ctx, s.admit); err != nil {
		return err
	}
	buf, secrets, fault := s.open()
	if fault != nil {
		return fault
	}
	buf.B = append(append(buf.B, listCall.open...), soapClose...)
	a, fault := s.post(ctx, &listCall, buf)
	if fault != nil {
		return fault
	}
	defer a.Buf.Release()
	soap, err := readEnvelope(a.Buf.B, listCall.success, (*xmlReader).skip)
	if fault := s.fault(a, soap, err, secrets, nil); fault != nil {
		return fault
	}
	return nil
}

// open begins the envelope of an attempt, signed for this moment. The secrets
// are what no message may repeat.
func (s *Client) open() (*exchange.Buffer, []string, *marketo.Fault) {
	secret, err := s.secret()
	if err == nil && secret == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, nil, &marketo.Fault{Class: marketo.FaultCredentials, Code: "secret", Message: "secret key: " + err.Error() + "; set marketo.soap.secret_key or secret_key_file"}
	}
	id, err := s.id()
	if err == nil && (id == "" || !validXML([]byte(id))) {
		err = errors.New("it is empty, or XML cannot carry it")
	}
	if err != nil {
		return nil, nil, &marketo.Fault{Class: marketo.FaultCredentials, Code: "secret", Message: "user id: " + err.Error() + "; set marketo.soap.user_id or user_id_file"}
	}
	signed := s.sign(id, secret, s.exchange.Now())
	buf := exchange.NewBuffer()
	buf.B = appendHeader(buf.B, id, signed.text, signed.timestamp)
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
func (s *Client) sign(id, secret string, now time.Time) *signature {
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
func (s *Client) post(ctx context.Context, call *soapCall, buf *exchange.Buffer) (exchange.Answer, *marketo.Fault) {
	header := http.Header{"Content-Type": {"text/xml; charset=UTF-8"}, "Accept": {"text/xml"}}
	// In HTTP/1 the name keeps this spelling: some servers want it.
	header["SOAPAction"] = []string{call.action}
	a, fault := s.exchange.Do(ctx, exchange.Request{Method: http.MethodPost, URL: s.endpoint, Header: header, Body: buf})
	if fault == nil && a.Status != http.StatusOK && a.Status != http.StatusInternalServerError {
		fault = exchange.StatusFault(a, s.exchange.Now(), soapGone)
		a.Buf.Release()
	}
	return a, fault
}

// fault judges a reply that was read: nil when it holds what was asked for.
func (s *Client) fault(a exchange.Answer, soap *soapFault, err error, secrets []string, b *marketo.Batch) *marketo.Fault {
	switch {
	case a.Status == http.StatusInternalServerError && (err != nil || soap == nil):
		return exchange.StatusFault(a, s.exchange.Now(), soapGone)
	case err != nil:
		return &marketo.Fault{Code: "reply", Message: errNotSOAP(a, err).Error()}
	case soap == nil:
		return nil
	case soap.code == "":
		code := "reply"
		if a.Status != http.StatusOK {
			code = fmt.Sprintf("http_%d", a.Status)
		}
		return &marketo.Fault{Code: code, Message: marketo.Said("a SOAP fault without Marketo's code", soap.text, secrets, b), RetryAfter: exchange.RetryAfter(a, s.exchange.Now())}
	}
	r := marketo.SOAPRule(soap.code)
	f := &marketo.Fault{Class: r.Class, Code: soap.code, RetryAfter: exchange.RetryAfter(a, s.exchange.Now())}
	if r.Class == marketo.FaultExpired {
		r.Help += s.skew(a)
	}
	f.Message = marketo.Said(r.Help, soap.text, secrets, b)
	return f
}

// skew compares the two clocks; a signature expires early when they differ.
func (s *Client) skew(a exchange.Answer) string {
	if a.Date.IsZero() {
		return "; check this machine's clock"
	}
	d := s.exchange.Now().Sub(a.Date).Round(time.Second)
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

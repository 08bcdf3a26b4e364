package exchange

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Stream makes an attempt that asks for something large, which changes nothing. A
// body for which into has a writer goes there as it comes; then the Answer has no
// Buf. Every other is read whole, as by Do. The timeout bounds how long nothing
// comes, and not how long all takes.
func (x *Caller) Stream(ctx context.Context, r Request, into func(Answer) io.Writer) (Answer, *marketo.Fault) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(x.timeout, cancel)
	defer quiet.Stop()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return Answer{}, &marketo.Fault{Class: marketo.FaultCredentials, Code: "connection", Message: "the endpoint does not make a URL; check its spelling"}
	}
	req.Header = r.Header
	req.Header.Set("User-Agent", x.agent)
	// A transport that asks for compression by itself would count other bytes
	// than those that a range counts.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, broken(ctx, err, false)
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	body := &lively{resp.Body, quiet, x.timeout}
	if to := into(a); to != nil {
		if _, err := io.Copy(to, body); err != nil {
			return a, broken(ctx, err, false)
		}
		return a, nil
	}
	a.Buf = NewBuffer()
	whole, err := a.Buf.fill(body, x.limit)
	if err == nil && whole {
		return a, nil
	}
	a.Buf.Release()
	a.Buf = nil
	if err != nil {
		return a, broken(ctx, err, false)
	}
	return a, &marketo.Fault{Code: "reply", Message: fmt.Sprintf("the reply is larger than %d bytes and was not read; check what answers at the endpoint", x.limit)}
}

// lively puts the end off while bytes come.
type lively struct {
	io.Reader
	quiet *time.Timer
	after time.Duration
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.quiet.Reset(l.after)
	}
	return n, err
}

package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// broken is the fault of an attempt that has no complete reply. What never
// took a byte of the body was not executed.
func broken(ctx context.Context, err error, started bool) *marketo.Fault {
	f := &marketo.Fault{Class: marketo.FaultRetry, Code: "connection"}
	if started {
		f.Class = marketo.FaultUnknown
	}
	var (
		record tls.RecordHeaderError
		alert  tls.AlertError
	)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.Code = "timeout"
		f.Message = "no complete reply in time"
	case ctx.Err() != nil:
		f.Message = "the call was given up before its reply"
	case isCertificate(err):
		// It takes an operator, here or there, so delivery tries slowly.
		f.Code = "tls"
		f.Message = "the server's certificate is not trusted: " + certificateProblem(err) + "; check the endpoint and the system's root certificates"
		if !started {
			f.Class = marketo.FaultCredentials
		}
	case errors.As(err, &record), errors.As(err, &alert):
		f.Code = "tls"
		f.Message = "the TLS handshake or record layer broke; check that the endpoint speaks TLS 1.2 or newer"
	default:
		f.Message = connectionProblem(err)
	}
	return f
}

func isCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		host         x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func certificateProblem(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return "it is signed by an unknown authority"
	case errors.As(err, &host):
		return "it is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not valid yet"
	}
	return "it does not verify"
}

// connectionProblem says what broke in words of its own: the error's text may
// hold a proxy's URL with its password.
func connectionProblem(err error) string {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch {
	case errors.As(err, &dns):
		return "the host name does not resolve; check the endpoint, the proxy and DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the reply was complete"
	case errors.As(err, &op):
		return "the connection broke (" + op.Op + ")"
	}
	return "the connection broke"
}

// StatusFault is the fault of a reply whose HTTP status alone says that it is
// not an answer of the API. Only statuses that speak of this very content lead
// to a split or a rejection; a wrong address never costs a row.
func StatusFault(a Answer, now time.Time, gone string) *marketo.Fault {
	f := &marketo.Fault{Class: marketo.FaultCredentials, Code: "http_" + strconv.Itoa(a.Status), RetryAfter: RetryAfter(a, now)}
	switch s := a.Status; {
	case s >= 300 && s < 400:
		f.Code = "redirect"
		f.Message = "the endpoint redirects" + target(a.Header) + "; nothing is sent elsewhere: configure the final address as the endpoint"
	case s == http.StatusUnauthorized:
		f.Message = "not authorized; check the credentials and the endpoint"
	case s == http.StatusForbidden:
		f.Message = "forbidden; check the API user's role, allowed IP addresses and any firewall in between"
	case s == http.StatusNotFound, s == http.StatusGone:
		f.Message = gone
	case s == http.StatusMethodNotAllowed:
		f.Message = "the endpoint takes no POST; check its path"
	case s == http.StatusProxyAuthRequired:
		f.Message = "the proxy wants credentials; check HTTPS_PROXY"
	case s == http.StatusBadRequest, s == http.StatusUnprocessableEntity:
		f.Class = marketo.FaultRefused
		f.Message = "the request is not understood"
	case s == http.StatusRequestEntityTooLarge:
		f.Class = marketo.FaultTooLarge
		f.Message = "the body is too large"
	case s == http.StatusTooManyRequests:
		f.Class = marketo.FaultRate
		f.Message = "too many requests"
	case s == http.StatusRequestTimeout, s >= 500, s < 300:
		f.Class = marketo.FaultUnknown
		f.Message = "no answer of the API; Marketo, or something before it, is out of order"
	default:
		f.Message = "unexpected HTTP status; check the endpoint"
	}
	return f
}

// target names where a redirect points to, without path and query.
func target(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Hostname() == "" || len(u.Hostname()) > 253 {
		return ""
	}
	return " to " + strconv.Quote(u.Scheme+"://"+u.Host)
}

// longestWish is the longest Retry-After that is believed.
const longestWish = time.Hour

// RetryAfter reads the server's wish, in seconds or as a date by the server's
// own clock.
func RetryAfter(a Answer, now time.Time) time.Duration {
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	if text == "" {
		return 0
	}
	wish := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		wish = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(text); err == nil {
		if !a.Date.IsZero() {
			now = a.Date
		}
		wish = t.Sub(now)
	}
	return min(max(wish, 0), longestWish)
}

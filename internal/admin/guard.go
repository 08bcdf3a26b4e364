package admin

import (
	"encoding/json"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// RequestHeader must be there, with any value, on every request that changes
// something. A page of another origin cannot send it: browsers ask for leave
// first (https://fetch.spec.whatwg.org/#cors-preflight-fetch), and none is
// given here.
const RequestHeader = "X-Cdcsync-Request"

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// local refuses requests for another host than this one. The API shows values
// of rows, and a page of a name whose owner points it at this address would
// pass for one of our own otherwise (DNS rebinding).
func (o Options) local(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// A login that is asked for before is good for one name alone.
		if o.Login.kind() != loginBefore && !ours(o.Listen, r.Host) {
			refuse(w, http.StatusForbidden, "the API answers to its own address only; use "+own(o.Listen))
			return
		}
		if r.Method != http.MethodPost {
			hasCome(w)
		}
		next(w, r)
	}
}

// hasCome ends the time that a request may take to come: what it takes to answer is
// another matter, and the server would end the request's context with it.
func hasCome(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // where it cannot be set, none is
}

// acting is asked for those who may act.
func (o Options) acting(next http.HandlerFunc) http.HandlerFunc { return o.asked(o.may(next)) }

// asked is local for requests that change something, which no page of others can
// send.
func (o Options) asked(next http.HandlerFunc) http.HandlerFunc {
	return o.local(func(w http.ResponseWriter, r *http.Request) {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case !sameOrigin(r):
			refuse(w, http.StatusForbidden, "a page of another address cannot act")
		case r.Header.Get(RequestHeader) == "":
			refuse(w, http.StatusForbidden, "the header "+RequestHeader+" is missing; send it with any value")
		case err != nil || media != "application/json":
			refuse(w, http.StatusUnsupportedMediaType, "the body must be application/json; set Content-Type")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next(w, r)
		}
	})
}

// ours reports whether host, of a Host header, names the address listened on:
// loopback, or the configured host. Where all addresses are listened on, every
// address is ours; only a name can be pointed at somebody else.
func ours(listen, host string) bool {
	name, address := split(host)
	configured, bound := split(listen)
	switch {
	case name == "":
		return false
	case strings.EqualFold(name, "localhost"), strings.EqualFold(name, configured):
		return true
	case !address.IsValid():
		return false
	}
	everywhere := configured == "" || bound.IsUnspecified()
	return address.IsLoopback() || everywhere && !address.IsUnspecified()
}

// split returns the host of host:port, which may lack the port, and its
// address if it is one.
func split(hostport string) (host string, address netip.Addr) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	address, _ = netip.ParseAddr(host) // a name is none
	return host, address.Unmap()
}

// own is the address to reach a server that listens on listen from this
// machine.
func own(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if _, address := split(listen); host == "" || address == netip.IPv4Unspecified() {
		host = "127.0.0.1"
	} else if address == netip.IPv6Unspecified() {
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, text string) {
	reply(w, status, failure{text})
}

// reply answers with JSON, which no cache may keep.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	// It takes as long as it takes to know what to say; then it has to be read.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // as in hasCome
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // the caller may have left
}

// notEmpty answers where a list is there and has nothing in it. Left out it would stand
// for all, and who has made an empty one hardly means that.
func notEmpty(w http.ResponseWriter, what string, list []string) bool {
	if list == nil || len(list) > 0 {
		return true
	}
	refuse(w, http.StatusBadRequest, what+" is an empty list; leave it out where all are meant")
	return false
}

// read decodes the body strictly, and answers when it cannot.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
	case err != nil:
		refuse(w, http.StatusBadRequest, "the body is not as it should be: "+err.Error())
	default:
		hasCome(w)
	}
	return err == nil
}

package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Login is how people and programs show that they may act, and see values of
// rows. The zero value is no login: then commands act, as whoever reaches the
// address may, and the page only shows.
type Login struct {
	// Token returns what http.token_file holds; nil for no token. It is asked each
	// time, so that the file can be changed.
	Token func() (string, error)
	// Before reports whether nobody gets here without a login, as http.web_config
	// asks for one before; nil for never.
	Before func() bool
}

// The kinds of login, as GET /api/v1/session has them.
const (
	loginNone   = "none"
	loginToken  = "token"
	loginBefore = "before"
)

const (
	sessionTime = 12 * time.Hour
	// wrongToken is how long the answer to a wrong token takes.
	wrongToken = 300 * time.Millisecond
)

// noLogin is what a page is told that may not act.
const noLogin = "the page only shows, as no login is configured: set http.token_file, or http.web_config with users, and restart the daemon; or use the command line"

func (l Login) kind() string {
	switch {
	case l.Before != nil && l.Before():
		return loginBefore
	case l.Token != nil:
		return loginToken
	}
	return loginNone
}

// refusal says why a request may neither act nor see values; "" where it may.
func (l Login) refusal(r *http.Request) (status int, why string) {
	switch l.kind() {
	case loginBefore:
		return 0, ""
	case loginToken:
		token, err := l.Token()
		if err != nil {
			return http.StatusForbidden, "the token of http.token_file cannot be read: " + err.Error()
		}
		if !shows(r, token, time.Now()) {
			return http.StatusUnauthorized, "this needs a login: on the page log in with the token of http.token_file, on the command line name that file with --login-file, in a program send it as Authorization: Bearer"
		}
	default:
		if fromPage(r) {
			return http.StatusForbidden, noLogin
		}
	}
	return 0, ""
}

// fromPage reports whether a request comes out of a browser.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get(RequestHeader) == "page"
}

// shows reports whether a request has the token, or a session that it was good for.
func shows(r *http.Request, token string, now time.Time) bool {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(given, token)
	}
	cookie, err := r.Cookie(sessionCookie(r))
	if err != nil {
		return false
	}
	until, _, _ := strings.Cut(cookie.Value, ".")
	end, err := strconv.ParseInt(until, 10, 64)
	return err == nil && now.Unix() < end && same(cookie.Value, session(token, end))
}

// session is what a cookie holds until end: nobody who lacks the token can make it,
// and another token makes it worthless. Nothing has to be remembered.
func session(token string, end int64) string {
	mac := hmac.New(sha256.New, []byte(token))
	fmt.Fprintf(mac, "session until %d", end)
	return fmt.Sprintf("%d.%s", end, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// sessionCookie is the name of the cookie that holds what a page got for its token.
// The port is part of it: cookies of a host are sent to all its ports, and each may
// have a daemon.
func sessionCookie(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "cdcsync_session"
	}
	return "cdcsync_session_" + port
}

// same compares without telling by its time how much is the same.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// sameOrigin reports whether a request comes from a page of ours, or from none. What
// browsers say of that over https, and on this machine, no page can change; it is
// right behind a proxy, too, which may send another Host than the page's.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "", "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// may is next for those who may act, or see values.
func (o Options) may(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status, why := o.Login.refusal(r); why != "" {
			refuse(w, status, why)
			return
		}
		next(w, r)
	}
}

// showing is may where values are asked for: always, unless values=false says that
// they are to be left out.
func (o Options) showing(next func(values bool) http.HandlerFunc) http.HandlerFunc {
	with, without := o.may(next(true)), next(false)
	return o.local(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		switch given := query["values"]; {
		case len(given) == 0, len(given) == 1 && given[0] == "true":
			query.Del("values")
			r.URL.RawQuery = query.Encode()
			with(w, r)
		case len(given) == 1 && given[0] == "false":
			query.Del("values")
			r.URL.RawQuery = query.Encode()
			without(w, r)
		default:
			refuse(w, http.StatusBadRequest, "values is neither true nor false, or stands more than once")
		}
	})
}

// Session is the answer to GET /api/v1/session.
type Session struct {
	// Login is the kind that there is: none, token, or before for one that was
	// asked for before anything was shown.
	Login string `json:"login"`
	// May is set where the page may act, and show values.
	May  bool   `json:"may"`
	User string `json:"user,omitempty"`
	// Why says why not.
	Why string `json:"why,omitempty"`
}

func (o Options) session(w http.ResponseWriter, r *http.Request) {
	_, why := o.Login.refusal(r)
	if o.Login.kind() == loginNone {
		why = noLogin
	}
	s := Session{Login: o.Login.kind(), May: why == "", Why: why}
	if s.Login == loginBefore {
		s.User, _, _ = r.BasicAuth()
	}
	reply(w, http.StatusOK, s)
}

// login gives a page a session for the token.
func (o Options) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token string `json:"token"`
	}
	if !read(w, r, &body) {
		return
	}
	if o.Login.kind() != loginToken {
		refuse(w, http.StatusForbidden, noLogin)
		return
	}
	token, err := o.Login.Token()
	if err != nil {
		refuse(w, http.StatusForbidden, "the token of http.token_file cannot be read: "+err.Error())
		return
	}
	if !same(strings.TrimSpace(body.Token), token) {
		select {
		case <-time.After(wrongToken):
		case <-r.Context().Done():
		}
		refuse(w, http.StatusUnauthorized, "this is not the token of http.token_file")
		return
	}
	end := time.Now().Add(sessionTime)
	setSession(w, r, session(token, end.Unix()), end)
	reply(w, http.StatusOK, Session{Login: loginToken, May: true})
}

func (o Options) logout(w http.ResponseWriter, r *http.Request) {
	setSession(w, r, "", time.Unix(1, 0))
	reply(w, http.StatusOK, Session{Login: o.Login.kind()})
}

func setSession(w http.ResponseWriter, r *http.Request, value string, end time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(r), Value: value, Path: "/", Expires: end, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
}

// withoutValues leaves out what may hold values of rows: keys, and Marketo's words.
func (p *Parked) withoutValues() {
	for i := range p.Groups {
		p.Groups[i].Message = ""
	}
	for i := range p.Entries {
		p.Entries[i].Key, p.Entries[i].Message = "", ""
	}
}

func (t *Traced) withoutValues() {
	if t.Parked != nil {
		entry := *t.Parked
		entry.Key, entry.Message = "", ""
		t.Parked = &entry
	}
	t.Refused = slices.Clone(t.Refused)
	for i := range t.Refused {
		t.Refused[i].Message = ""
	}
}

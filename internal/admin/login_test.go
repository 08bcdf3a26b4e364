package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

const secret = "correct-horse-battery"

// kinds are the logins that there are.
var kinds = map[string]admin.Login{
	"none":   {},
	"token":  {Token: func() (string, error) { return secret, nil }},
	"before": {Before: func() bool { return true }},
}

// asks are requests that act, or ask for values, and one that does neither.
var asks = map[string][3]string{
	"act":     {"POST", "/api/v1/parked/retry", `{"all":true}`},
	"values":  {"GET", "/api/v1/parked", ""},
	"payload": {"GET", "/api/v1/parked/MKTOID=7,rid=42", ""},
	"refused": {"GET", "/api/v1/backfills?refused=5", ""},
	"status":  {"GET", "/api/v1/status", ""},
	"groups":  {"GET", "/api/v1/parked?values=false", ""},
}

func send(login admin.Login, what [3]string, headers map[string]string) *httptest.ResponseRecorder {
	o := full().options()
	o.Login = login
	r := httptest.NewRequest(what[0], "http://127.0.0.1:9640"+what[1], strings.NewReader(what[2]))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(admin.RequestHeader, "test")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	admin.New(o).ServeHTTP(w, r)
	return w
}

func TestWhoMayActAndSeeValues(t *testing.T) {
	page := map[string]string{admin.RequestHeader: "page", "Origin": "http://127.0.0.1:9640"}
	tests := []struct {
		name, login string
		headers     map[string]string
		// may is whether acting and values are allowed; all else always is.
		may  bool
		code int
	}{
		{"a command, no login", "none", nil, true, 200},
		{"a page, no login", "none", page, false, 403},
		{"a browser that says so alone", "none", map[string]string{"Sec-Fetch-Site": "same-origin"}, false, 403},
		{"a command without the token", "token", nil, false, 401},
		{"a command with the token", "token", map[string]string{"Authorization": "Bearer " + secret}, true, 200},
		{"a command with another", "token", map[string]string{"Authorization": "Bearer " + secret + "x"}, false, 401},
		{"a password is no token", "token", map[string]string{"Authorization": "Basic " + secret}, false, 401},
		{"a page without a session", "token", page, false, 401},
		{"a page with one that is made up", "token", map[string]string{"Cookie": "cdcsync_session_9640=99999999999.aaaa"}, false, 401},
		{"a page behind a login", "before", page, true, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, what := range asks {
				free := name == "status" || name == "groups"
				w := send(kinds[tt.login], what, tt.headers)
				want := tt.code
				if free {
					want = 200
				}
				if w.Code != want {
					t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, want)
				}
			}
		})
	}
}

// A list that has come out empty is not all there is.
func TestAnEmptyListIsNotAll(t *testing.T) {
	for _, what := range [][2]string{{"backfills/start", "keys"}, {"backfills/start", "mappings"}, {"backfills/cancel", "mappings"}, {"pause", "mappings"}, {"resume", "mappings"}} {
		body := `{"` + what[1] + `": []}`
		if w := send(kinds["none"], [3]string{"POST", "/api/v1/" + what[0], body}, nil); w.Code != 400 || !strings.Contains(w.Body.String(), what[1]+" is an empty list") {
			t.Errorf("%s %s: got %d %s", what[0], body, w.Code, w.Body)
		}
	}
}

// A page is told what to configure.
func TestARefusalSaysWhatToConfigure(t *testing.T) {
	w := send(kinds["none"], asks["act"], map[string]string{admin.RequestHeader: "page"})
	for _, want := range []string{"http.token_file", "http.web_config"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s in it", w.Body, want)
		}
	}
}

func TestSession(t *testing.T) {
	page := map[string]string{admin.RequestHeader: "page", "Origin": "http://127.0.0.1:9640"}
	login := func(token string) *httptest.ResponseRecorder {
		return send(kinds["token"], [3]string{"POST", "/api/v1/login", `{"token":"` + token + `"}`}, page)
	}
	if w := login("wrong"); w.Code != 401 || len(w.Result().Cookies()) != 0 || strings.Contains(w.Body.String(), secret) {
		t.Errorf("a wrong token: got %d %s", w.Code, w.Body)
	}
	w := login(secret)
	cookies := w.Result().Cookies()
	if w.Code != 200 || len(cookies) != 1 {
		t.Fatalf("the token: got %d %s, %d cookies", w.Code, w.Body, len(cookies))
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || strings.Contains(c.Value, secret) {
		t.Errorf("cookie: got %+v", c)
	}
	with := map[string]string{"Cookie": c.Name + "=" + c.Value}
	if w := send(kinds["token"], asks["act"], with); w.Code != 200 {
		t.Errorf("with the session: got %d %s", w.Code, w.Body)
	}
	other := admin.Login{Token: func() (string, error) { return secret + "2", nil }}
	if w := send(other, asks["act"], with); w.Code != 401 {
		t.Errorf("after the token was changed: got %d, want 401", w.Code)
	}
	end, mac, _ := strings.Cut(c.Value, ".")
	for _, forged := range []string{end + "0." + mac, end + "." + mac[1:], "1." + mac, end, ""} {
		if w := send(kinds["token"], asks["act"], map[string]string{"Cookie": c.Name + "=" + forged}); w.Code != 401 {
			t.Errorf("session %q: got %d, want 401", forged, w.Code)
		}
	}
	out := send(kinds["token"], [3]string{"POST", "/api/v1/logout", `{}`}, with)
	if cookies := out.Result().Cookies(); len(cookies) != 1 || cookies[0].MaxAge > 0 || cookies[0].Value != "" {
		t.Errorf("log out: got %v", cookies)
	}
}

// Behind a proxy that has TLS, the page has another origin than the Host that the
// proxy sends, as it has to.
func TestAPageBehindAProxy(t *testing.T) {
	page := map[string]string{admin.RequestHeader: "page", "Origin": "https://ops.example", "Sec-Fetch-Site": "same-origin"}
	w := send(kinds["token"], [3]string{"POST", "/api/v1/login", `{"token":"` + secret + `"}`}, page)
	cookies := w.Result().Cookies()
	if w.Code != 200 || len(cookies) != 1 {
		t.Fatalf("the token: got %d %s, %d cookies", w.Code, w.Body, len(cookies))
	}
	page["Cookie"] = cookies[0].Name + "=" + cookies[0].Value
	if w := send(kinds["token"], asks["act"], page); w.Code != 200 {
		t.Errorf("acting: got %d %s", w.Code, w.Body)
	}
	page["Sec-Fetch-Site"] = "cross-site"
	if w := send(kinds["token"], asks["act"], page); w.Code != 403 {
		t.Errorf("a page of others: got %d %s, want 403", w.Code, w.Body)
	}
}

// Pages of others can send neither an action nor a login.
func TestOtherPagesAreKeptOut(t *testing.T) {
	for _, headers := range []map[string]string{
		{"Origin": "http://attacker.example"},
		{"Origin": "http://127.0.0.1:8080"},
		{"Origin": "null"},
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
	} {
		for _, kind := range []string{"none", "token", "before"} {
			for _, what := range [][3]string{asks["act"], {"POST", "/api/v1/login", `{"token":"` + secret + `"}`}, {"POST", "/api/v1/pause", `{}`}} {
				headers["Authorization"] = "Bearer " + secret
				if w := send(kinds[kind], what, headers); w.Code != 403 {
					t.Errorf("%s, %v, %s: got %d %s, want 403", kind, headers, what[1], w.Code, w.Body)
				}
			}
		}
	}
}

// Without values there is nothing of a row, whatever Marketo said of it.
func TestParkedWithoutValues(t *testing.T) {
	body := send(kinds["none"], asks["groups"], nil).Body.String()
	for _, value := range []string{"MKTOID", "rid", "Town", "Marketo's words"} {
		if strings.Contains(body, value) {
			t.Errorf("%q is shown without asking:\n%s", value, body)
		}
	}
	if !strings.Contains(body, `"what_to_do": "Marketo does not take a value`) || !strings.Contains(body, `"code": "1004"`) {
		t.Errorf("what to do, or a code, is missing:\n%s", body)
	}
	if w := send(kinds["none"], [3]string{"GET", "/api/v1/parked?values=maybe", ""}, nil); w.Code != 400 {
		t.Errorf("values=maybe: got %d, want 400", w.Code)
	}
}

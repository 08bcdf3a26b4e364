package page_test

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// traced is a row on its way, of which something was refused before.
func traced() admin.Traced {
	committed := time.Now().Add(-2 * time.Second).UTC()
	entry := admin.Entry{ID: "aabbccddeeff", Mapping: "roadshow", Object: "roadshow_c", Key: "rid=42", Code: "1003", Message: "Value 'Attleborough' is too long", Operation: "UPSERT", Attempts: 2, First: committed, Last: committed}
	return admin.Traced{
		Mapping: "roadshow", Table: "public.roadshow_visits", Object: "roadshow_c", Key: "rid=42", Rows: 1, Matches: true,
		Queue:  []admin.Queued{{Mapping: "roadshow", Operation: "UPSERT", From: "stream", LSN: "16/4A0012F8", Committed: &committed, Since: committed, Waits: "waits for a full batch, or for max_wait"}},
		Parked: &entry, Through: &committed,
	}
}

// did waits until something was done.
func (s *stage) wantDone(t *testing.T, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got += s.done(); strings.Contains(got, want) {
			return
		}
	}
	t.Errorf("done: %q, want %q", got, want)
}

func TestPageWithoutALoginOnlyShows(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.parked = lot(21) })
	b := open(t, s.URL, 1280, 900)
	b.click("button[aria-label='Pause orders']")
	b.sees("dialog", "This page only shows", "http.token_file", "http.web_config")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.lacks("dialog", "This page")
	b.do(chromedp.Navigate(s.URL + "/#/parked"))
	b.click("[data-act=values]")
	b.sees("dialog", "This page only shows")
	for _, value := range []string{"Attleborough", "pat@example.com", "id=1"} {
		if strings.Contains(b.text("body"), value) {
			t.Errorf("%q is shown", value)
		}
	}
	if got := js[int](b, `fetch("/api/v1/pause", {method: "POST", headers: {"Content-Type": "application/json", "X-Cdcsync-Request": "x"}, body: "{}"}).then((r) => r.status)`, chromedp.EvalAwaitPromise); got != 403 {
		t.Errorf("a script that asks without the page: got %d, want 403", got)
	}
	if got := s.done(); got != "" {
		t.Errorf("done: %s", got)
	}
	b.quiet("403")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login = withToken })
	b := open(t, s.URL, 1280, 900)
	b.click("button[aria-label='Pause orders']")
	b.fill("dialog [name=token]", "wrong"+kb.Enter)
	b.sees("dialog", "this is not the token")
	b.fill("dialog [name=token]", token+kb.Enter)
	b.sees("dialog", "Pause orders?")
	b.fill("dialog [name=reason]", "campaign freeze"+kb.Enter)
	b.sees("#said", "Paused: orders.")
	s.wantDone(t, `pause {"mappings":["orders"],"reason":"campaign freeze"}`)
	if cookies := js[string](b, "document.cookie"); cookies != "" {
		t.Errorf("scripts can read the session: %q", cookies)
	}
	b.click("#session")
	b.sees("#session", "Log in")
	b.quiet("401")
}

// Behind a proxy, which sends the daemon's own address as the Host, the page has
// another origin than that.
func TestPageBehindAProxy(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login = withToken })
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(proxy.Close)
	b := open(t, proxy.URL, 1280, 900)
	t.Cleanup(proxy.CloseClientConnections)
	b.sees("main", "Everything committed by")
	b.login()
	b.click("button[aria-label='Pause orders']")
	b.sees("dialog", "Pause orders?")
	b.click("dialog button[type=submit]")
	s.wantDone(t, `pause {"mappings":["orders"]}`)
	s.say(func(status *snapshot.Status) { *status = status.Without(snapshot.Unresponsive, "it hangs") })
	b.sees("main", "It hangs")
	b.quiet()
}

func TestPauseResumeAndRelease(t *testing.T) {
	t.Parallel()
	status := ill()
	status.Report.Mappings[0].DeletesHeld = true
	s := newStage(t, status, func(s *stage) { s.login = admin.Login{Before: func() bool { return true }} })
	b := open(t, s.URL, 1280, 900)
	b.sees("#session", "Logged in")
	b.click("button[aria-label='Resume visits']")
	s.wantDone(t, `resume {"mappings":["visits"]}`)
	b.click("button[aria-label='Release roadshow']")
	b.sees("dialog", "Let roadshow delete?", "Marketo cannot bring them back")
	b.click("dialog .danger")
	s.wantDone(t, `release ["roadshow"]`)
	b.click("[data-act=pause][data-key=pause]")
	b.sees("dialog", "Pause all mappings?")
	b.click("dialog button[type=submit]")
	s.wantDone(t, `pause {}`)
	b.quiet()
}

func TestParkedObjects(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login, s.parked = withToken, lot(140) })
	b := open(t, s.URL+"/#/parked", 1280, 900)
	b.sees("main", "140 objects are parked", "Code 1004", "80 objects", "it is tried again by itself", "Who can: who keeps the rows.", "Code null_key")
	b.click("button[aria-label='Objects of roadshow']")
	b.sees(".inner", "UPSERT", "1 to 50 of 80")
	b.click("[data-act=more]")
	b.sees(".inner", "51 to 80 of 80")
	b.click("[data-act=back]")
	b.sees(".inner", "1 to 50 of 80")
	for _, value := range []string{"Attleborough", "pat@example.com", "id=1000"} {
		if strings.Contains(b.text("body"), value) {
			t.Errorf("%q is shown without asking", value)
		}
	}
	b.login()
	b.click("[data-act=values]")
	b.sees("main", "pat@example.com", "id=1000")
	b.click(".inner tbody tr:first-child [data-act=show]")
	b.sees("dialog", "roadshow_c id=1000", "Attleborough", "What was to be written")
	b.click("dialog button[value=no]")
	b.click(".inner tbody tr:first-child [data-act=retry]")
	b.sees("#said", "1 object queued again.")
	s.wantDone(t, `retry ["roadshow/0"]`)
	b.sees("main", "139 objects are parked")
	b.click("section[data-key='code-null_key'] button[aria-label='Discard those of orders']")
	b.sees("dialog", "Discard 20 objects?")
	b.click("dialog button[value=no]")
	if got := s.done(); strings.Contains(got, "discard") {
		t.Errorf("discarded although it was not wanted: %s", got)
	}
	b.click("section[data-key='code-null_key'] button[aria-label='Discard those of orders']")
	b.click("dialog .danger")
	b.sees("#said", "20 objects given up.")
	b.lacks("main", "null_key")
	b.do(chromedp.Navigate(s.URL + "/#/"))
	b.sees("main", "Mappings")
	b.do(chromedp.Navigate(s.URL + "/#/parked"))
	b.sees("main", "119 objects are parked")
	b.lacks("main", "pat@example.com")
	b.quiet()
}

func TestNothingParked(t *testing.T) {
	t.Parallel()
	b := open(t, newStage(t, well()).URL+"/#/parked", 1280, 900)
	b.sees("main", "Nothing is parked", "Marketo took every object")
	b.quiet()
}

func TestTrace(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login, s.traced = withToken, traced() })
	b := open(t, s.URL+"/#/trace", 1280, 900)
	b.fill("[name=key]", "42"+kb.Enter)
	s.wantDone(t, `trace ["roadshow","42"]`)
	b.sees(".traced", "roadshow_c rid=42", "On its way: it waits for a full batch", "there in public.roadshow_visits now", "16/4A0012F8", "1003; tried 2 times")
	if strings.Contains(b.text("main"), "Attleborough") {
		t.Error("Marketo's words are shown without asking")
	}
	b.login()
	b.click("[data-act=values]")
	b.sees(".traced", "Attleborough")
	b.click("[data-act=marketo]")
	b.sees(".traced", "has the object dff23271-f996", "the row has other values now: city")
	s.wantDone(t, `marketo {"mapping":"roadshow","key":"42"}`)
	s.mu.Lock()
	s.traced = admin.Traced{}
	s.mu.Unlock()
	b.fill("[name=key]", ",7"+kb.Enter)
	b.sees("[role=alert]", "give one value")
	if got := js[string](b, `document.querySelector("[name=key]").value`); got != "42,7" {
		t.Errorf("what was typed: got %q", got)
	}
	b.quiet("503")
}

func TestBackfills(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login, s.backfills = withToken, loads() })
	b := open(t, s.URL+"/#/backfills", 1280, 900)
	b.sees("tbody tr:first-child", "roadshow → roadshow_c", "running", "312,400 of about 1,000,000", "2,293", "2 h 16 min")
	b.sees("tbody", "Its table has no unique key", `state == "CA"`)
	b.login()
	b.click("button[aria-label='Pause the backfill of roadshow']")
	s.wantDone(t, `pause {"mappings":["roadshow"]}`)
	b.click("button[aria-label='Cancel the backfill of roadshow']")
	b.sees("dialog", "What is on its way arrives")
	b.click("dialog .danger")
	s.wantDone(t, `cancel {"mappings":["roadshow"]}`)
	b.click("button[aria-label='Retry the refused rows of visits']")
	b.sees("dialog", "Send the refused rows of visits once more?")
	b.click("dialog .main")
	s.wantDone(t, `retry {"mappings":["visits"]}`)
	b.fill("[name=keys]", "17\n42")
	b.click("[data-form=backfill] button")
	b.sees("dialog", "Send 2 rows of roadshow?", "sets off campaigns")
	b.click("dialog .main")
	s.wantDone(t, `start {"mappings":["roadshow"],"keys":["17","42"]}`)
	b.sees("#said", "roadshow: about 1,000,000 rows")
	s.mu.Lock()
	s.backfills[3].Rows = 400_000
	s.mu.Unlock()
	b.sees("tbody tr:first-child", "400,000 of about")
	b.quiet()
}

func TestNoBackfills(t *testing.T) {
	t.Parallel()
	b := open(t, newStage(t, well()).URL+"/#/backfills", 1280, 900)
	b.sees("main", "There were none yet.")
	b.quiet()
}

// An action that nobody answers any more is told, and nothing breaks.
func TestActionWhileTheDaemonIsGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, well(), func(s *stage) { s.login = admin.Login{Before: func() bool { return true }} })
	b := open(t, s.URL, 1280, 900)
	b.sees("#session", "Logged in")
	gone(t, s)
	b.click("button[aria-label='Pause orders']")
	b.click("dialog button[type=submit]")
	b.sees("#said", "The daemon does not answer.")
	b.do(chromedp.Evaluate[chromedp.Void](`location.hash = "#/parked"`))
	b.sees("main", "The daemon does not answer.")
	b.quiet("/api/v1/")
}

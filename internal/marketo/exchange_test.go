package marketo_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inProcess answers without a network.
func inProcess(h http.Handler, r *http.Request, after func()) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if r.Body != nil {
		_ = r.Body.Close()
	}
	after()
	return w.Result(), nil
}

// each runs a test against both clients. The token call is answered by itself.
func each(t *testing.T, h http.Handler, test func(t *testing.T, c marketo.Client)) {
	t.Helper()
	url := serve(t, withTokens(h))
	t.Run("soap", func(t *testing.T) { test(t, soapAt(t, url)) })
	t.Run("rest", func(t *testing.T) { test(t, restAt(t, url)) })
}

// Every fault of these tests is looked at for what it must never say.
func secretsIn(t *testing.T, f *marketo.Fault) {
	t.Helper()
	for _, canary := range []string{secret, userID, rowValue, "token-canary", "client-id-canary"} {
		if f != nil && strings.Contains(strings.ToLower(f.Error()), strings.ToLower(canary)) {
			t.Errorf("the fault repeats %q: %v", canary, f)
		}
	}
}

func TestHTTPStatuses(t *testing.T) {
	for _, tt := range []struct {
		status int
		class  marketo.FaultClass
		code   string
	}{
		{204, marketo.FaultUnknown, "http_204"},
		{301, marketo.FaultCredentials, "redirect"},
		{304, marketo.FaultCredentials, "redirect"},
		{400, marketo.FaultRefused, "http_400"},
		{401, marketo.FaultCredentials, "http_401"},
		{403, marketo.FaultCredentials, "http_403"},
		{404, marketo.FaultCredentials, "http_404"},
		{405, marketo.FaultCredentials, "http_405"},
		{407, marketo.FaultCredentials, "http_407"},
		{408, marketo.FaultUnknown, "http_408"},
		{410, marketo.FaultCredentials, "http_410"},
		{413, marketo.FaultTooLarge, "http_413"},
		{418, marketo.FaultCredentials, "http_418"},
		{429, marketo.FaultRate, "http_429"},
		{500, marketo.FaultUnknown, "http_500"},
		{502, marketo.FaultUnknown, "http_502"},
		{503, marketo.FaultUnknown, "http_503"},
		{504, marketo.FaultUnknown, "http_504"},
		{200, marketo.FaultUnknown, "reply"}, // a page
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			body := "<html>" + rowValue + secret
			if tt.status == 204 || tt.status == 304 {
				body = ""
			}
			each(t, &recorder{reply: respond(tt.status, "text/html", body)}, func(t *testing.T, c marketo.Client) {
				r := c.Sync(t.Context(), single())
				if r.Fault == nil || r.Fault.Class != tt.class || r.Fault.Code != tt.code || r.Results != nil {
					t.Fatalf("results %v, fault %v, want class %v, code %s", r.Results, r.Fault, tt.class, tt.code)
				}
				if r.Date.IsZero() {
					t.Errorf("no date, though the reply has one")
				}
				secretsIn(t, r.Fault)
			})
		})
	}
}

func TestSOAPGoneSaysWhatToDo(t *testing.T) {
	for _, status := range []int{404, 410} {
		rec := &recorder{reply: respond(status, "text/html", "")}
		f := soapAt(t, serve(t, rec)).Sync(t.Context(), single()).Fault
		if f == nil || !strings.Contains(f.Message, "2026-07-31") || !strings.Contains(f.Message, "REST") {
			t.Errorf("%d: %v, want it to say that the SOAP API is gone and REST is not", status, f)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                       0,
		"0":                      0,
		"7":                      7 * time.Second,
		"3600":                   time.Hour,
		"999999":                 time.Hour,
		"-1":                     0,
		"1.5":                    0,
		"soon":                   0,
		"9999999999999999999999": 0,
		date.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		date.Add(-time.Hour).Format(http.TimeFormat):       0,
		date.Add(99 * time.Hour).Format(http.TimeFormat):   time.Hour,
	} {
		t.Run(value, func(t *testing.T) {
			each(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", date.Format(http.TimeFormat))
				w.Header().Set("Retry-After", value)
				w.WriteHeader(503)
			}), func(t *testing.T, c marketo.Client) {
				if r := c.Sync(t.Context(), single()); r.Fault == nil || r.Fault.RetryAfter != want || !r.Date.Equal(date) {
					t.Errorf("fault %v after %v, date %v, want %v, %v", r.Fault, r.Fault.RetryAfter, r.Date, want, date)
				}
			})
		})
	}
}

// No redirect is followed, and the host it points to gets not one byte.
func TestRedirects(t *testing.T) {
	var touched atomic.Int32
	evil, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer evil.Close()
	go func() { // ends when the listener is closed
		for {
			c, err := evil.Accept()
			if err != nil {
				return
			}
			touched.Add(1)
			_ = c.Close()
		}
	}()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "http://user:"+secret+"@"+evil.Addr().String()+"/path?"+secret)
				w.WriteHeader(status)
			})
			each(t, h, func(t *testing.T, c marketo.Client) {
				f := c.Sync(t.Context(), single()).Fault
				if f == nil || f.Class != marketo.FaultCredentials || f.Code != "redirect" || !strings.Contains(f.Message, evil.Addr().String()) {
					t.Errorf("fault %v, want a redirect that names the other host", f)
				}
				secretsIn(t, f)
			})
		})
	}
	if n := touched.Load(); n != 0 {
		t.Errorf("the redirect's target was called %d times", n)
	}
}

// broken is a server that takes one request, writes what it is told to and
// closes the connection.
func brokenServer(t *testing.T, answer func(n int, c net.Conn, r *http.Request)) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for r, err := http.ReadRequest(in); err == nil; r, err = http.ReadRequest(in) {
				_, _ = io.Copy(io.Discard, r.Body)
				answer(int(requests.Add(1)), c, r)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String(), requests
}

// A connection that dies after the request leaves the outcome unknown, and the
// request is never repeated behind our back: not on a fresh connection, and
// not on one that was kept alive.
func TestConnectionDiesAfterRequest(t *testing.T) {
	for _, survive := range []int{0, 1, 3} {
		t.Run(fmt.Sprintf("after %d good calls", survive), func(t *testing.T) {
			url, requests := brokenServer(t, func(n int, c net.Conn, r *http.Request) {
				if n <= survive {
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(listReply), listReply)
					return
				}
				_ = c.Close()
			})
			c := soapAt(t, url)
			for range survive {
				if err := c.Login(t.Context()); err != nil {
					t.Fatalf("Login: %v", err)
				}
			}
			f := c.Sync(t.Context(), single()).Fault
			if f == nil || f.Class != marketo.FaultUnknown || f.Code != "connection" {
				t.Errorf("fault %v, want class unknown, code connection", f)
			}
			if got := requests.Load(); got != int32(survive+1) {
				t.Errorf("%d requests arrived, want %d", got, survive+1)
			}
		})
	}
}

// A reply that is cut in the middle, in any of the ways HTTP has, leaves the
// outcome unknown.
func TestReplyCut(t *testing.T) {
	whole := listReply
	for name, head := range map[string]string{
		"content length": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(whole)),
		"chunked":        fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(whole)),
		"until the end":  "HTTP/1.0 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for cut := 0; cut < len(whole); cut += 29 {
				url, _ := brokenServer(t, func(_ int, c net.Conn, _ *http.Request) {
					_, _ = io.WriteString(c, head+whole[:cut])
					_ = c.Close()
				})
				f := soapAt(t, url).Sync(t.Context(), single()).Fault
				if f == nil || f.Class != marketo.FaultUnknown {
					t.Fatalf("cut after %d bytes: fault %v, want class unknown", cut, f)
				}
			}
		})
	}
}

// What never left us was not executed.
func TestNothingWritten(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	for name, c := range map[string]marketo.Client{"soap": soapAt(t, url), "rest": restAt(t, url)} {
		f := c.Sync(t.Context(), single()).Fault
		if f == nil || f.Class != marketo.FaultRetry || f.Code != "connection" || !strings.Contains(f.Message, "refused") {
			t.Errorf("%s: fault %v, want class retry, code connection", name, f)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := soapAt(t, url).Sync(ctx, single()).Fault; f == nil || f.Class != marketo.FaultRetry {
		t.Errorf("with a context that is over: fault %v, want class retry", f)
	}
}

// A certificate that nobody vouches for stops the call before its body.
func TestUntrustedCertificate(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	s := httptest.NewUnstartedServer(rec)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	for name, c := range map[string]marketo.Client{"soap": soapAt(t, s.URL), "rest": restAt(t, s.URL)} {
		f := c.Sync(t.Context(), single()).Fault
		if f == nil || f.Class != marketo.FaultCredentials || f.Code != "tls" {
			t.Errorf("%s: fault %v, want class credentials, code tls", name, f)
		}
	}
	if rec.calls() != 0 {
		t.Errorf("%d requests arrived, want none", rec.calls())
	}
}

// The timeout holds for the whole call: no answer, and one that drips.
func TestTimeout(t *testing.T) {
	stop := make(chan struct{})
	wait := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-r.Context().Done():
				return
			case <-tick.C:
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{"silence": wait, "drip": drip} {
		t.Run(name, func(t *testing.T) {
			c, err := soap.New(soap.Config{Endpoint: serve(t, readFirst(h)), User: userID, Secret: literally(secret), Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			f := c.Sync(t.Context(), single()).Fault
			if f == nil || f.Class != marketo.FaultUnknown || f.Code != "timeout" {
				t.Errorf("fault %v, want class unknown, code timeout", f)
			}
		})
	}
	close(stop)
}

func readFirst(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h(w, r)
	}
}

// A call that is given up after its body has left may have been executed.
func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := serve(t, readFirst(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	if f := soapAt(t, url).Sync(ctx, single()).Fault; f == nil || f.Class != marketo.FaultUnknown {
		t.Errorf("fault %v, want class unknown", f)
	}
}

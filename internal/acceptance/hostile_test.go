package acceptance_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// hostile stands before the simulator. While it has an answer of its own, a
// call is executed all the same, but its reply is replaced.
type hostile struct {
	sim    *simulator.Simulator
	answer atomic.Pointer[answerWith]
}

// answerWith writes an answer; genuine is the one it replaces.
type answerWith func(w http.ResponseWriter, genuine *httptest.ResponseRecorder)

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := h.answer.Load()
	if answer == nil || strings.HasPrefix(r.URL.Path, "/identity/") {
		h.sim.ServeHTTP(w, r)
		return
	}
	genuine := httptest.NewRecorder()
	h.sim.ServeHTTP(genuine, r)
	(*answer)(w, genuine)
}

// body answers with status 200, the genuine content type and a body made from
// the genuine one.
func body(change func(genuine string) string) answerWith {
	return func(w http.ResponseWriter, genuine *httptest.ResponseRecorder) {
		w.Header().Set("Content-Type", genuine.Header().Get("Content-Type"))
		_, _ = w.Write([]byte(change(genuine.Body.String()))) // the program may leave
	}
}

// bomb answers with a small body that unpacks to a large one: the genuine
// reply, and behind it or in it more white space than anybody needs.
func bomb(w http.ResponseWriter, genuine *httptest.ResponseRecorder) {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level exists
	_, _ = z.Write(genuine.Body.Bytes())                 // to memory
	space := bytes.Repeat([]byte(" "), 1<<20)
	for range 200 {
		_, _ = z.Write(space)
	}
	_ = z.Close()
	w.Header().Set("Content-Type", genuine.Header().Get("Content-Type"))
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed.Bytes()) // the program may leave
}

func redirect(status int, target string) answerWith {
	return func(w http.ResponseWriter, _ *httptest.ResponseRecorder) {
		w.Header().Set("Location", target)
		w.WriteHeader(status)
	}
}

// deep nests an element, or an array, a million times into a reply.
func deep(api string) answerWith {
	const levels = 1_000_000
	return body(func(genuine string) string {
		if api == "soap" {
			nest := strings.Repeat("<a>", levels) + strings.Repeat("</a>", levels)
			return strings.Replace(genuine, "<result>", "<result>"+nest, 1)
		}
		return strings.Replace(genuine, "{", `{"a":`+strings.Repeat("[", levels)+strings.Repeat("]", levels)+",", 1)
	})
}

// TestHostileReplies answers calls with what no instance of Marketo says. The
// calls are executed, but none of the replies may confirm an object, take the
// program's memory, or be followed anywhere; and with the first genuine one
// the program goes on.
func TestHostileReplies(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(func() {
		elsewhere.Close()
		if n := strayed.Load(); n != 0 {
			t.Errorf("%d requests followed a redirect, want none", n)
		}
	})
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newItems(t, server, api, 1, simulator.Options{RecordHistory: true})
		h := &hostile{sim: w.sim}
		web := httptest.NewServer(h)
		t.Cleanup(web.Close)
		w.config.endpoint = web.URL
		w.config.maxWait, w.config.timeout, w.config.hold = 10*time.Millisecond, time.Second, time.Second
		w.program = static
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		for _, bad := range []struct {
			name   string
			answer answerWith
		}{
			{"nothing", body(func(string) string { return "" })},
			{"page", body(func(string) string {
				return "<!DOCTYPE html><html><body>maintenance</body></html>"
			})},
			{"twice", body(func(genuine string) string { return genuine + genuine })},
			{"trailing bytes", body(func(genuine string) string { return genuine + "x" })},
			{"not UTF-8", body(func(genuine string) string { return strings.Replace(genuine, "UPDATED", "UPD\xffATED", 1) + "\xff" })},
			{"deep", deep(api)},
			{"huge", body(func(genuine string) string { return genuine + strings.Repeat(" ", 8<<20) })},
			{"bomb", bomb},
			{"server error with statuses", func(w http.ResponseWriter, genuine *httptest.ResponseRecorder) {
				w.Header().Set("Content-Type", genuine.Header().Get("Content-Type"))
				w.WriteHeader(http.StatusBadGateway)
				_, _ = w.Write(genuine.Body.Bytes()) // the program may leave
			}},
			{"redirect 302", redirect(http.StatusFound, elsewhere.URL+"/x")},
			{"redirect 307", redirect(http.StatusTemporaryRedirect, elsewhere.URL+"/x")},
			{"redirect 308", redirect(http.StatusPermanentRedirect, elsewhere.URL+"/x")},
		} {
			before, applied := w.metrics(), len(w.writes())
			h.answer.Store(&bad.answer)
			w.exec(`UPDATE items SET version = version + 1`)
			seen := w.awaitMetric(bad.name+": faults", evidence.Metrics.Faults, before.Faults()+1)
			h.answer.Store(nil)
			if seen.Confirmations() != before.Confirmations() {
				t.Errorf("%s: the reply confirmed an object", bad.name)
			}
			await(t, time.Minute, func() (bool, string) {
				return len(w.writes()) > applied, bad.name + ": no call was executed; the test proves nothing"
			})
			w.awaitMetric(bad.name+": confirmations", evidence.Metrics.Confirmations, before.Confirmations()+1)
		}
		w.settle(p)
		w.balance()
		w.checkMemory(p)
		if text := p.output.String(); strings.Contains(text, "maintenance") {
			t.Error("the program logged the body of a reply")
		}
		p.stop(t)
		w.itemsAgree()
		w.neverBack()
		if got, want := w.sim.Objects("Item")["1"]["version"], w.value(`SELECT version FROM items`); got != want {
			t.Errorf("version %s arrived, want %s", got, want)
		}
	})
}

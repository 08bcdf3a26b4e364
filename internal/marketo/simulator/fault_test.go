package simulator_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

func (in *instance) fail(rules ...simulator.Rule) {
	in.t.Helper()
	if err := in.Fail(rules...); err != nil {
		in.t.Fatal(err)
	}
}

// try sends one object and returns what the client saw; err is the transport's.
func (in *instance) try(object string) (response *http.Response, body string, err error) {
	in.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequest("POST", in.server.URL+"/soap/mktows/2_3", strings.NewReader(envelope(syncCall("UPSERT", object))))
	if err != nil {
		in.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("SOAPAction", syncAction)
	if response, err = client.Do(r); err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response, string(data), err
}

func TestFaultActions(t *testing.T) {
	tests := []struct {
		name   string
		rule   simulator.Rule
		status int    // 0: the connection breaks before an answer
		body   string // what must be in the body
		broken bool   // the body ends early
		stored int
	}{
		{"fault code", simulator.Rule{Code: "20011", Message: "Internal error"}, 500, "<code>20011</code>", false, 0},
		{"fault code but executed", simulator.Rule{Code: "10001", Apply: simulator.ApplyEnd}, 500, "<code>10001</code>", false, 1},
		{"never", simulator.Rule{Apply: simulator.ApplyNever}, 500, "<code>20011</code>", false, 0},
		{"status", simulator.Rule{Status: 503}, 503, "<html>", false, 0},
		{"status but executed", simulator.Rule{Status: 504, Apply: simulator.ApplyStart}, 504, "<html>", false, 1},
		{"status and body", simulator.Rule{Status: 200, Body: "hello"}, 200, "hello", false, 0},
		{"redirect", simulator.Rule{Status: 307, Location: "http://127.0.0.1:1/"}, 307, "", false, 0},
		{"drop before", simulator.Rule{Drop: simulator.DropBefore}, 0, "", false, 0},
		{"drop after", simulator.Rule{Drop: simulator.DropAfter}, 0, "", false, 1},
		{"cut", simulator.Rule{Cut: 100}, 200, "<?xml", true, 1},
		{"drip", simulator.Rule{Drip: time.Microsecond}, 200, "</SOAP-ENV:Envelope>", false, 1},
		{"latency", simulator.Rule{Latency: time.Millisecond}, 200, "CREATED", false, 1},
		{"hang", simulator.Rule{Hang: time.Millisecond}, 200, "CREATED", false, 1},
		{"html", simulator.Rule{Reply: simulator.SpoilHTML}, 200, "Maintenance", false, 1},
		{"empty", simulator.Rule{Reply: simulator.SpoilEmpty}, 200, "", false, 1},
		{"malformed", simulator.Rule{Reply: simulator.SpoilMalformed}, 200, "<?xml", false, 1},
		{"both", simulator.Rule{Reply: simulator.SpoilBoth}, 200, "</ns1:successSyncCustomObjects><SOAP-ENV:Fault>", false, 1},
		{"unknown status", simulator.Rule{Reply: simulator.SpoilUnknown}, 200, "<status>PENDING</status>", false, 1},
		{"foreign status", simulator.Rule{Reply: simulator.SpoilForeign}, 200, "<attrValue>1-foreign</attrValue>", false, 1},
		{"missing status", simulator.Rule{Reply: simulator.SpoilMissing}, 200, "<syncCustomObjStatusList></syncCustomObjStatusList>", false, 1},
		{"doubled status", simulator.Rule{Reply: simulator.SpoilDoubled}, 200, "</syncCustomObjStatus><syncCustomObjStatus>", false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			test.rule.Name = "r"
			in.fail(test.rule)
			response, body, err := in.try(customObj("1"))
			switch {
			case test.status == 0 && err == nil:
				t.Fatalf("an answer %d, want a broken connection", response.StatusCode)
			case test.status == 0:
			case response == nil:
				t.Fatal(err)
			case response.StatusCode != test.status || !strings.Contains(body, test.body) || (err != nil) != test.broken:
				t.Errorf("status %d, err %v, want %d and %q in %q", response.StatusCode, err, test.status, test.body, body)
			}
			if test.rule.Cut > 0 && len(body) != test.rule.Cut {
				t.Errorf("%d bytes, want %d", len(body), test.rule.Cut)
			}
			if test.rule.Location != "" && response.Header.Get("Location") != test.rule.Location {
				t.Errorf("Location %q", response.Header.Get("Location"))
			}
			if got := in.Count("RoadShow"); got != test.stored {
				t.Errorf("Count() = %d, want %d", got, test.stored)
			}
			if calls := in.Calls(); len(calls) != 1 || calls[0].Rule != "r" || calls[0].HTTPStatus != test.status || calls[0].Applied.IsZero() != (test.stored == 0) {
				t.Errorf("Calls() = %+v", calls)
			}
			in.Heal()
			if answer := in.soap("UPSERT", customObj("2")); answer.statuses() != "CREATED" {
				t.Errorf("after Heal: %s", answer.body)
			}
		})
	}
}

func TestFaultRetryAfter(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	in.fail(simulator.Rule{Status: 429, RetryAfter: 7})
	response, _, err := in.try(customObj("1"))
	if err != nil || response.Header.Get("Retry-After") != "7" {
		t.Errorf("answer %v, err %v, want Retry-After 7", response, err)
	}
}

func TestFaultRepliesREST(t *testing.T) {
	tests := []struct {
		rule simulator.Rule
		want string
	}{
		{simulator.Rule{Code: "611", Message: "System error"}, `"errors":[{"code":"611","message":"System error"}]`},
		{simulator.Rule{Apply: simulator.ApplyNever}, `"success":false,"errors":[{"code":"611"`},
		{simulator.Rule{Reply: simulator.SpoilForeign}, `{"seq":1000,`},
		{simulator.Rule{Reply: simulator.SpoilReversed}, `[{"seq":1,`},
		{simulator.Rule{Reply: simulator.SpoilMissing}, `[{"seq":1,`},
		{simulator.Rule{Reply: simulator.SpoilUnknown}, `{"seq":0,"status":"pending"`},
		{simulator.Rule{Reply: simulator.SpoilBoth}, `"success":true,"errors":[`},
	}
	for _, test := range tests {
		in := start(t, simulator.Options{Types: roadShow})
		test.rule.API, test.rule.Operation = "rest", "sync"
		in.fail(test.rule)
		if answer := in.restSync("createOrUpdate", `{"rid":1}`, `{"rid":2}`); !strings.Contains(answer.body, test.want) {
			t.Errorf("rule %+v: %s, want %s in it", test.rule, answer.body, test.want)
		}
	}
}

func TestFaultMatching(t *testing.T) {
	tests := []struct {
		name string
		rule simulator.Rule
		want string // of six calls: x where the rule acted
	}{
		{"every call", simulator.Rule{}, "xxxxxx"},
		{"other api", simulator.Rule{API: "rest"}, "......"},
		{"other operation", simulator.Rule{Operation: "delete"}, "......"},
		{"type in another case", simulator.Rule{Type: "ROADSHOW"}, "xxxxxx"},
		{"other type", simulator.Rule{Type: "Other"}, "......"},
		{"after", simulator.Rule{After: 4}, "....xx"},
		{"times", simulator.Rule{Times: 2}, "xx...."},
		{"after and times", simulator.Rule{After: 2, Times: 1}, "..x..."},
		{"every third", simulator.Rule{Every: 3}, "x..x.."},
		{"every second after one", simulator.Rule{After: 1, Every: 2}, ".x.x.x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			test.rule.Code = "20011"
			in.fail(test.rule)
			got := ""
			for range 6 {
				if in.soap("UPSERT", customObj("1")).Code == "20011" {
					got += "x"
				} else {
					got += "."
				}
			}
			if got != test.want {
				t.Errorf("calls %s, want %s", got, test.want)
			}
		})
	}
}

// A seed makes probabilities repeatable; rules are a queue.
func TestFaultProbabilityAndOrder(t *testing.T) {
	run := func(seed uint64) string {
		in := start(t, simulator.Options{Types: roadShow, Seed: seed})
		in.fail(simulator.Rule{Code: "20011", Times: 1}, simulator.Rule{Code: "20024", Times: 1}, simulator.Rule{Code: "10001", Probability: 0.5})
		got := ""
		for range 40 {
			got += in.soap("UPSERT", customObj("1")).Code + " "
		}
		return got
	}
	one, again, other := run(1), run(1), run(2)
	if one != again || one == other {
		t.Errorf("seed 1: %s and %s; seed 2: %s", one, again, other)
	}
	if !strings.HasPrefix(one, "20011 20024 ") || strings.Count(one, "10001") < 8 || strings.Count(one, "10001") > 30 {
		t.Errorf("calls %s", one)
	}
}

func TestFaultObjects(t *testing.T) {
	tests := []struct {
		name   string
		fault  simulator.ObjectFault
		soap   string
		rest   string
		stored int
	}{
		{"key", simulator.ObjectFault{Key: "2", Code: "1004", Message: "Lead not found"}, "CREATED FAILED CREATED", "created skipped:1004 created", 2},
		{"modulus", simulator.ObjectFault{Modulus: 2, Remainder: 1}, "FAILED CREATED FAILED", "skipped:1003 created skipped:1003", 1},
		{"fields", simulator.ObjectFault{Fields: map[string]string{"city": "x"}}, "FAILED CREATED CREATED", "skipped:1003 created created", 2},
		{"unknown field", simulator.ObjectFault{Fields: map[string]string{"nope": "x"}}, "CREATED CREATED CREATED", "created created created", 3},
		{"all", simulator.ObjectFault{}, "FAILED FAILED FAILED", "skipped:1003 skipped:1003 skipped:1003", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			in.fail(simulator.Rule{Objects: &test.fault})
			answer := in.soap("UPSERT", customObj("1", "city", "x"), customObj("2"), customObj("3"))
			if got := answer.statuses(); got != test.soap || test.fault.Message != "" && answer.Sync[1].Error != test.fault.Message {
				t.Errorf("SOAP: %q, want %q: %s", got, test.soap, answer.body)
			}
			if got := in.Count("RoadShow"); got != test.stored {
				t.Errorf("Count() = %d, want %d", got, test.stored)
			}
			in = start(t, simulator.Options{Types: roadShow})
			in.fail(simulator.Rule{Objects: &test.fault})
			if got := in.restSync("createOrUpdate", `{"rid":1,"city":"x"}`, `{"rid":2}`, `{"rid":3}`).outcomes(); got != test.rest {
				t.Errorf("REST: %q, want %q", got, test.rest)
			}
		})
	}
}

func TestRuleChecks(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	for _, rule := range []simulator.Rule{
		{API: "soup"}, {Operation: "upsert"}, {Drop: "now"}, {Apply: "later"}, {Reply: "odd"}, {Status: 99},
		{After: -1}, {Hang: -2}, {Probability: 1.5}, {Objects: &simulator.ObjectFault{Probability: -1}}, {Objects: &simulator.ObjectFault{Modulus: -1}},
	} {
		if err := sim.Fail(rule); err == nil {
			t.Errorf("Fail(%+v) = nil, want an error", rule)
		}
	}
}

func TestRuleJSON(t *testing.T) {
	rules := []simulator.Rule{
		{Name: "a", API: "soap", Code: "20011", Hang: simulator.HangForever, Latency: 1500 * time.Millisecond},
		{Objects: &simulator.ObjectFault{Modulus: 3, Fields: map[string]string{"a": "b"}}},
	}
	data, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	var again []simulator.Rule
	if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(rules, again) {
		t.Errorf("%s became %+v, err %v", data, again, err)
	}
	for _, bad := range []string{`{"hang":5}`, `{"hang":"x"}`, `{"unknown":1}`, `{"reply":"odd"}`, `[]`} {
		var rule simulator.Rule
		if err := json.Unmarshal([]byte(bad), &rule); err == nil {
			t.Errorf("Unmarshal(%s) = nil, want an error", bad)
		}
	}
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A request that was received whole is executed, although its client left: the
// old value arrives after a newer one.
func TestLateApplication(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, RecordHistory: true, RecordKeys: true})
	in.fail(simulator.Rule{Hang: simulator.HangForever, Times: 1})
	client := http.Client{Timeout: 50 * time.Millisecond}
	r, err := http.NewRequest("POST", in.server.URL+"/soap/mktows/2_3", strings.NewReader(envelope(syncCall("UPSERT", customObj("1", "city", "old")))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("SOAPAction", syncAction)
	var timeout net.Error
	if _, err := client.Do(r); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("err %v, want a timeout", err)
	}
	if got := in.soap("UPSERT", customObj("1", "city", "new")).statuses(); got != "CREATED" {
		t.Fatalf("the newer value: %q", got)
	}
	if calls := in.Calls(); len(calls) != 2 || !calls[0].End.IsZero() || in.Stats().Running != 1 {
		t.Fatalf("Calls() = %+v, want the first still running", calls)
	}
	in.Release()
	waitFor(t, "the late value", func() bool { return in.Objects("RoadShow")["1"]["city"] == "old" })
	waitFor(t, "the end of the call", func() bool { return in.Stats().Running == 0 })
	call := in.Calls()[0]
	if !call.ClientGone || !reflect.DeepEqual(call.Keys, []string{"1"}) || !reflect.DeepEqual(call.Results, []string{"UPDATED"}) {
		t.Errorf("call %+v", call)
	}
	if history := in.History("RoadShow", "1"); len(history) != 2 || history[0].Call != 2 || history[1].Call != 1 {
		t.Errorf("History() = %+v", history)
	}
}

// A request that did not arrive whole is not executed.
func TestHalfRequest(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	conn, err := net.Dial("tcp", in.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	message := envelope(syncCall("UPSERT", customObj("1")))
	if _, err := io.WriteString(conn, "POST /soap/mktows/2_3 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nSOAPAction: "+syncAction+"\r\nContent-Length: 9999\r\n\r\n"+message); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	waitFor(t, "the call", func() bool { return in.Stats().ClientsGone == 1 })
	if got := in.Count("RoadShow"); got != 0 {
		t.Errorf("Count() = %d, want 0", got)
	}
}

// Close lets what hangs go without executing it.
func TestClose(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	in.fail(simulator.Rule{Hang: time.Hour})
	done := make(chan error)
	go func() {
		_, _, err := in.try(customObj("1"))
		done <- err
	}()
	waitFor(t, "the hanging call", func() bool { return in.Stats().Running == 1 })
	in.Close()
	if err := <-done; err == nil {
		t.Error("an answer, want a broken connection")
	}
	if got := in.Count("RoadShow"); got != 0 {
		t.Errorf("Count() = %d, want 0", got)
	}
}

// The effect comes after the latency, or before it where asked.
func TestLatency(t *testing.T) {
	for name, atStart := range map[string]bool{"at the end": false, "at the start": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := simulator.New(simulator.Options{
					Types: roadShow, ApplyAtStart: atStart,
					Latency: simulator.Latency{Fixed: time.Second, Jitter: 0.5, Tail: 0.1, Stretch: 10},
				})
				slow, fast := 0, 0
				for i := range 50 {
					r := httptest.NewRequest("POST", "/soap/mktows/2_3", strings.NewReader(envelope(syncCall("UPSERT", customObj(string(rune('1'+i)))))))
					r.Header.Set("Content-Type", "text/xml")
					r.Header.Set("SOAPAction", syncAction)
					w := httptest.NewRecorder()
					sim.ServeHTTP(w, r)
				}
				for _, call := range sim.Calls() {
					took := call.End.Sub(call.Start)
					applied := call.Applied.Sub(call.Start)
					if call.Statuses["CREATED"] == 1 && (applied == 0) != atStart {
						t.Errorf("applied after %v of %v", applied, took)
					}
					switch {
					case took >= 500*time.Millisecond && took <= 1500*time.Millisecond:
						fast++
					case took >= 5*time.Second && took <= 15*time.Second:
						slow++
					default:
						t.Errorf("call took %v", took)
					}
				}
				if slow == 0 || slow > 15 || slow+fast != 50 {
					t.Errorf("%d slow calls and %d fast ones", slow, fast)
				}
			})
		})
	}
}

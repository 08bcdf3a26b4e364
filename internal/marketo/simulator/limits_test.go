package simulator_test

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// call makes one SOAP call without a network and returns its fault code. It
// works inside of a bubble.
func call(sim *simulator.Simulator) string {
	r := httptest.NewRequest("POST", "/soap/mktows/2_3", strings.NewReader(envelope(syncCall("UPSERT", customObj("1")))))
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("SOAPAction", syncAction)
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	return between(w.Body.String(), "<code>", "</code>")
}

// The window slides: a call is free 20 seconds after the one it replaces.
func TestLimitWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Options{Types: roadShow, Limits: simulator.MarketoLimits()})
		for i := range 100 {
			if code := call(sim); code != "" {
				t.Fatalf("call %d: fault %s", i, code)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := sim.Stats().Violations; len(got) != 0 {
			t.Fatalf("Violations = %v, want none", got)
		}
		if code := call(sim); code != "20023" {
			t.Errorf("call 101: fault %q, want 20023", code)
		}
		time.Sleep(10*time.Second + 100*time.Millisecond) // two calls have left, one is the refused one's
		if code := call(sim); code != "" {
			t.Errorf("20 s after the first call: fault %q", code)
		}
		if code := call(sim); code != "20023" {
			t.Errorf("and one more: fault %q, want 20023", code)
		}
		stats := sim.Stats()
		if stats.Violations[simulator.ViolationRate] != 2 || stats.Faults["20023"] != 2 || stats.MostInWindow != 101 {
			t.Errorf("stats %+v", stats)
		}
	})
}

// Two calls that create one key at the same time make two objects.
func TestDoubledCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Options{Types: roadShow, Latency: simulator.Latency{Fixed: time.Second}})
		var calls sync.WaitGroup
		calls.Go(func() { call(sim) })
		time.Sleep(500 * time.Millisecond)
		call(sim)
		calls.Wait()
		keys := sim.Doubled("RoadShow")
		if len(keys) != 1 || !reflect.DeepEqual(sim.Stats().Violations, map[string]int{simulator.ViolationDoubled: 1}) {
			t.Errorf("doubled %v, violations %v, want one", keys, sim.Stats().Violations)
		}
		call(sim)
		call(sim)
		if n := sim.Stats().Violations[simulator.ViolationDoubled]; n != 1 {
			t.Errorf("%d violations after calls one by one, want still one", n)
		}
	})
}

func TestLimitConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Options{Types: roadShow, Limits: simulator.Limits{Concurrent: 3}, Latency: simulator.Latency{Fixed: time.Second}})
		call(sim) // so that none of the others makes the object
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				if code := call(sim); code != "" {
					t.Errorf("fault %s", code)
				}
			})
		}
		synctest.Wait()
		if code := call(sim); code != "20024" {
			t.Errorf("fourth call: fault %q, want 20024", code)
		}
		calls.Wait()
		if code := call(sim); code != "" {
			t.Errorf("after the others: fault %q", code)
		}
		if stats := sim.Stats(); stats.MostConcurrent != 4 || !reflect.DeepEqual(stats.Violations, map[string]int{simulator.ViolationConcurrency: 1}) {
			t.Errorf("stats %+v", stats)
		}
	})
}

// The day ends at midnight in Chicago. Bubbles begin at midnight UTC on
// 2000-01-01, which is 18:00 there.
func TestLimitQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Options{Types: roadShow, Limits: simulator.Limits{SOAPDaily: 2}})
		codes := []string{call(sim), call(sim), call(sim)}
		time.Sleep(6*time.Hour - time.Second)
		codes = append(codes, call(sim))
		time.Sleep(time.Second)
		codes = append(codes, call(sim))
		if want := []string{"", "", "20015", "20015", ""}; !reflect.DeepEqual(codes, want) {
			t.Errorf("faults %q, want %q", codes, want)
		}
		if stats := sim.Stats(); stats.SOAPToday != 1 || stats.Violations[simulator.ViolationQuota] != 2 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestLimitsREST(t *testing.T) {
	tests := []struct {
		limits simulator.Limits
		code   string
	}{
		{simulator.Limits{Calls: 1}, "606"},
		{simulator.Limits{RESTDaily: 1}, "607"},
		{simulator.Limits{SOAPDaily: 1}, ""},
		{simulator.Limits{}, ""},
	}
	for _, test := range tests {
		in := start(t, simulator.Options{Types: roadShow, Limits: test.limits})
		in.token() // not counted
		if got := in.restSync("createOrUpdate", `{"rid":1}`).code(); got != "" {
			t.Errorf("limits %+v: first call %q", test.limits, got)
		}
		if got := in.restSync("createOrUpdate", `{"rid":2}`).code(); got != test.code {
			t.Errorf("limits %+v: second call %q, want %q", test.limits, got, test.code)
		}
		in.SetLimits(simulator.Limits{})
		if got := in.restSync("createOrUpdate", `{"rid":2}`).code(); got != "" {
			t.Errorf("limits lifted: %q", got)
		}
	}
	in := start(t, simulator.Options{Types: roadShow, Limits: simulator.Limits{Concurrent: 1}})
	in.fail(simulator.Rule{Operation: "sync", Hang: simulator.HangForever, Times: 1})
	done := make(chan string)
	go func() { done <- in.restSync("createOrUpdate", `{"rid":1}`).outcomes() }()
	waitFor(t, "the first call", func() bool {
		calls := in.Calls()
		return len(calls) == 2 && calls[1].Rule != ""
	})
	if got := in.restSync("createOrUpdate", `{"rid":2}`).code(); got != "615" {
		t.Errorf("beside another: code %q, want 615", got)
	}
	in.Release()
	if got := <-done; got != "created" {
		t.Errorf("the first call: %q", got)
	}
}

package acceptance_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// awaitWord waits for a state, and returns the whole status.
func (w *world) awaitWord(state string) (reason string) {
	w.t.Helper()
	var body string
	await(w.t, time.Minute, func() (bool, string) {
		_, body = w.get("/api/v1/status")
		return strings.Contains(body, fmt.Sprintf(`"state": %q`, state)) || strings.Contains(body, fmt.Sprintf(`"state":%q`, state)), "state is not " + state + ": " + body
	})
	return body
}

func (w *world) failing(rules ...simulator.Rule) {
	w.t.Helper()
	if err := w.sim.Fail(rules...); err != nil {
		w.t.Fatal(err)
	}
}

// TestManyRefusalsBesideConfirmations has Marketo refuse a tenth (REST) or a
// fifth (SOAP) of every call: nothing is blocked, and everything else arrives.
func TestManyRefusalsBesideConfirmations(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		every := map[string]int64{"rest": 10, "soap": 5}[api]
		w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: every}})
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, 3000) i`)
		w.settle(p)
		w.awaitParked(3000 / int(every))
		if status, body := w.get("/readyz"); status != http.StatusOK || strings.Contains(p.output.String(), "blocked") {
			t.Errorf("readyz: %d %s", status, body)
		}
	})
}

// TestBlockedMappingIsProbedAtOnce blocks a mapping, fixes the cause, and
// retries: it goes on without waiting for the next probe.
func TestBlockedMappingIsProbedAtOnce(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Message: "unknown attribute pad"}})
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, 5000) i`)
		if reason := w.awaitWord("mapping_blocked"); !strings.Contains(reason, "parked retry") {
			t.Errorf("the status does not say how to go on: %s", reason)
		}
		time.Sleep(16 * time.Second) // two probes have been refused, the next one is nearly 20 s away
		parked := w.parkedNow("--limit", "0").Total
		if most := 13 * map[string]int{"rest": 300, "soap": 100}[api]; parked > most {
			t.Errorf("%d objects are parked, want at most %d: what probes refuse goes back", parked, most)
		}
		w.sim.Heal()
		if output, code := w.command("parked", "retry", "--all"); code != 0 {
			t.Fatalf("parked retry: %d %s", code, output)
		}
		began := time.Now()
		w.settle(p)
		w.awaitParked(0)
		if took := time.Since(began); took > 15*time.Second || w.sim.Count("Item") != 5000 {
			t.Errorf("%d of 5,000 objects after %s", w.sim.Count("Item"), took)
		}
	})
}

// TestQuotaOfMarketo has Marketo say that the quota is used up. One call asks
// after a restart, and one when an operator says so.
func TestQuotaOfMarketo(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.failing(simulator.Rule{Operation: "sync", Code: map[string]string{"rest": "607", "soap": "20015"}[api]})
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, 6000) i`)
		reason := w.awaitWord("quota_used")
		if !strings.Contains(reason, "cdcsync release") {
			t.Errorf("the status does not tell: %s", reason)
		}
		p.awaitLog(t, "used up")
		p.stop(t)
		before := len(w.sim.Calls())
		asked := func() int {
			n := 0
			for _, c := range w.sim.Calls()[before:] {
				if c.Operation == "sync" {
					n++
				}
			}
			return n
		}
		p = w.launch() // it may never be seen ready
		w.awaitWord("quota_used")
		time.Sleep(time.Second)
		if n := asked(); n != 1 {
			t.Errorf("%d calls after a restart, want one that asks", n)
		}
		w.sim.Heal()
		if output, code := w.command("release", "--all"); code != 0 {
			t.Fatalf("release: %d %s", code, output)
		}
		w.settle(p)
		if w.sim.Count("Item") != 6000 {
			t.Errorf("%d of 6,000 objects", w.sim.Count("Item"))
		}
	})
}

// TestOthersUseTheInstance has Marketo refuse calls as others make too many.
func TestOthersUseTheInstance(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.failing(simulator.Rule{Operation: "sync", Code: map[string]string{"rest": "615", "soap": "20024"}[api]})
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, 6000) i`)
		time.Sleep(5 * time.Second)
		if n := w.sim.Stats().Calls; n > 20 {
			t.Errorf("%d calls in five seconds, all of them in vain", n)
		}
		w.sim.Heal()
		w.settle(p)
	})
}

// TestBrakeBeyondMemory puts rows back that are more than memory holds: their
// inserts are not read before the release, and nothing of them is deleted.
func TestBrakeBeyondMemory(t *testing.T) {
	const rows, allowed = 1000, 10
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.maxDeletes, w.config.maxPending = allowed, 100
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, $1::int) i`, rows)
		w.settle(p)
		w.exec(`DELETE FROM items`)
		w.awaitWord("deletes_held")
		w.exec(`INSERT INTO items SELECT i, 2, 'back' FROM generate_series(1, $1::int) i`, rows)
		if output, code := w.command("release", "items"); code != 0 {
			t.Fatalf("release: %d %s", code, output)
		}
		w.settle(p)
		w.itemsAgree()
		if n := w.sim.Stats().Statuses["DELETED"]; n > allowed {
			t.Errorf("%d objects were deleted, %d of which were back by then", n, n-allowed)
		}
		w.noViolations()
		p.stop(t)
	})
}

// TestBrake deletes more rows than one hour may delete objects.
func TestBrake(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.config.maxDeletes = 500
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'x' FROM generate_series(1, 3000) i`)
		w.settle(p)
		w.exec(`DELETE FROM items`)
		reason := w.awaitWord("deletes_held")
		if n := w.sim.Count("Item"); n != 2500 || !strings.Contains(reason, "cdcsync release items") {
			t.Errorf("%d objects are left, want 2,500; %s", n, reason)
		}
		// Half of them should not have gone.
		w.exec(`INSERT INTO items SELECT i, 2, 'back' FROM generate_series(1501, 3000) i`)
		time.Sleep(time.Second)
		if output, code := w.command("release", "items"); code != 0 {
			t.Fatalf("release: %d %s", code, output)
		}
		w.settle(p)
		if n := w.sim.Count("Item"); n != 1500 {
			t.Errorf("%d objects in the end, want 1,500", n)
		}
		if n := w.sim.Stats().Statuses["DELETED"]; n > 2000 {
			t.Errorf("%d objects were deleted, of which some were back", n)
		}
		w.noViolations()
	})
}

// TestTokenRefusedOnce has Marketo refuse a good token once, by its code and by
// HTTP's. The identity service goes on handing that token out; what waits is
// delivered within seconds all the same.
func TestTokenRefusedOnce(t *testing.T) {
	needServer(t)
	t.Parallel()
	for name, rule := range map[string]simulator.Rule{
		"601": {Operation: "sync", Code: "601", Times: 1},
		"401": {Operation: "sync", Status: http.StatusUnauthorized, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, "rest", 0, simulator.Options{})
			w.failing(rule)
			p := w.start()
			w.exec(`INSERT INTO items VALUES (1, 1, 'x')`)
			began := time.Now()
			w.settle(p)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("delivered after %s", took)
			}
		})
	}
}

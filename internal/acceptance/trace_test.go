package acceptance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// TestTrace asks where a row is on each part of its way.
func TestTrace(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 2, simulator.Options{})
		w.config.mappings += "    where: version < 100\n"
		w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
		p := w.start()
		traces := func(key string, want ...string) {
			t.Helper()
			var output string
			await(t, 20*time.Second, func() (bool, string) {
				var code int
				output, code = w.command("trace", "items", key)
				if code != 0 {
					t.Fatalf("trace %s: exit code %d: %s", key, code, output)
				}
				for _, text := range want {
					if !strings.Contains(output, text) {
						return false, "no " + text + " in:\n" + output
					}
				}
				return true, ""
			})
			if strings.Contains(output, "secret") {
				t.Errorf("a value of the row is shown:\n%s", output)
			}
		}
		w.exec(`UPDATE items SET pad = 'secret'`)
		w.settle(p)
		traces("1", "Item id=1: nothing of it waits", "there in public.items now\n", "queue      nothing of it\n", "parked     no\n", "in Marketo every change committed by ")
		traces("77", "Item id=77: no row has this key", "none in public.items now")

		w.failing(simulator.Rule{Operation: "sync", Status: 503}, simulator.Rule{Operation: "delete", Status: 503})
		w.exec(`UPDATE items SET version = 1 WHERE id = 1`)
		traces("1", "Item id=1: on its way: it waits", "queue      UPSERT committed at ")
		w.exec(`UPDATE items SET version = 100 WHERE id = 2`)
		traces("2", "on its way", "there in public.items now, left out by where")
		w.exec(`DELETE FROM items WHERE id = 1`)
		traces("1", "on its way", "none in public.items now")
		w.sim.Heal()
		w.settle(p)
		traces("2", "its row is left out by where, and nothing of it waits")

		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 1, Code: "1003", Message: "Value not allowed"}})
		w.exec(`INSERT INTO items VALUES (3, 1, 'secret')`)
		w.awaitParked(1)
		traces("3", "not in Marketo as its row is", "parked     UPSERT, ", "Value not allowed; tried once, last at ", "see cdcsync parked show ")
		for _, tt := range []struct{ mapping, key, want string }{{"itms", "1", "there is no mapping itms"}, {"items", "1,2", "no object can have this key"}, {"items", "", "no object can have this key"}} {
			if output, code := w.command("trace", tt.mapping, tt.key); code != 1 || !strings.Contains(output, tt.want) {
				t.Errorf("%+v: exit code %d: %s", tt, code, output)
			}
		}
		p.stop(t)
		w.noViolations()
	})
}

// TestTraceMarketo asks Marketo what it has of a row, in one call each time, and
// shows what was confirmed of it last.
func TestTraceMarketo(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 2, simulator.Options{})
		w.config.timeout, w.config.hold, w.config.suppress = 2*time.Second, 2500*time.Millisecond, true
		p := w.start()
		w.exec(`UPDATE items SET pad = 'secret' WHERE id = 1`)
		w.settle(p)
		trace := func(key string, want ...string) {
			t.Helper()
			before := len(w.sim.Calls())
			output, code := w.command("trace", "items", key, "--marketo")
			for _, text := range want {
				if code != 0 || !strings.Contains(output, text) {
					t.Errorf("exit code %d, no %q in:\n%s", code, text, output)
				}
			}
			if strings.Contains(output, "secret") {
				t.Errorf("a value is shown:\n%s", output)
			}
			asked := 0
			for _, c := range w.sim.Calls()[before:] {
				if c.Operation == "get" {
					asked++
				}
			}
			if asked != 1 {
				t.Errorf("%d calls to ask, want 1", asked)
			}
		}
		same := map[string]string{"soap": "Marketo    has the object; the row is the same\n", "rest": "; the row is the same\n"}[api]
		trace("1", "confirmed  CREATED at ", ", in call ", ", as of the commit at ", "Marketo    has the object", same)
		trace("2", "Marketo    has no such object\n")
		trace("77", "no row has this key", "Marketo    has no such object\n")
		if output, _ := w.command("trace", "items", "2"); strings.Contains(output, "confirmed  ") || strings.Contains(output, "Marketo    ") {
			t.Errorf("of an object that was never sent:\n%s", output)
		}
		counted := func() int {
			t.Helper()
			var s snapshot.Status
			_, body := w.get("/api/v1/status")
			if err := json.Unmarshal([]byte(body), &s); err != nil || s.Report == nil {
				t.Fatal(err, body)
			}
			return s.Report.Calls.Today
		}
		before := counted()
		w.failing(simulator.Rule{Operation: "sync", Status: 503})
		w.exec(`UPDATE items SET version = 8, pad = 'other' WHERE id = 1`)
		await(t, 20*time.Second, func() (bool, string) {
			output, _ := w.command("trace", "items", "1")
			return strings.Contains(output, "on its way"), output
		})
		trace("1", "on its way", "the row has other values now: version, pad\n")
		if n := counted(); n < before+1 {
			t.Errorf("%d calls are counted after the question, %d before", n, before)
		}
		w.sim.Heal()
		w.settle(p)
		trace("1", "confirmed  UPDATED at ", same)
		p.stop(t)
		w.noViolations()
	})
}

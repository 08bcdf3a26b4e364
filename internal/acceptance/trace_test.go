package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
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

		w.failing(simulator.Rule{Operation: "sync", Status: 503})
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

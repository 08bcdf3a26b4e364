package acceptance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// command runs the program once on the world's configuration, and returns what
// it printed and its exit code.
func (w *world) command(args ...string) (output string, code int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), program, append(args, "-c", w.dir+"/cdcsync.yaml")...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// parkedNow asks the program what is parked.
func (w *world) parkedNow(args ...string) admin.Parked {
	w.t.Helper()
	output, code := w.command(append([]string{"parked", "list", "--json", "--limit", "10000"}, args...)...)
	var p admin.Parked
	if err := json.Unmarshal([]byte(output), &p); err != nil || code != 0 {
		w.t.Fatalf("parked list: exit code %d, %v: %s", code, err, output)
	}
	return p
}

// awaitParked waits until that many objects are parked.
func (w *world) awaitParked(want int) {
	w.t.Helper()
	await(w.t, time.Minute, func() (bool, string) {
		var p admin.Parked
		_, body := w.get("/api/v1/parked?limit=0")
		err := json.Unmarshal([]byte(body), &p)
		return err == nil && p.Total == want, fmt.Sprintf("parked: want %d, got %s", want, body)
	})
}

// TestParkedObjects has Marketo refuse two of every hundred objects. All the
// others arrive, the slot goes on, and once the cause is fixed the rows are
// delivered as they are by then.
func TestParkedObjects(t *testing.T) {
	const rows, refused = 2000, 40
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		bad := simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 100, Remainder: 7, Message: "Value not allowed"}}
		worse := simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 100, Remainder: 8, Message: "Value not allowed either"}}
		if err := w.sim.Fail(bad, worse); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 1, 'secret canary' FROM generate_series(1, $1::bigint) i`, rows)
		w.settle(p) // the slot passes what is parked
		w.awaitParked(refused)
		w.exec(`UPDATE items SET version = 2 WHERE id % 100 NOT IN (7, 8)`)
		w.settle(p)
		w.othersArrived(rows, refused)
		w.parkedIsToldOf(refused)

		w.exec(`UPDATE items SET version = 3 WHERE id = 107`) // refused again
		w.exec(`DELETE FROM items WHERE id = 207`)            // Marketo never had it
		w.settle(p)
		w.discardOne("id=307")

		w.sim.Heal()
		before := w.parkedNow("--limit", "0").Total
		w.exec(`UPDATE items SET version = 4, pad = 'fixed' WHERE id = 407`)
		w.settle(p)
		w.awaitParked(before - 1) // a newer change that is confirmed needs no retry
		output, code := w.command("parked", "retry", "--all")
		if code != 0 || !strings.Contains(output, "queued again") {
			t.Fatalf("retry: exit code %d: %s", code, output)
		}
		w.awaitParked(0)
		w.settle(p)
		want := map[string]string{"107": "3", "407": "4", "507": "1", "108": "1"}
		got := map[string]string{}
		objects := w.sim.Objects("Item")
		for id := range want {
			got[id] = objects[id]["version"]
		}
		if !maps.Equal(got, want) {
			t.Errorf("versions after the retry: got %v, want %v", got, want)
		}
		for _, id := range []string{"207", "307"} {
			if objects[id] != nil {
				t.Errorf("object %s, whose row is gone or which was given up: got %v, want none", id, objects[id])
			}
		}
		w.exec(`UPDATE items SET version = 5 WHERE id = 307`)
		w.settle(p)
		w.itemsAgree()
		w.ready()
		p.stop(t)
	})
}

// othersArrived checks that everything that was not refused is there.
func (w *world) othersArrived(rows, refused int) {
	w.t.Helper()
	second := 0
	for _, o := range w.sim.Objects("Item") {
		if o["version"] == "2" {
			second++
		}
	}
	if second != rows-refused || w.sim.Count("Item") != rows-refused {
		w.t.Errorf("objects: got %d, %d of them of the second version, want %d", w.sim.Count("Item"), second, rows-refused)
	}
}

// parkedIsToldOf looks at what the commands say of the parked objects.
func (w *world) parkedIsToldOf(refused int) {
	t := w.t
	t.Helper()
	listed := w.parkedNow()
	count := 0
	for _, g := range listed.Groups {
		count += g.Count
		if g.Mapping != "items" || !strings.Contains(g.Message, "Value not allowed") {
			t.Errorf("group: got %+v, want Marketo's message on items", g)
		}
	}
	if len(listed.Entries) != refused || count != refused {
		t.Errorf("parked: got %d entries, %d in groups, want %d", len(listed.Entries), count, refused)
	}
	for _, e := range listed.Entries {
		if !strings.HasSuffix(e.Key, "07") && !strings.HasSuffix(e.Key, "08") && e.Key != "id=7" && e.Key != "id=8" || e.Payload != nil {
			t.Errorf("entry: got %+v, want a refused key and no payload", e)
		}
	}
	output, code := w.command("parked", "list")
	if code != 0 || !strings.Contains(output, "40 objects") || strings.Contains(output, "canary") {
		t.Errorf("parked list: exit code %d:\n%s", code, output)
	}
	output, code = w.command("parked", "show", "id=107")
	if code != 0 || !strings.Contains(output, `"pad": "secret canary"`) || !strings.Contains(output, "Value not allowed") {
		t.Errorf("parked show: exit code %d:\n%s", code, output)
	}
	status := w.ready()
	if status.Report.Parked != refused || status.Report.Mappings[0].Parked != refused || status.Report.Mappings[0].Confirmed == 0 {
		t.Errorf("status: got %+v", status.Report)
	}
}

// ready asks for the status, which must be ready, twice: for people and as
// JSON.
func (w *world) ready() snapshot.Status {
	t := w.t
	t.Helper()
	output, code := w.command("status")
	if code != 0 || !strings.HasPrefix(output, "ready: ") || strings.Contains(output, "canary") {
		t.Errorf("status: exit code %d:\n%s", code, output)
	}
	output, code = w.command("status", "--json")
	var s snapshot.Status
	if err := json.Unmarshal([]byte(output), &s); err != nil || code != 0 || !s.Ready || s.Report == nil || s.Report.Through == nil {
		t.Fatalf("status: exit code %d, %v: %s", code, err, output)
	}
	return s
}

// discardOne gives one object up, which nobody does without saying that they
// mean it.
func (w *world) discardOne(key string) {
	t := w.t
	t.Helper()
	before := w.parkedNow("--limit", "0").Total
	if output, code := w.command("parked", "discard", key); code != 1 || !strings.Contains(output, "--yes") {
		t.Errorf("discard without --yes: exit code %d:\n%s", code, output)
	}
	if output, code := w.command("parked", "discard", key, "--yes"); code != 0 || !strings.Contains(output, "1 object given up") {
		t.Errorf("discard: exit code %d:\n%s", code, output)
	}
	w.awaitParked(before - 1)
}

// TestStatusOfAProgramInTrouble looks at what status says while Marketo refuses
// the credentials, and when the program is gone.
func TestStatusOfAProgramInTrouble(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "rest", 0, simulator.Options{})
	p := w.start()
	w.secret("wrong", "wrong")
	w.sim.ExpireTokens()
	w.exec(`INSERT INTO items VALUES (1, 1, 'canary')`)
	var output string
	var code int
	await(t, time.Minute, func() (bool, string) {
		output, code = w.command("status")
		return code == 1 && strings.HasPrefix(output, "NOT READY (marketo_failing): "), "status: " + output
	})
	for _, want := range []string{"What to do: ", "in Marketo    everything committed by", "status: not ready"} {
		if !strings.Contains(output, want) {
			t.Errorf("no %q in:\n%s", want, output)
		}
	}
	if strings.Contains(output, "canary") || strings.Contains(output, simulator.DefaultClientSecret) {
		t.Errorf("status tells a secret or a value:\n%s", output)
	}
	w.secret(simulator.DefaultSecretKey, simulator.DefaultClientSecret)
	w.settle(p)
	w.awaitReady(p)
	w.ready()
	p.stop(t)
	if output, code = w.command("status"); code != 1 || !strings.Contains(output, "cdcsync run") {
		t.Errorf("status of a program that is gone: exit code %d:\n%s", code, output)
	}
}

// TestRowsWithoutAKeyShareAnEntry changes rows without a key again and again: they
// can never be sent, and must not fill the parked objects and stop delivery.
func TestRowsWithoutAKeyShareAnEntry(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newThings(t, server, api, "")
		w.config.maxParked = 5
		w.exec(`CREATE TABLE thing (code text, n int, name text); ALTER TABLE thing REPLICA IDENTITY FULL`)
		p := w.start()
		w.exec(`INSERT INTO thing SELECT CASE WHEN i % 10 > 0 THEN i::text END, 0, 'row ' || i FROM generate_series(1, 100) i`)
		w.settle(p)
		for range 3 {
			w.exec(`UPDATE thing SET n = n + 1`)
			w.settle(p)
		}
		w.awaitParked(1)
		if got := w.sim.Count("Thing"); got != 90 {
			t.Errorf("%d objects, want 90", got)
		}
		w.exec(`UPDATE thing SET code = name WHERE code IS NULL`)
		w.settle(p)
		if got := w.sim.Count("Thing"); got != 100 {
			t.Errorf("%d objects, want all 100", got)
		}
		if output, code := w.command("parked", "discard", "--all", "--yes"); code != 0 {
			t.Fatalf("discard: exit code %d: %s", code, output)
		}
		w.awaitParked(0)
		w.noViolations()
		p.stop(t)
	})
}

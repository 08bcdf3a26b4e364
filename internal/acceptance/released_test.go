package acceptance_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// released is the program of the last release; a checkout without its history
// cannot build it.
var released = flag.String("released", os.Getenv("CDCSYNC_RELEASED"), "the program of the last release, to which this one is taken back; also CDCSYNC_RELEASED")

// launchReleased starts the released program on a configuration without the
// keys that it does not know.
func (w *world) launchReleased() *process {
	w.t.Helper()
	data, err := os.ReadFile(w.configure())
	if err != nil {
		w.t.Fatal(err)
	}
	text := strings.NewReplacer("max_deletes: 0, ", "", "suppress_unchanged: false, ", "", "suppress_unchanged: true, ", "").Replace(string(data))
	return launch(w.t, *released, "run", "-c", w.write("released.yaml", text))
}

// TestTakenBackToTheLastRelease goes from the last release to this one and back,
// on one state file, over parked objects: nothing is sent twice, and nothing is
// missing. A program that finds a file it cannot read says what to do.
func TestTakenBackToTheLastRelease(t *testing.T) {
	if *released == "" {
		t.Skip("no program of the last release: -released, or CDCSYNC_RELEASED")
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{RecordHistory: true})
		deliver := func(p *process) {
			t.Helper()
			w.awaitReady(p)
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			p.stop(t)
		}
		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 5, Code: "1003", Message: "not now"}})
		deliver(w.launchReleased())
		w.sim.Heal()
		deliver(w.launch())
		deliver(w.launch())

		p := w.launchReleased()
		if code := p.exit(t, time.Minute); code == 0 || !strings.Contains(p.output.String(), "newer") {
			t.Errorf("exit code %d, want that the state file is of a newer release", code)
		}
		p = launch(t, program, "state", "downgrade", "--to", "4", w.dir+"/state.db")
		if code := p.exit(t, time.Minute); code != 0 {
			t.Fatalf("downgrade: exit code %d", code)
		}
		deliver(w.launchReleased())
		deliver(w.launch())
		w.itemsAgree()
		w.neverTwice()
	})
}

// TestTakenBackNoTableIsSent brings an installation with rows that were never sent up
// to this release: whatever the mapping says of them, nothing is sent but what the
// older one would have sent. It is run with TestTakenBackToTheLastRelease.
func TestTakenBackNoTableIsSent(t *testing.T) {
	if *released == "" {
		t.Skip("no program of the last release: -released, or CDCSYNC_RELEASED")
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		const rows, changed = 50, 3
		w := newItems(t, server, api, rows, simulator.Options{RecordHistory: true})
		p := w.launchReleased()
		w.awaitReady(p)
		w.exec(`UPDATE items SET version = 1 WHERE id <= $1`, changed)
		w.settle(p)
		p.stop(t)
		sent := w.sim.Stats().Objects
		if sent != changed {
			t.Fatalf("the older release sent %d objects, want %d", sent, changed)
		}
		for i, mappings := range []string{items, backfilled, items + "    name: renamed\n"} {
			w.config.mappings = mappings
			p := w.start()
			w.exec(`UPDATE items SET version = version + 1 WHERE id = 1`)
			w.settle(p)
			if got := w.sim.Stats().Objects; got != sent+i+1 {
				t.Errorf("start %d sent %d objects, want the one that was changed", i+1, got-sent-i)
			}
			if all := w.backfills(); len(all) != 0 {
				t.Errorf("start %d began backfills: %+v", i+1, all)
			}
			p.stop(t)
		}
		if n := len(w.sim.Objects("Item")); n != changed {
			t.Errorf("marketo has %d objects, want %d", n, changed)
		}
	})
}

package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// noted reports whether status has a note with all of these words.
func (w *world) noted(words ...string) bool {
	w.t.Helper()
	for _, note := range w.status().Notices {
		all := true
		for _, word := range words {
			all = all && strings.Contains(note, word)
		}
		if all {
			return true
		}
	}
	return false
}

// TestMappingsBetweenLives changes mappings between starts: people are told, over
// restarts, with the command that mends it, until it is mended; nothing is sent by
// itself. What is parked goes with a mapping that gets another name, and can be
// given up of one that is gone. Another key or type is refused until somebody says
// that it is meant.
func TestMappingsBetweenLives(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 1, Code: "1003", Message: "not now"}, Times: 1})
		p := w.start()
		w.exec(`UPDATE items SET version = 1 WHERE id < 4`)
		w.awaitParked(3)
		if notes := w.status().Notices; len(notes) != 0 {
			t.Errorf("a first start has notes: %q", notes)
		}
		p.stop(t)

		// Another name, an attribute less, and another mapping that is gone.
		w.config.mappings = strings.Replace(strings.Replace(items, "- table", "- name: things\n    table", 1), ", pad: pad", "", 1)
		for range 2 {
			p = w.start()
			if !w.noted("mapping items is called things now") || !w.noted("things", "pad not written any more") || !w.noted("mapping others", "is gone", "cdcsync parked discard --mapping others") {
				t.Errorf("notes: %q", w.status().Notices)
			}
			p.stop(t)
		}
		if got := p.output.String(); strings.Contains(got, "mapping changed since") {
			t.Errorf("the second start tells the log again")
		}
		p = w.start()
		if n := w.parkedNow("--mapping", "things").Total; n != 3 {
			t.Errorf("%d objects are parked under the new name, want 3", n)
		}
		w.succeeds("parked", "retry", "--all")
		w.settle(p)
		w.awaitParked(0)
		p.stop(t)

		// An attribute more.
		sent := w.sim.Stats().Objects
		w.config.mappings = strings.Replace(items, "- table", "- name: things\n    table", 1)
		p = w.start()
		if !w.noted("things", "pad added", "cdcsync backfill start things sends all its rows again") || !strings.Contains(p.output.String(), "pad added") {
			t.Errorf("notes: %q", w.status().Notices)
		}
		if more := w.sim.Stats().Objects - sent; more != 0 {
			t.Errorf("%d objects were sent by themselves", more)
		}
		w.succeeds("backfill", "start", "things")
		w.awaitBackfill(p, "done")
		if w.noted("pad added") {
			t.Errorf("the note stands although the rows were sent: %q", w.status().Notices)
		}
		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 1, Code: "1003", Message: "not now"}, Times: 1})
		w.exec(`UPDATE items SET version = 2 WHERE id = 1`)
		w.awaitParked(1)
		w.sim.Heal()
		p.stop(t)

		for what, mappings := range map[string]string{
			"another key":       strings.Replace(w.config.mappings, "{id: id}", "{id: version}", 1),
			"no longer of item": strings.Replace(w.config.mappings, "object: Item", "object: Other", 1),
		} {
			before := w.config.mappings
			w.config.mappings = mappings
			p = w.launch()
			if code := p.exit(t, time.Minute); code != 3 {
				t.Fatalf("%s: exit code %d, want 3", what, code)
			}
			for _, word := range []string{what, "mapping_changed", "--accept-mapping things", "cdcsync backfill start things", "put back"} {
				if !strings.Contains(p.output.String(), word) {
					t.Errorf("%s: the refusal lacks %q", what, word)
				}
			}
			if output, code := w.command("check"); code != 3 || !strings.Contains(output, what) {
				t.Errorf("%s: check ends with %d: %s", what, code, output)
			}
			w.config.mappings = before
		}
		w.config.mappings = strings.Replace(w.config.mappings, "object: Item", "object: Other", 1)
		p = launch(t, w.program, "run", "-c", w.configure(), "--accept-mapping", "things")
		w.awaitReady(p)
		w.exec(`UPDATE items SET version = 3`)
		w.settle(p)
		if n := len(w.sim.Objects("Other")); n != 10 {
			t.Errorf("%d objects of the new type for 10 rows", n)
		}
		p.stop(t)

		// What is parked of mappings that are gone is in sight until it is given up.
		w.config.mappings = strings.Replace(w.config.mappings, "name: things", "name: stuff", 1)
		p = w.start()
		if !w.noted("parked objects of mapping things", fmt.Sprint(1), "parked discard") {
			t.Errorf("notes: %q", w.status().Notices)
		}
		w.succeeds("parked", "discard", "--mapping", "things", "--yes")
		w.awaitParked(0)
		if w.noted("parked objects of mapping things") {
			t.Errorf("notes: %q", w.status().Notices)
		}
		p.stop(t)
	})
}

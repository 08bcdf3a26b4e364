package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestTableLeavesThePublication takes a mapped table out of the publication
// while changes stream. The server leaves its changes out without a word, so
// the program has to notice by itself, and say from when on.
func TestTableLeavesThePublication(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{})
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		w.exec(`ALTER PUBLICATION ` + w.config.publication + ` DROP TABLE items`)
		w.exec(`UPDATE items SET version = version + 1 WHERE id = 7`)
		await(t, 2*time.Minute, func() (bool, string) {
			status, reason := w.get("/readyz")
			return status == 503 && strings.Contains(reason, "not in publication"), "readyz says " + reason
		})
		w.awaitState("unfit")
		p.awaitLog(t, "reading halted")
		w.exec(`ALTER PUBLICATION ` + w.config.publication + ` ADD TABLE items`)
		p.stop(t)
		if code := w.launch().exit(t, time.Minute); code != 3 {
			t.Errorf("exit code of the next start = %d, want 3", code)
		}
		p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.items")
		w.awaitReady(p)
		w.exec(`UPDATE items SET version = version`) // what the refusal asks for
		w.settle(p)
		p.stop(t)
		p = w.start() // what was accepted is known
		p.stop(t)
		w.itemsAgree()
	})
}

// TestPublicationIsMadeAnew drops the publication and creates it again under the
// same name: what was committed in between the server cannot send, nor what came
// after. The start says how to go on, what came before is delivered, and what comes.
func TestPublicationIsMadeAnew(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newHistory(t, "rest")
	w.start().stop(t)
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
	w.exec(`DROP PUBLICATION ` + w.config.publication)
	w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE thing`)
	w.exec(`INSERT INTO thing VALUES ('c', 3, 'three')`)
	p := w.launch()
	if got := p.exit(t, time.Minute); got != 3 || !strings.Contains(p.output.String(), "--accept-table 'public.thing'") {
		t.Errorf("exit code = %d, want 3, with the table to accept", got)
	}
	p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.thing")
	if got := p.exit(t, time.Minute); got != 3 {
		t.Errorf("exit code without the publication = %d, want 3", got)
	}
	gap := named(t, p.output.String())
	p = w.launchAccepting(gap)
	w.awaitReady(p)
	w.settle(p)
	if _, body := w.get("/api/v1/status"); !strings.Contains(body, "left out of the stream, as accepted ("+gap) {
		t.Errorf("the status does not tell of what was left out: %s", body)
	}
	w.wantThing("a", "n=1 name=one")
	w.exec(`UPDATE thing SET n = n`) // what is asked for
	w.settle(p)
	for code, want := range map[string]string{"a": "n=1 name=one", "b": "n=2 name=two", "c": "n=3 name=three"} {
		w.wantThing(code, want)
	}
	p.stop(t)
	w.start().stop(t)
}

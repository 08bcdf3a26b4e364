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

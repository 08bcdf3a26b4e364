package acceptance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// backfilled is the mapping items with its rows sent.
var backfilled = items + "    backfill: true\n"

// listed is a backfill as the command lists it.
type listed struct {
	ID                     int64
	Mapping, State, Reason string
	Rows, Objects, Refused int64
}

// backfills asks the program for its backfills.
func (w *world) backfills() []listed {
	w.t.Helper()
	output, code := w.command("backfill", "list", "--json")
	var answer struct{ Backfills []listed }
	if err := json.Unmarshal([]byte(output), &answer); err != nil || code != 0 {
		w.t.Fatalf("backfill list: exit code %d, %v: %s", code, err, output)
	}
	return answer.Backfills
}

// awaitBackfill waits until the last backfill is in a state.
func (w *world) awaitBackfill(p *process, state string) listed {
	w.t.Helper()
	var last listed
	await(w.t, 2*time.Minute, func() (bool, string) {
		if p.ended() {
			w.t.Fatalf("the program ended with exit code %d", p.cmd.ProcessState.ExitCode())
		}
		all := w.backfills()
		if len(all) == 0 {
			return false, "there is no backfill"
		}
		last = all[len(all)-1]
		if last.State == "failed" && state != "failed" {
			w.t.Fatalf("the backfill failed: %s", last.Reason)
		}
		return last.State == state, fmt.Sprintf("the backfill is %+v", last)
	})
	return last
}

// TestBackfill sends rows that were there before the slot, while they change, go
// and get other keys; a restart sends none of them again.
func TestBackfill(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 5000, simulator.Options{RecordHistory: true})
		w.config.mappings = backfilled
		w.exec(`INSERT INTO items SELECT 100000 + i, 0, 'goes' FROM generate_series(1, 500) i`)
		p := w.start()
		load := w.startLoad(5000, 20, 2*time.Millisecond)
		for i := range 50 {
			w.exec(`DELETE FROM items WHERE id BETWEEN 100000 + $1::bigint * 5 AND 100004 + $1::bigint * 5`, i)
			w.exec(`UPDATE items SET id = id + 1000000, version = version + 1 WHERE id = 100300 + $1::bigint`, i)
		}
		done := w.awaitBackfill(p, "done")
		load.stop()
		w.settle(p)
		if done.Rows < 5000 || done.Refused != 0 {
			t.Errorf("the backfill says %+v", done)
		}
		if n := len(w.sim.Objects("Item")); fmt.Sprint(n) != w.value(`SELECT count(*) FROM items`) {
			t.Errorf("%d objects for %s rows", n, w.value(`SELECT count(*) FROM items`))
		}
		w.itemsAgree()
		if !strings.Contains(p.output.String(), "calls=") {
			t.Error("what the backfill costs is not in the log")
		}
		p.stop(t)

		calls := len(w.writes())
		p = w.start()
		w.settle(p)
		if again := len(w.writes()) - calls; again != 0 {
			t.Errorf("a restart made %d calls", again)
		}
		p.stop(t)
	})
}

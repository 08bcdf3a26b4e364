package acceptance_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// mostObjects is what one call of each API carries.
var mostObjects = map[string]int{"soap": 100, "rest": 300}

// mostMemory is what the program may take at any time.
const mostMemory = 150 << 20

func (w *world) checkMemory(p *process) {
	w.t.Helper()
	if peak, ok := p.peakMemory(w.t); ok {
		w.t.Logf("peak memory %d MB", peak>>20)
		if peak > mostMemory && !(underRace && w.program == program) {
			w.t.Errorf("peak memory = %d MB, want at most %d", peak>>20, mostMemory>>20)
		}
	}
}

// TestEveryCallIsFull sends 99,000 rows, committed 100 at a time.
func TestEveryCallIsFull(t *testing.T) {
	const rows, each = 99_000, 100
	eachAPI(t, func(t *testing.T, api string) {
		busyPlace(t)
		w := newItems(t, server, api, 0, simulator.Options{Latency: simulator.Latency{Fixed: 50 * time.Millisecond}})
		w.program = static
		// Long enough that reading cannot stand still for it: every call is sent
		// because it is full, the last one, too.
		w.config.maxWait = 20 * time.Second
		p := w.start()
		began := time.Now()
		var batch pgx.Batch
		for i := 0; i < rows; i += each {
			batch.Queue(`BEGIN`)
			batch.Queue(`INSERT INTO items SELECT i, 1, 'city ' || i FROM generate_series($1::int, $2::int) i`, i+1, i+each)
			batch.Queue(`COMMIT`)
		}
		if err := w.db().SendBatch(t.Context(), &batch).Close(); err != nil {
			t.Fatal(err)
		}
		w.settle(p)
		t.Logf("%d rows in %s", rows, time.Since(began).Round(time.Millisecond))
		w.checkMemory(p)
		p.stop(t)

		w.itemsAgree()
		most, full, short := mostObjects[api], 0, 0
		for _, c := range w.writes() {
			if c.Objects == most {
				full++
			} else {
				short++
			}
		}
		if full < rows/most-3 || short > 3 {
			t.Errorf("calls with %d objects: %d, with fewer: %d", most, full, short)
		}
	})
}

// TestChangesOfOneSecondShareCalls updates 50 rows 20 times each.
func TestChangesOfOneSecondShareCalls(t *testing.T) {
	const keys, updates = 50, 1000
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, keys, simulator.Options{
			Limits: simulator.MarketoLimits(), Latency: simulator.Latency{Fixed: 100 * time.Millisecond},
		})
		w.config.maxWait, w.config.limits = time.Second, "{}"
		p := w.start()
		began := time.Now()
		w.exec(`DO $$ BEGIN FOR i IN 1..1000 LOOP
			UPDATE items SET version = version + 1 WHERE id = i % 50 + 1; COMMIT;
		END LOOP; END $$`)
		took := time.Since(began)
		w.settle(p)
		if calls := len(w.writes()); calls > 10 && took < time.Second {
			t.Errorf("%d updates of %d rows within %s cost %d calls, want at most 10", updates, keys, took, calls)
		}
		if got := w.value(`SELECT min(version) || ' ' || max(version) FROM items`); got != "20 20" {
			t.Errorf("versions from and to %s, want 20", got)
		}
		w.itemsAgree()
		p.stop(t)
	})
}

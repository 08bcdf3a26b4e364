package pipeline_test

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// A key change that leaves a large value alone: the stream lacks it, and the
// row is read. Many at once do not use up the server's connections.
func TestRunnerReadsRows(t *testing.T) {
	for _, identity := range []string{"DEFAULT", "USING INDEX visits_city"} {
		t.Run(identity, func(t *testing.T) {
			b := newBench(t, "soap", simulator.Options{})
			b.exec(`ALTER TABLE visits ALTER note SET STORAGE EXTERNAL, ALTER city SET NOT NULL`)
			b.exec(`CREATE UNIQUE INDEX visits_city ON visits (id, city)`)
			b.exec(`ALTER TABLE visits REPLICA IDENTITY ` + identity)
			l := b.start(nil)
			b.exec(`INSERT INTO visits SELECT n, 'c' || n, repeat('large ', 1000) FROM generate_series(1, 80) n`)
			l.settle(30 * time.Second)
			b.exec(`UPDATE visits SET id = id + 1000`)
			l.settle(30 * time.Second)
			b.agree()
			l.end()
		})
	}
}

// Rows that are older than the slot are completed by the hundred. One whose key
// is no value of its column any more, as that has another type now, is gone and
// holds up none of the others.
func TestRunnerCompletesRows(t *testing.T) {
	b := newBench(t, "rest", simulator.Options{})
	b.exec(`ALTER TABLE visits ALTER note SET STORAGE EXTERNAL`)
	b.exec(`INSERT INTO visits SELECT n, 'c' || n, repeat('large ', 1000) FROM generate_series(1, 1000) n`)
	b.exec(`INSERT INTO visits VALUES (100000, 'far', repeat('large ', 1000))`)
	b.start(nil).end()
	b.exec(`UPDATE visits SET city = 'x'`)
	b.exec(`DELETE FROM visits WHERE id = 100000`)
	b.exec(`ALTER TABLE visits ALTER id TYPE smallint`)
	l := b.start(nil)
	l.settle(30 * time.Second)
	b.agree()
	if n := b.sim.Count("Visit"); n != 1000 {
		t.Errorf("%d objects, want 1000", n)
	}
	l.end()
}

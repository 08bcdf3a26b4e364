package pipeline_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// saved returns the position in the store, which nobody may use.
func (b *bench) saved() string {
	b.t.Helper()
	store, err := sqlite.Open(b.t.Context(), b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer store.Close()
	state, err := store.Load(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return state.Checkpoint.LSN.String()
}

// An orderly end in the middle of a stream that brings more and more: what is
// read is not in use while the rest is passed over, and the slot ends where
// the store does.
func TestRunnerStopsUnderLoad(t *testing.T) {
	b := newBench(t, "rest", simulator.Options{})
	conn, err := pgx.Connect(t.Context(), b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for life := range 5 {
		l := b.start(nil)
		loaded := make(chan error, 1)
		go func() {
			var last error
			for n := range 60 {
				from := (life*60 + n) * 100
				if _, err := conn.Exec(t.Context(), `INSERT INTO visits SELECT i, 'city', 'note' FROM generate_series($1::int, $2::int) i`, from+1, from+100); err != nil {
					last = err
				}
			}
			loaded <- last
		}()
		for {
			report, err := l.runner.Report(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if report.Objects > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		l.end()
		if err := <-loaded; err != nil {
			t.Fatal(err)
		}
		var slot string
		if err := b.db.QueryRow(t.Context(), "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1", b.source().Slot).Scan(&slot); err != nil {
			t.Fatal(err)
		}
		if saved := b.saved(); slot != saved {
			t.Errorf("life %d: the slot stands at %s, the store at %s", life, slot, saved)
		}
	}
	l := b.start(nil)
	l.settle(30 * time.Second)
	b.agree()
	l.end()
}

package acceptance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestStandbyDecodes reads from a standby, which PostgreSQL 16 and later can.
// The publication is the primary's, and so is what the standby waits for when
// the slot is made.
func TestStandbyDecodes(t *testing.T) {
	t.Parallel()
	primary := versionServer(t, 18, nil)
	w := newPages(t, primary, "rest", 10)
	second := standby(t, primary, map[string]string{"hot_standby_feedback": "on"})
	w.disconnect()
	w.config.url = second.URL(w.database)
	p := w.launch()
	if code := p.exit(t, time.Minute); code == 0 || !strings.Contains(p.output.String(), "publication") || !strings.Contains(p.output.String(), "primary") {
		t.Errorf("a standby without a publication: exit code %d, want a refusal that names the primary", code)
	}

	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE pages`)
	w.replayed(second.URL(w.database))
	noting, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for noting.Err() == nil {
			_ = primary.Exec(noting, w.database, `SELECT pg_log_standby_snapshot()`) // until the slot is made
			sleep(noting, 200*time.Millisecond)
		}
	}()
	p = w.start()
	stop()
	if output, code := w.command("backfill", "start", "--all"); code != 0 {
		t.Fatalf("backfill start: exit code %d: %s", code, output)
	}
	w.fill("d", 50)
	w.awaitBackfill(p, "done")
	w.settleOn(p, second.URL(w.database))
	w.agree()
	w.exec(`UPDATE pages SET n = n + 1`) // the memo is read again, from the standby
	w.exec(`UPDATE pages SET code = 'b' || code WHERE n % 2 = 0`)
	w.fill("c", 100)
	w.exec(`DELETE FROM pages WHERE n % 3 = 0`)
	w.settleOn(p, second.URL(w.database))
	w.agree()
	p.stop(t)

	w.exec(`UPDATE pages SET n = n + 1`)
	p = w.start()
	w.settleOn(p, second.URL(w.database))
	w.agree()
	p.stop(t)
}

// TestStandbyOfAnOlderVersion points the program at a standby that cannot
// decode.
func TestStandbyOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	primary := versionServer(t, 14, nil)
	w := newItems(t, primary, "soap", 10, simulator.Options{})
	w.exec(`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE items`)
	second := standby(t, primary, nil)
	w.disconnect()
	w.config.url = second.URL(w.database)
	w.replayed(w.config.url)
	p := w.launch()
	if code := p.exit(t, time.Minute); code == 0 || !strings.Contains(p.output.String(), "before PostgreSQL 16 cannot decode") {
		t.Errorf("exit code = %d, want a refusal that says why", code)
	}
	if n := len(w.sim.Calls()); n > 0 {
		t.Errorf("%d calls were made", n)
	}
}

// ask returns the one value of a query of another server.
func (w *world) ask(url, sql string, args ...any) string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	var text string
	if err := conn.QueryRow(w.t.Context(), "SELECT ("+sql+")::text", args...).Scan(&text); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// replayed waits until a standby has all that the primary has.
func (w *world) replayed(url string) {
	w.t.Helper()
	want := w.value(`SELECT pg_current_wal_lsn()`)
	await(w.t, time.Minute, func() (bool, string) {
		return w.ask(url, `SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn`, want) == "true", "the standby lags behind"
	})
}

// settleOn waits until the slot on a standby has been told to forget everything
// that is committed on the primary.
func (w *world) settleOn(p *process, url string) {
	w.t.Helper()
	want := w.value(`SELECT pg_current_wal_lsn()`)
	await(w.t, time.Minute, func() (bool, string) {
		if p.ended() {
			w.t.Fatalf("the program ended with exit code %d", p.cmd.ProcessState.ExitCode())
		}
		got := w.ask(url, `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot)
		_, body := w.get("/readyz")
		return w.ask(url, `SELECT $1::pg_lsn >= $2::pg_lsn`, got, want) == "true", "confirmed " + got + " of " + want + "; readyz: " + body
	})
}

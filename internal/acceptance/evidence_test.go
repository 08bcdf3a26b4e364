package acceptance_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// copyOfState opens a copy of the program's state file as it lies on disk, so
// that looking at it leaves it as the program will find it.
func (w *world) copyOfState() *sql.DB {
	w.t.Helper()
	dir := w.t.TempDir()
	for _, name := range []string{"state.db", "state.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	return db
}

// slotBehindState checks, while the program does not run, that the server was
// not told to forget what the state file does not cover. Before the program
// has noted where it begins, nothing may have been confirmed at all.
func (w *world) slotBehindState() {
	w.t.Helper()
	slot := w.confirmed()
	var position int64
	err := w.copyOfState().QueryRow(`SELECT coalesce(max(position), 0) FROM state`).Scan(&position)
	if err != nil {
		w.t.Fatalf("read state: %v", err)
	}
	if position != 0 && slot > pgoutput.LSN(position) {
		w.t.Errorf("the slot stands at %s, ahead of the state file at %s", slot, pgoutput.LSN(position))
	}
}

// parkedFields returns the key fields of the objects that the state file holds
// as parked, by mapping.
func (w *world) parkedFields(mapping string) []string {
	w.t.Helper()
	rows, err := w.copyOfState().Query(`SELECT fields FROM parked WHERE mapping = ?`, mapping)
	if err != nil {
		w.t.Fatalf("read state: %v", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var fields string
		if err := rows.Scan(&fields); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, fields)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// metrics scrapes the program.
func (w *world) metrics() evidence.Metrics {
	w.t.Helper()
	status, body := w.get("/metrics")
	if status != 200 {
		w.t.Fatalf("/metrics answers %d: %s", status, body)
	}
	m, err := evidence.ParseMetrics(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// log is what the simulator has seen of items.
func (w *world) log() evidence.Log {
	w.t.Helper()
	log, err := evidence.Of(w.sim, "Item", "version")
	if err != nil {
		w.t.Fatal(err)
	}
	return log
}

// holds fails the test where a promise did not hold, or where fewer than least
// things were seen of it.
func (w *world) holds(v evidence.Verdict, least int) {
	w.t.Helper()
	if err := v.Err(least); err != nil {
		w.t.Error(err)
	}
}

// neverBack checks that nothing old overwrote something newer, kills or not. It
// returns how many versions were applied.
func (w *world) neverBack() int {
	w.t.Helper()
	v := w.log().Order(w.config.hold)
	w.holds(v, 1)
	return v.Seen
}

// neverTwice checks that nothing was sent twice.
func (w *world) neverTwice() {
	w.t.Helper()
	w.holds(w.log().Once(), 1)
}

// repeats checks that after each kill no more was sent again than the calls
// that were in flight, and those whose answers had not been saved yet: at most
// calls together. An answer of more than half the timeout may have come too
// late, where processors are busy. It returns the number of objects sent again.
func (w *world) repeats(killed []time.Time, calls int) int {
	w.t.Helper()
	v, again := evidence.Repeats{Killed: killed, Calls: calls, Patience: w.config.timeout / 2}.Hold(w.log())
	w.holds(v, 1)
	return again
}

// balance checks, while nothing is under way, that the program knows what
// became of every object it has received in this life.
func (w *world) balance() {
	w.t.Helper()
	w.holds(w.metrics().Books(), 1)
}

// withEnv returns the command line that starts the program with variables of
// its own.
func withEnv(path string, args []string, env ...string) []string {
	return append(append(append([]string{"env"}, env...), path), args...)
}

// launchWith starts the given build of the program with variables of its own.
func (w *world) launchWith(path string, env ...string) *process {
	w.t.Helper()
	line := withEnv(path, []string{"run", "-c", w.configure()}, env...)
	return launch(w.t, line[0], line[1:]...)
}

// slotReady reports whether the program's slot can be streamed from.
func (w *world) slotReady() bool {
	w.t.Helper()
	return w.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL`, w.config.slot) == "1"
}

func id(n int) string { return fmt.Sprintf(`"id":%d`, n) }

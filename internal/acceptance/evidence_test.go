package acceptance_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
	_ "modernc.org/sqlite"
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
	err := w.copyOfState().QueryRow(`SELECT coalesce(max(position), 0) FROM checkpoint`).Scan(&position)
	if err != nil {
		w.t.Fatalf("read state: %v", err)
	}
	if position != 0 && slot > pglogrepl.LSN(position) {
		w.t.Errorf("the slot stands at %s, ahead of the state file at %s", slot, pglogrepl.LSN(position))
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

// metrics are the samples of one scrape, by name and labels.
type metrics map[string]float64

// metrics scrapes the program.
func (w *world) metrics() metrics {
	w.t.Helper()
	status, body := w.get("/metrics")
	if status != 200 {
		w.t.Fatalf("/metrics answers %d: %s", status, body)
	}
	m := metrics{}
	for line := range strings.Lines(body) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		for ok && strings.Count(name, "{") > strings.Count(name, "}") { // a label has a space
			var more string
			more, text, ok = strings.Cut(text, " ")
			name += " " + more
		}
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			w.t.Fatalf("metric %q: %v", line, err)
		}
		m[name] = value
	}
	return m
}

// sum adds up all samples of a metric that carry the given labels.
func (m metrics) sum(name string, labels ...string) float64 {
	total := 0.0
	for key, value := range m {
		base, rest, _ := strings.Cut(key, "{")
		if base != name {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				value = 0
			}
		}
		total += value
	}
	return total
}

// confirmations is how many statuses the program took as a confirmation.
func (m metrics) confirmations() float64 {
	return m.sum("cdcsync_delivery_latency_seconds_count")
}

// balance checks, while nothing is under way, that the program knows what
// became of every object it has received in this life.
func (w *world) balance() {
	w.t.Helper()
	m := w.metrics()
	for key := range m {
		name, ok := strings.CutPrefix(key, "cdcsync_objects_received_total")
		if !ok {
			continue
		}
		label := strings.Trim(name, "{}")
		of := func(metric string) float64 { return m.sum("cdcsync_"+metric, label) }
		came := of("objects_received_total")
		went := of("objects_replayed_total") + of("objects_coalesced_total") + of("delivery_latency_seconds_count") +
			of("parked_total") + of("rows_gone_total") + of("pending_objects")
		if came != went {
			w.t.Errorf("%s: %v objects received, %v accounted for: replayed %v, coalesced %v, confirmed %v, parked %v, gone %v, pending %v", label, came, went,
				of("objects_replayed_total"), of("objects_coalesced_total"), of("delivery_latency_seconds_count"),
				of("parked_total"), of("rows_gone_total"), of("pending_objects"))
		}
	}
	if m.sum("cdcsync_objects_received_total") == 0 {
		w.t.Error("the program has received nothing: its books prove nothing")
	}
}

func TestMetricsAreRead(t *testing.T) {
	m := metrics{`a_total{mapping="x"}`: 1, `a_total{mapping="y"}`: 2, `a_total_more`: 4, `b`: 8}
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"a_total", nil, 3},
		{"a_total", []string{`mapping="y"`}, 2},
		{"b", nil, 8},
		{"c", nil, 0},
	} {
		if got := m.sum(tt.name, tt.labels...); got != tt.want {
			t.Errorf("sum(%s, %v) = %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
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

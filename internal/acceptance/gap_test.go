package acceptance_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var acceptGap = regexp.MustCompile(`cdcsync run -c \S+/cdcsync\.yaml --accept-gap (\S+\.\.[0-9A-Za-z/]+)`)

// named returns the gap that a text says how to accept.
func named(t *testing.T, text string) string {
	t.Helper()
	match := acceptGap.FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("no gap is named in %q", shorten(text))
	}
	return match[1]
}

// launchAccepting starts the program with a gap to accept.
func (w *world) launchAccepting(gap string) *process {
	w.t.Helper()
	return launch(w.t, w.program, "run", "-c", w.configure(), "--accept-gap", gap)
}

// TestGapIsAccepted goes over each kind of gap: only the very one that was
// named, and loudly.
func TestGapIsAccepted(t *testing.T) {
	needServer(t)
	t.Parallel()
	tests := []struct {
		name   string
		change func(w *world)
		form   string
	}{
		{"slot advanced", func(w *world) {
			w.exec(`SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())`, w.config.slot)
		}, `^[1-9A-F0-9]+/[0-9A-F]+\.\.[0-9A-F]+/[0-9A-F]+$`},
		{"slot dropped", func(w *world) {
			w.exec(`SELECT pg_drop_replication_slot($1)`, w.config.slot)
		}, `\.\.new$`},
		{"state file lost", (*world).loseState, `^0/0\.\.`},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newItems(t, server, apis[i%2], 10, simulator.Options{})
			p := w.start()
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			p.stop(t)
			w.exec(`UPDATE items SET version = version + 1`)
			tt.change(w)
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 {
				t.Fatalf("exit code = %d, want 3", got)
			}
			gap := named(t, p.output.String())
			if !regexp.MustCompile(tt.form).MatchString(gap) {
				t.Errorf("the gap is %s, want it like %s", gap, tt.form)
			}
			for wrong, code := range map[string]int{"0/1..0/2": 3, "0/1..": 2, "nonsense": 2} {
				p := w.launchAccepting(wrong)
				if got := p.exit(t, time.Minute); got != code {
					t.Errorf("exit code with the gap %s = %d, want %d", wrong, got, code)
				}
			}
			p = w.launchAccepting(gap)
			w.awaitReady(p)
			w.exec(`UPDATE items SET id = id`)
			w.settle(p)
			w.itemsAgree()
			for _, want := range []string{"gap accepted", `UPDATE \"public\".\"items\" SET \"id\" = \"id\"`} {
				if !strings.Contains(p.output.String(), want) {
					t.Errorf("the log does not say %q", want)
				}
			}
			if _, body := w.get("/api/v1/status"); !strings.Contains(body, "went on over a gap, as accepted ("+gap) {
				t.Errorf("the status does not tell of the gap: %s", body)
			}
			p.stop(t)

			p = w.launchAccepting(gap) // still in the unit file
			w.awaitReady(p)
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			p.stop(t)
			p = w.launchAccepting("0/1..0/5")
			if got := p.exit(t, time.Minute); got != 2 {
				t.Errorf("exit code with a gap that is not there = %d, want 2", got)
			}
			w.itemsAgree()
		})
	}
}

// TestPlaceInTheStreamIsPassed leaves out a change that reading halts at.
func TestPlaceInTheStreamIsPassed(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		w.exec(`BEGIN`)
		w.exec(`TRUNCATE items`)
		w.exec(`INSERT INTO items SELECT i, 100, 'pad' FROM generate_series(1, 10) i`)
		w.exec(`COMMIT`)
		w.exec(`UPDATE items SET version = version + 1 WHERE id > 5`)
		reason := ""
		await(t, time.Minute, func() (bool, string) {
			var status int
			status, reason = w.get("/readyz")
			return status == http.StatusServiceUnavailable && strings.Contains(reason, "truncated"), "ready behind a truncate"
		})
		gap := named(t, reason)
		p.stop(t)
		p = w.launchAccepting(gap)
		w.awaitReady(p)
		w.settle(p)
		w.itemsAgree()
		if _, body := w.get("/api/v1/status"); !strings.Contains(body, "left out of the stream, as accepted ("+gap) {
			t.Errorf("the status does not tell of what was left out: %s", body)
		}
		w.exec(`TRUNCATE items`)
		await(t, time.Minute, func() (bool, string) {
			_, reason = w.get("/readyz")
			return strings.Contains(reason, "truncated"), "the next truncate was passed over, too"
		})
		p.stop(t)
	})
}

// TestValueThatTheServerCannotSend has a value whose text is larger than the
// server's memory chunks: the text says so, and how to go on without it.
func TestValueThatTheServerCannotSend(t *testing.T) {
	needServer(t)
	if !*long {
		t.Skip("the server takes a gigabyte for it; run it with -long")
	}
	t.Parallel()
	w := newItems(t, server, "rest", 10, simulator.Options{})
	w.exec(`ALTER TABLE items ADD COLUMN huge bytea`)
	p := w.start()
	w.exec(`UPDATE items SET version = 1 WHERE id = 1`)
	w.settle(p)
	w.exec(`BEGIN`)
	w.exec(`UPDATE items SET version = 2 WHERE id = 1`)
	w.exec(`UPDATE items SET version = 2, huge = convert_to(repeat('x', 540 << 20), 'LATIN1') WHERE id = 2`)
	w.exec(`COMMIT`)
	w.exec(`UPDATE items SET version = 2 WHERE id = 3`)
	reason := ""
	await(t, 2*time.Minute, func() (bool, string) {
		_, reason = w.get("/readyz")
		return strings.Contains(reason, "--accept-gap"), "readyz says: " + reason
	})
	for _, want := range []string{"invalid memory alloc request size", "publish_columns"} {
		if !strings.Contains(reason, want) {
			t.Errorf("the reason does not name %q: %s", want, reason)
		}
	}
	p.stop(t)
	p = w.launchAccepting(named(t, reason))
	w.settle(p)
	w.exec(`UPDATE items SET version = 3, huge = NULL`)
	w.settle(p)
	w.itemsAgree()
	p.stop(t)
}

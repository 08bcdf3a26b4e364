package acceptance_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/audit"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// refusedKeys are the keys of refused rows, as BACKFILL KEY.
func (w *world) refusedKeys() (keys []string) {
	w.t.Helper()
	var all admin.Backfills
	if err := json.Unmarshal([]byte(w.succeeds("backfill", "list", "--refused", "--limit", "1000", "--json")), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, b := range all.Backfills {
		for _, r := range b.RefusedRows {
			keys = append(keys, fmt.Sprint(b.ID, " ", r.Key))
		}
		if int(b.Refused) != len(b.RefusedRows) {
			keys = append(keys, fmt.Sprintf("backfill %d counts %d refused rows, and has %d", b.ID, b.Refused, len(b.RefusedRows)))
		}
	}
	return keys
}

// missing is what an audit says of missing objects, each with whether it knows that
// its row was refused.
func (w *world) missing(args ...string) (keys []string) {
	w.t.Helper()
	a, said, code := w.audit(args...)
	if code != 0 && code != 6 {
		w.t.Fatalf("audit: exit code %d: %s", code, said)
	}
	for _, f := range a.Findings {
		if f.Kind != audit.Missing {
			w.t.Errorf("%s %s", f.Kind, f.Key)
		}
		keys = append(keys, fmt.Sprint(f.Key, " ", f.Refused != nil))
	}
	return keys
}

// refusing has a backfill of so many rows done, of which Marketo refuses every twentieth.
func refusing(t *testing.T, api string, rows int, refused int64) (*world, *process) {
	t.Helper()
	w := newItems(t, server, api, rows, simulator.Options{})
	w.config.mappings = backfilled
	w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 20, Code: "1003", Message: "not this one"}})
	p := w.start()
	if done := w.awaitBackfill(p, "done"); done.Refused != refused {
		t.Fatalf("the backfill says %+v", done)
	}
	return w, p
}

// TestBackfillRetry sends refused rows once more, and nothing of them is kept twice: a
// later backfill of a row has the word about it. An audit reports what was refused and
// is not tried again.
func TestBackfillRetry(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w, p := refusing(t, api, 130, 6)
		if got, want := w.missing(), []string{"id=100 true", "id=120 true", "id=20 true", "id=40 true", "id=60 true", "id=80 true"}; !slices.Equal(got, want) {
			t.Errorf("the audit finds %q, want %q", got, want)
		}

		// Refused once more by keys, one row is kept by that backfill alone; one that
		// has gone by none.
		w.exec(`DELETE FROM items WHERE id = 60`)
		w.settle(p)
		w.succeeds("backfill", "start", "items", "--keys", "40", "--keys", "60", "--keys", "7")
		if done := w.awaitBackfill(p, "done"); done.ID != 2 || done.Refused != 1 {
			t.Errorf("by keys: the backfill says %+v", done)
		}
		if got, want := w.refusedKeys(), []string{"1 100", "1 120", "1 20", "1 80", "2 40"}; !slices.Equal(got, want) {
			t.Errorf("refused by then: %q, want %q", got, want)
		}

		code, other := "1003", "-"
		if api == "soap" {
			code, other = "-", "1003"
		}
		if text := w.succeeds("backfill", "retry", "items", "--code", other); !strings.Contains(text, "no such row is refused") {
			t.Errorf("by a code that none has: %s", text)
		}
		w.sim.Heal()
		w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 100, Code: "1003", Message: "not this one"}})
		if text := w.succeeds("backfill", "retry", "items", "--code", code); !strings.Contains(text, "items: about 5 rows of public.items, ") || !strings.Contains(text, " call") {
			t.Errorf("what it costs is not told: %s", text)
		}
		if done := w.awaitBackfill(p, "done"); done.ID != 3 || done.Rows != 5 || done.Refused != 1 {
			t.Errorf("retry: the backfill says %+v", done)
		}
		if got, want := w.refusedKeys(), []string{"3 100"}; !slices.Equal(got, want) {
			t.Errorf("refused in the end: %q, want %q", got, want)
		}
		w.sim.Heal()
		if got, want := w.missing("--repair"), []string{"id=100 true"}; !slices.Equal(got, want) {
			t.Errorf("the audit finds %q, want %q", got, want)
		}
		if left, missing := w.refusedKeys(), w.missing(); len(left)+len(missing) != 0 {
			t.Errorf("after the repair %q are refused, and %q missing", left, missing)
		}
		if text := w.succeeds("backfill", "retry", "--all"); !strings.Contains(text, "no such row is refused") {
			t.Errorf("none is left: %s", text)
		}
		w.itemsAgree()
		p.stop(t)
	})
}

// TestRefusedRowsThatChange: a change that comes after the refusal has the word about the
// row, confirmed or parked, also over a restart; others stay refused.
func TestRefusedRowsThatChange(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w, p := refusing(t, api, 90, 4)
		left := func(want ...string) {
			t.Helper()
			await(t, 20*time.Second, func() (bool, string) {
				got := w.refusedKeys()
				return slices.Equal(got, want), fmt.Sprintf("%q are refused, want %q", got, want)
			})
		}
		w.exec(`UPDATE items SET version = 1 WHERE id = 20`) // refused again: it is parked
		w.awaitParked(1)
		left("1 40", "1 60", "1 80")
		w.sim.Heal()
		w.exec(`UPDATE items SET version = 1 WHERE id = 40`)
		w.exec(`DELETE FROM items WHERE id = 60`)
		left("1 80")
		p.stop(t)
		p = w.start()
		left("1 80")
		w.exec(`UPDATE items SET version = 1 WHERE id IN (80, 81)`)
		left()
		w.succeeds("parked", "retry", "--all")
		w.awaitParked(0)
		w.settle(p)
		w.itemsAgree()
		p.stop(t)
	})
}

package acceptance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// TestUsageOfOthers has another integration make calls: over REST the status counts
// them apart from ours, for one call of the day; over SOAP it says nothing of them.
// Backfills are in the JSON.
func TestUsageOfOthers(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{})
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 10, calls_per_day: 10000, instance_calls_per_day: 50000}"
		other, err := rest.New(rest.Config{Endpoint: w.config.endpoint, User: simulator.DefaultClientID, Secret: func() (string, error) { return simulator.DefaultClientSecret, nil }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.Close)
		for range 7 {
			if _, err := other.Usage(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		p := w.start()
		w.exec(`UPDATE items SET version = 1`)
		w.settle(p)
		type told struct {
			snapshot.Status
			Backfills []admin.Backfill `json:"backfills"`
		}
		ask := func() (s told) {
			t.Helper()
			output, _ := w.command("status", "--json")
			if err := json.Unmarshal([]byte(output), &s); err != nil || s.Report == nil {
				t.Fatal(err, output)
			}
			return s
		}
		if api == "soap" {
			time.Sleep(time.Until(began.Add(7 * time.Second)))
			if s := ask(); s.Report.Calls.Others != nil {
				t.Errorf("others %v", s.Report.Calls.Others)
			}
			p.stop(t)
			return
		}
		await(t, 20*time.Second, func() (bool, string) {
			s := ask()
			return s.Report.Calls.Others != nil, "the calls of others are not known"
		})
		s := ask()
		if n, all := *s.Report.Calls.Others, w.sim.Stats().RESTToday; n != 7 || all != s.Report.Calls.Today+7 {
			t.Errorf("others have made %d calls, want 7; Marketo has counted %d, we %d", n, all, s.Report.Calls.Today)
		}
		if text, _ := w.command("status"); !strings.Contains(text, "; other integrations have made 7, as of ") || !strings.Contains(text, " of the instance's 50,000") {
			t.Error(text)
		}
		if _, body := w.get("/metrics"); !strings.Contains(body, "cdcsync_quota_others_calls 7\n") {
			t.Error("no metric")
		}
		if output, code := w.command("backfill", "start", "items"); code != 0 {
			t.Fatal(output)
		}
		if s := ask(); len(s.Backfills) != 1 || s.Backfills[0].Mapping != "items" {
			t.Errorf("backfills %+v", s.Backfills)
		}
		p.stop(t)
		w.noViolations()
	})
}

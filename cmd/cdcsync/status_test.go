package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// well is the status of a daemon that delivers.
func well() snapshot.Status {
	through, behind, perCall, perChange := noon.Add(-90*time.Second), 90.0, 99.5, 10.04
	safe := int64(1 << 30)
	return snapshot.Status{
		State: "delivering", Ready: true, Version: "1.2.3", Time: noon,
		Report: &snapshot.Report{
			Through: &through, Behind: &behind, Pending: 1234, PendingBytes: 2 << 20, Parked: 3,
			Calls: snapshot.Calls{
				InFlight: 2, Today: 3120, Limit: 10000, Resets: noon.Add(6 * time.Hour), Sent: 20, Objects: 1990,
				PerCall: &perCall, PerChange: &perChange, Faults: map[string]uint64{"retry http_503": 2, "rate 606": 1},
			},
			Source: snapshot.Source{Slot: "cdcsync", Connected: true, Received: "0/30", Checkpoint: "0/20", Confirmed: "0/10", Lag: 1536, CatchUp: 120, Retained: 2048, MostRetained: 10 << 30, Safe: &safe, Drop: 7200},
			Mappings: []snapshot.Mapping{
				{Name: "roadshow", Object: "RoadShow", Rows: 12345, Filtered: 6, Coalesced: 7, Confirmed: 11111,
					Statuses: map[string]uint64{"CREATED": 11000, "FAILED": 3}, Pending: 1234, Parked: 3, Latency: &snapshot.Latency{P50: 0.25, P99: 75}},
				{Name: "orders", Object: "Order", Statuses: map[string]uint64{}, Blocked: "marketo rejects every object"},
			},
		},
	}
}

const wellText = `ready: delivering

in Marketo    everything except 3 parked objects committed by 2026-03-01 11:58:30 UTC, 1m 30s ago
waiting       1,234 objects (2.0 MiB)
parked        3 objects; see cdcsync parked list
calls today   3,120 of 10,000; the day ends in 6h 0m
calls         20 since the start, 2 in flight, 99.5 objects per call, 10.0 calls per 1,000 changes
failed calls  rate 606 1, retry http_503 2
slot          cdcsync: received 0/30, checkpoint 0/20, acknowledged 0/10, lag 1.5 KiB, 2m 0s to go at this rate
WAL kept      2.0 KiB of 10.0 GiB; after 1.0 GiB more PostgreSQL may drop the slot, in 2h 0m at this rate
version       1.2.3

MAPPING     ROWS  FILTERED  COALESCED  CONFIRMED  CREATED  FAILED  PENDING  PARKED    P50     P99
roadshow  12,345         6          7     11,111   11,000       3    1,234       3  250ms  1m 15s
orders         0         0          0          0        0       0        0       0      -       -

orders is blocked: marketo rejects every object
`

func TestStatusOfADaemonThatIsReady(t *testing.T) {
	o := &office{status: well()}
	file := o.open(t)
	output, mistake, code := command(t, "status", "-c", file)
	if code != 0 || output != wellText {
		t.Errorf("got exit code %d %s\n%s\nwant 0\n%s", code, mistake, output, wellText)
	}
	output, _, code = command(t, "status", "--address", o.address, "--json")
	var got snapshot.Status
	if err := json.Unmarshal([]byte(output), &got); err != nil || code != 0 || got.State != "delivering" || len(got.Report.Mappings) != 2 {
		t.Errorf("as JSON: got exit code %d, %v\n%s", code, err, output)
	}
}

func TestStatusOfADaemonThatIsNotReady(t *testing.T) {
	o := &office{status: snapshot.Status{
		State: "disconnected", Reason: "not connected to postgresql: refused\x1b[2J", Advice: "it tries again by itself", Version: "1.2.3",
	}}
	output, mistake, code := command(t, "status", "-c", o.open(t))
	const want = "NOT READY (disconnected): not connected to postgresql: refused\uFFFD[2J\nWhat to do: it tries again by itself\n\nversion       1.2.3\n"
	if code != 1 || mistake != "status: not ready" || output != want {
		t.Errorf("got exit code %d %q\n%q\nwant 1\n%q", code, mistake, output, want)
	}
	if output, _, code = command(t, "status", "--address", o.address, "--json"); code != 1 || !strings.Contains(output, `"ready": false`) {
		t.Errorf("as JSON: got exit code %d\n%s", code, output)
	}
}

func TestStatusTellsAllObstacles(t *testing.T) {
	s := well()
	s.Ready, s.State, s.Reason, s.Advice = false, "unfit", "table is out", "put it back"
	s.Obstacles = []snapshot.Obstacle{
		{State: "unfit", Reason: "table is out", Advice: "put it back"},
		{State: "mapping_blocked", Reason: "refused", Advice: "fix it"}, {State: "holding", Reason: "held"},
	}
	const want = "NOT READY (unfit): table is out\nWhat to do: put it back\nALSO (mapping_blocked): refused\nWhat to do: fix it\nALSO (holding): held\n\nin Marketo"
	if got := statusText(s); !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant at its start:\n%s", got, want)
	}
}

// TestStatusTellsNoReasonTwice: a mapping that stands has its reason at the top, and so
// has what is to be done about several.
func TestStatusTellsNoReasonTwice(t *testing.T) {
	s := well()
	s.Ready, s.State, s.Reason, s.Advice = false, "mapping_stopped", "mapping orders is stopped at 0/20: the table was truncated", "start again"
	s.Obstacles = []snapshot.Obstacle{
		{State: "mapping_stopped", Reason: s.Reason, Advice: s.Advice},
		{State: "mapping_paused", Reason: "mapping roadshow is paused: since noon, by cdcsync pause", Advice: "resume it"},
		{State: "mapping_paused", Reason: "mapping visits is paused: since noon, by cdcsync pause", Advice: "resume it"},
	}
	s.Report.Mappings[1].Blocked, s.Report.Mappings[1].Stopped = "", "the table was truncated"
	s.Report.Mappings[0].Paused, s.Report.Mappings[0].PausedWAL = "since noon, by cdcsync pause", 1<<20
	got := statusText(s)
	for text, want := range map[string]int{"the table was truncated": 1, "What to do: resume it": 1, "\nroadshow is paused; 1.0 MiB of WAL are kept for it\n": 1, "orders is stopped": 1} {
		if n := strings.Count(got, text); n != want {
			t.Errorf("%q stands there %d times, want %d:\n%s", text, n, want, got)
		}
	}
}

func TestStatusLines(t *testing.T) {
	tests := []struct {
		name   string
		change func(*snapshot.Status)
		want   string
	}{
		{"nothing behind", func(s *snapshot.Status) { *s.Report.Behind = 0 }, "in Marketo    everything except 3 parked objects, as of 2026-03-01 12:00:00 UTC\n"},
		{"not known", func(s *snapshot.Status) { s.Report.Through, s.Report.Behind = nil, nil }, "in Marketo    not known yet"},
		{"nothing parked", func(s *snapshot.Status) { s.Report.Parked = 0 }, "parked        0 objects\n"},
		{"held", func(s *snapshot.Status) { s.Report.Held = 2 }, "; newer values of 2 keys are held"},
		{"memory is used up", func(s *snapshot.Status) { s.Report.Backpressure = true }, "; reading waits, PostgreSQL keeps the WAL\n"},
		{"no limit of calls", func(s *snapshot.Status) { s.Report.Calls.Limit = 0 }, "3,120, no limit; the day ends"},
		{"calls run short", func(s *snapshot.Status) { s.Report.Calls.Pace = 30 }, "leave every 30s\n"},
		{"Marketo's word", func(s *snapshot.Status) { s.Report.Calls.Exhausted = true }, "Marketo says that they are used up"},
		{"unknown outcomes", func(s *snapshot.Status) { s.Report.Calls.Unknown = 4 }, ", 4 with an unknown outcome"},
		{"limited", func(s *snapshot.Status) { s.Report.Calls.Limited = "rate" }, "waits for the limit: rate"},
		{"nothing confirmed yet", func(s *snapshot.Status) { s.Report.Source.Confirmed = "" }, "checkpoint 0/20, lag"},
		{"no connection", func(s *snapshot.Status) { s.Report.Source.Connected = false }, "; not connected\n"},
		{"all delivered", func(s *snapshot.Status) { s.State, s.Report.Parked = "current", 0 }, "ready: everything is delivered\n"},
		{"all delivered but one", func(s *snapshot.Status) { s.State, s.Report.Parked = "current", 1 }, "ready: everything except 1 parked object is delivered\n"},
		{"all delivered but nine", func(s *snapshot.Status) { s.State, s.Report.Parked = "current", 9 }, "ready: everything except 9 parked objects is delivered\n"},
		{"lag grows", func(s *snapshot.Status) { s.Report.Source.Growing = true }, "lag 1.5 KiB and growing\n"},
		{"WAL without limit", func(s *snapshot.Status) { s.Report.Source.Safe = nil }, "WAL kept      2.0 KiB of 10.0 GiB; PostgreSQL keeps it without limit"},
		{"a state of a newer release", func(s *snapshot.Status) { s.State = "dreaming" }, "ready: dreaming\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s)
			if got := statusText(s); !strings.Contains(got, tt.want) {
				t.Errorf("got:\n%s\nwant in it: %q", got, tt.want)
			}
		})
	}
}

// flaky is a daemon that does not answer every second time.
type flaky struct{ asked int }

func (f *flaky) Status(context.Context) (snapshot.Status, error) {
	f.asked++
	if f.asked%2 == 0 {
		return snapshot.Status{}, admin.ErrUnreachable
	}
	return well(), nil
}

func (f *flaky) Backfills(context.Context, admin.BackfillAsk) (admin.Backfills, error) {
	return admin.Backfills{}, admin.ErrUnreachable
}

func TestStatusTellsBackfills(t *testing.T) {
	ended := noon
	got := statusText(well(), []admin.Backfill{
		{Mapping: "old", State: "done", Ended: &ended},
		{Mapping: "visits", State: "done", Ended: &ended, Rows: 5000, Refused: 2499},
		{Mapping: "visits", State: "done", Ended: &ended, Rows: 2, Refused: 1},
		{Mapping: "again", State: "done", Ended: &ended, Rows: 7},
		{Mapping: "roadshow", State: "running", Rows: 1200, Estimate: 10000, Objects: 1100, Refused: 2, CallsLeft: 88, SecondsLeft: 180},
		{Mapping: "orders", State: "failed", Estimate: 5, Reason: "no right\x1b[2J", SecondsLeft: 3},
	}...)
	const want = "\nbackfill      visits: done, 2,499 of 5,000 rows refused; see cdcsync backfill list --refused\n" +
		"backfill      visits: done, 1 of 2 rows refused; see cdcsync backfill list --refused\n" +
		"backfill      roadshow: running, 1,200 of about 10,000 rows, 1,100 objects, 2 refused, 88 calls and 3m 0s left\n" +
		"backfill      orders: failed, 0 of about 5 rows, 0 objects; no right\uFFFD[2J\nversion "
	if !strings.Contains(got, want) || strings.Contains(got, "old:") || strings.Contains(got, "again:") {
		t.Errorf("got:\n%s\nwant in it:\n%s", got, want)
	}
}

func TestForecastOfCalls(t *testing.T) {
	three, five, others := noon.Add(3*time.Hour), noon.Add(5*time.Hour), 4500
	zone := noon.Format("MST")
	tests := []struct {
		name  string
		calls snapshot.Calls
		want  string
	}{
		{"they last", snapshot.Calls{Today: 5000, Limit: 10000}, ""},
		{"they do not", snapshot.Calls{Today: 8000, Limit: 10000, UsedUp: &three}, "; at the rate of the day so far they are used up at 2026-03-01 15:00:00 " + zone},
		{"others", snapshot.Calls{Today: 500, Others: &others, OthersAt: &noon}, "; other integrations have made 4,500, as of 2026-03-01 12:00:00 " + zone},
		{"others of an instance", snapshot.Calls{Today: 500, Others: &others, OthersAt: &noon, Instance: 50000}, "; other integrations have made 4,500, as of 2026-03-01 12:00:00 " + zone + ", which leaves 45,000 of the instance's 50,000"},
		{"all of an instance", snapshot.Calls{Today: 500, Others: &others, OthersAt: &noon, Instance: 6000, InstanceUsedUp: &five}, "; other integrations have made 4,500, as of 2026-03-01 12:00:00 " + zone +
			", which leaves 1,000 of the instance's 6,000: all together they are used up at 2026-03-01 17:00:00 " + zone + " at the rate of the day so far"},
	}
	for _, tt := range tests {
		if got := forecast(tt.calls); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		var out bytes.Buffer
		if err := watchStatus(ctx, &out, &flaky{}, false); err != nil {
			t.Errorf("got %v, want none at the end", err)
		}
		if got, want := strings.Count(out.String(), wellText), 2; got != want {
			t.Errorf("statuses: got %d, want %d in\n%s", got, want, out.String())
		}
		if got, want := strings.Count(out.String(), "no answer at "), 2; got != want {
			t.Errorf("times without an answer: got %d, want %d in\n%s", got, want, out.String())
		}
	})
}

func TestWatchAsJSONIsOneLineEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var out bytes.Buffer
		if err := watchStatus(ctx, &out, &flaky{}, true); err != nil {
			t.Errorf("got %v, want none at the end", err)
		}
		var s snapshot.Status
		if err := json.Unmarshal(out.Bytes(), &s); err != nil || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("got %v\n%s", err, out.String())
		}
	})
}

package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// stage is a daemon that says what a test wants it to say, behind the real
// endpoints.
type stage struct {
	*httptest.Server
	login     admin.Login
	mu        sync.Mutex
	status    snapshot.Status
	backfills []admin.Backfill
	parked    []checkpoint.Parked
	traced    admin.Traced
	// history is what there is before now; a point comes with each question.
	history snapshot.History
	// did is what was done, in the words of the API.
	did []string
	// streams are the connections that are kept for events.
	streams atomic.Int32
}

const token = "0f1e2d3c4b5a69788796a5b4"

var withToken = admin.Login{Token: func() (string, error) { return token, nil }}

func newStage(t *testing.T, status snapshot.Status, change ...func(*stage)) *stage {
	t.Helper()
	s := &stage{status: status}
	for _, c := range change {
		c(s)
	}
	ending := make(chan struct{})
	handler := admin.New(s.options(ending))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/events" {
			s.streams.Add(1)
			defer s.streams.Add(-1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(ending)
		s.Close()
	})
	return s
}

// do notes what was done.
func (s *stage) do(what string, body any) {
	text, _ := json.Marshal(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what+" "+string(text))
}

// done is what was done since it was asked last.
func (s *stage) done() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.did, "\n")
	s.did = nil
	return all
}

func (s *stage) options(ending chan struct{}) admin.Options {
	return admin.Options{
		Metrics: prometheus.NewRegistry(), Version: "1.2.3", Ending: ending, Login: s.login,
		Alive: func(context.Context) error { return nil },
		Ready: func(context.Context) (bool, string) { return true, "" },
		History: func(after time.Time) snapshot.History {
			if after.IsZero() && s.history.At != nil {
				return s.history
			}
			return new(snapshot.Record).After(after)
		},
		Status: func(context.Context) snapshot.Status {
			s.mu.Lock()
			defer s.mu.Unlock()
			now := s.status
			now.Version, now.Time = "1.2.3", time.Now().UTC()
			return now
		},
		Backfills: func(_ context.Context, ask admin.BackfillAsk) (admin.Backfills, error) {
			if ask.Action != admin.BackfillList {
				s.do(string(ask.Action), ask)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			return admin.Backfills{Backfills: s.backfills}, nil
		},
		EachParked: func(_ context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, p := range s.parked {
				if (filter.Mapping == "" || p.Mapping == filter.Mapping) && (filter.Key == "" || p.Key == filter.Key) {
					visit(p)
				}
			}
			return nil
		},
		Act: func(_ context.Context, keys []string, discard bool) (admin.Acted, error) {
			s.do(map[bool]string{true: "discard", false: "retry"}[discard], keys)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.parked = slices.DeleteFunc(s.parked, func(p checkpoint.Parked) bool { return slices.Contains(keys, p.Key) })
			return admin.Acted{Done: len(keys)}, nil
		},
		Pause: func(_ context.Context, ask admin.PauseAsk) (admin.Paused, error) {
			s.do(map[bool]string{true: "resume", false: "pause"}[ask.Resume], ask)
			return admin.Paused{Changed: ask.Mappings}, nil
		},
		Release: func(_ context.Context, mappings []string) (admin.Acted, error) {
			s.do("release", mappings)
			return admin.Acted{Done: 1}, nil
		},
		Trace: func(_ context.Context, mapping, key string) (admin.Traced, error) {
			s.do("trace", []string{mapping, key})
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.traced.Object == "" {
				return admin.Traced{}, errors.New("mapping orders has a key of one column: give one value")
			}
			return s.traced, nil
		},
		TraceMarketo: func(_ context.Context, ask admin.TraceAsk) (admin.InMarketo, error) {
			s.do("marketo", ask)
			return admin.InMarketo{Compared: true, Objects: []admin.StoredObject{{GUID: "dff23271-f996", Updated: "2026-11-30T03:00:00Z", Differs: []string{"city"}}}}, nil
		},
	}
}

// lot is n parked objects of two mappings and three codes.
func lot(n int) []checkpoint.Parked {
	var all []checkpoint.Parked
	kinds := [][3]string{{"roadshow", "1004", "Lead 'pat@example.com' not found"}, {"roadshow", "1003", "Value 'Attleborough' is too long for city"}, {"orders", "1003", "Value 'x' is not a number"}, {"orders", "null_key", "column \"id\" is null"}}
	began := time.Now().Add(-3 * time.Hour).UTC()
	for i := range n {
		k := kinds[[]int{0, 1, 0, 2, 0, 3, 0}[i%7]]
		p := checkpoint.Parked{
			Mapping: k[0], Object: k[0] + "_c", Key: fmt.Sprintf("%s/%d", k[0], i), Fields: fmt.Sprintf(`{"id":%d}`, 1000+i), Operation: "UPSERT", Payload: fmt.Sprintf(`{"id":%d,"city":"Attleborough"}`, 1000+i),
			At: pgoutput.Position{Commit: 0x16_4A00_0000}, Committed: began, Code: k[1], Message: k[2], Attempts: 1 + i%4, First: began.Add(time.Duration(i) * time.Second), Last: began.Add(time.Hour),
		}
		if k[1] == "1004" {
			p.Waits, p.Next = true, time.Now().Add(2*time.Hour)
		}
		all = append(all, p)
	}
	return all
}

// hours are the last two hours of a daemon: a busy one, with an outage.
func hours() snapshot.History {
	h := snapshot.History{Every: 10, Objects: map[string][]uint64{}}
	var rows, calls, created, updated, unsent, failed uint64
	today, pending := 2400, 0
	now := time.Now().Unix()
	for i := range 720 {
		at := now - int64(720-i)*10
		wave := 1 + math.Sin(float64(i)/60)*0.5 + math.Sin(float64(i)/7)*0.15
		outage := i > 420 && i < 450
		grew := uint64(120 * wave)
		rows += grew
		behind := 0.8 + wave
		if outage {
			pending += int(grew)
			behind = float64(i-420) * 10
		} else {
			sent := grew + uint64(pending)/4
			pending -= pending / 4
			pending = max(pending, int(40*wave))
			created, updated, unsent = created+sent/2, updated+sent/3, unsent+sent/6
			calls += 1 + sent/90
			today += int(1 + sent/90)
			if i%37 == 0 {
				failed++
			}
		}
		h.At, h.Behind = append(h.At, at), append(h.Behind, &behind)
		h.Pending, h.Parked, h.Today = append(h.Pending, pending), append(h.Parked, 3+i/120), append(h.Today, today)
		h.Rows, h.Calls = append(h.Rows, rows), append(h.Calls, calls)
		for name, n := range map[string]uint64{"CREATED": created, "UPDATED": updated, "FAILED": failed, "SKIPPED": 0, "DELETED": created / 40, snapshot.Unsent: unsent} {
			h.Objects[name] = append(h.Objects[name], n)
		}
	}
	return h
}

// loads are backfills in every state.
func loads() []admin.Backfill {
	began := time.Now().Add(-26 * time.Hour).UTC()
	return []admin.Backfill{
		{ID: 1, Mapping: "visits", Table: "public.visits", Object: "visit_c", State: "done", Rows: 120_000, Objects: 119_800, Refused: 200, Estimate: 120_000, Added: began, Started: &began, Ended: ago(20 * time.Hour)},
		{ID: 2, Mapping: "orders", Table: "public.orders", Object: "order_c", State: "failed", Reason: "its table has no unique key that is not deferrable", Estimate: 5000, Added: began.Add(3 * time.Hour)},
		{ID: 3, Mapping: "orders", Table: "public.orders", Object: "order_c", State: "paused", Where: `state == "CA"`, Rows: 900, Objects: 900, Estimate: 5000, CallsLeft: 14, SecondsLeft: 90, Added: began.Add(4 * time.Hour), Started: ago(time.Hour)},
		{ID: 4, Mapping: "roadshow", Table: "public.roadshow_visits", Object: "roadshow_c", State: "running", Rows: 312_400, Objects: 312_300, Refused: 41, Estimate: 1_000_000, CallsLeft: 2293, SecondsLeft: 8200, Day: 0.23, Added: began.Add(25 * time.Hour), Started: ago(time.Hour)},
	}
}

// say changes what the daemon says.
func (s *stage) say(change func(*snapshot.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// gone is where nobody listens any more.
func gone(t *testing.T, s *stage) {
	t.Helper()
	if err := s.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	s.CloseClientConnections()
}

func ago(d time.Duration) *time.Time {
	at := time.Now().Add(-d).UTC()
	return &at
}

func of[T any](v T) *T { return &v }

// well is a daemon that delivers.
func well() snapshot.Status {
	return snapshot.Status{State: "delivering", Ready: true, Report: &snapshot.Report{
		Through: ago(1200 * time.Millisecond), Behind: of(1.2), Pending: 412, PendingBytes: 618_000, Parked: 9,
		Calls: snapshot.Calls{
			InFlight: 2, Today: 3120, Limit: 10_000, Limit20s: 50, Resets: time.Now().Add(5*time.Hour + 10*time.Minute), Sent: 3120, Objects: 612_300,
			PerCall: of(196.3), PerChange: of(4.1), Faults: map[string]uint64{"retry http_503": 8}, Unknown: 1,
		},
		Source: snapshot.Source{
			Slot: "cdcsync", Connected: true, Connects: 3, Received: "16/4A0012F8", Checkpoint: "16/49FFE010", Confirmed: "16/49FF0000", Server: "16/4A001500",
			Lag: 13_552, Retained: 22_400_000, MostRetained: 10 << 30, Safe: of(int64(48 << 30)),
		},
		Mappings: []snapshot.Mapping{
			{Name: "roadshow", Object: "roadshow_c", Rows: 512_332, Filtered: 1205, Coalesced: 88_210, Unchanged: 12_400, Confirmed: 410_113, Statuses: map[string]uint64{"CREATED": 210_040, "UPDATED": 200_073, "FAILED": 7}, Pending: 400, Parked: 7, Latency: &snapshot.Latency{P50: 0.8, P99: 4.2}},
			{Name: "orders", Object: "order_c", Rows: 91_220, Coalesced: 4120, Confirmed: 87_100, Statuses: map[string]uint64{"CREATED": 60_010, "UPDATED": 27_090, "DELETED": 12}, Pending: 12, Parked: 2, Latency: &snapshot.Latency{P50: 0.9, P99: 6}},
			{Name: "visits", Object: "visit_c", Statuses: map[string]uint64{}},
		},
	}}
}

// ill is one that has reasons not to be ready.
func ill() snapshot.Status {
	s := well()
	s.State, s.Ready = "marketo_failing", false
	s.Reason = "calls to Marketo fail since 14:01:10 UTC: HTTP 503 from 123-abc-456.mktorest.com, 12 calls in a row"
	s.Advice = "it tries again by itself; cdcsync check looks at the endpoint and the credentials"
	s.Obstacles = []snapshot.Obstacle{
		{State: "marketo_failing", Reason: s.Reason, Advice: s.Advice},
		{State: "mapping_blocked", Reason: "mapping orders: 50 objects were refused in 3 calls and none was confirmed", Advice: "cdcsync parked list shows what Marketo says"},
		{State: "mapping_paused", Reason: "mapping visits waits since 2026-11-30 12:00:00 UTC", Advice: "cdcsync resume visits has it go on"},
	}
	s.Notices = []string{"the gap from 15/0A000000 to 15/0B000000 was accepted 2 days ago: changes in it were not delivered"}
	s.Report.Mappings[1].Blocked = "50 objects were refused in 3 calls, and none was confirmed in between"
	s.Report.Mappings[2].Paused, s.Report.Mappings[2].PausedWAL = "since 2026-11-30 12:00:00 UTC, by cdcsync pause: campaign freeze", 81<<20
	s.Report.Behind, s.Report.Through = of(754.0), ago(754*time.Second)
	s.Report.Source.Growing, s.Report.Source.Retained, s.Report.Source.Drop = true, 9<<30, 7*3600+1200
	s.Report.Calls.Today, s.Report.Calls.Limited = 9550, "quota"
	return s
}

type report = snapshot.Report

// more changes the report of a status.
func more(change func(*report)) func(*snapshot.Status) {
	return func(status *snapshot.Status) {
		r := *status.Report
		change(&r)
		status.Report = &r
	}
}

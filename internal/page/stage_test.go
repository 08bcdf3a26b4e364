package page_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// stage is a daemon that says what a test wants it to say, behind the real
// endpoints.
type stage struct {
	*httptest.Server
	mu        sync.Mutex
	status    snapshot.Status
	backfills []admin.Backfill
	paused    []admin.PauseAsk
}

func newStage(t *testing.T, status snapshot.Status) *stage {
	t.Helper()
	s := &stage{status: status}
	ending := make(chan struct{})
	s.Server = httptest.NewServer(admin.New(s.options(ending)))
	t.Cleanup(func() {
		close(ending)
		s.Close()
	})
	return s
}

func (s *stage) options(ending chan struct{}) admin.Options {
	return admin.Options{
		Metrics: prometheus.NewRegistry(), Version: "1.2.3", Ending: ending,
		Alive:   func(context.Context) error { return nil },
		Ready:   func(context.Context) (bool, string) { return true, "" },
		History: func(time.Time) snapshot.History { return snapshot.History{} },
		Status: func(context.Context) snapshot.Status {
			s.mu.Lock()
			defer s.mu.Unlock()
			now := s.status
			now.Version, now.Time = "1.2.3", time.Now().UTC()
			return now
		},
		Backfills: func(_ context.Context, ask admin.BackfillAsk) (admin.Backfills, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if ask.Action != admin.BackfillList {
				return admin.Backfills{}, errors.New("nothing can be done about that now")
			}
			return admin.Backfills{Backfills: s.backfills}, nil
		},
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

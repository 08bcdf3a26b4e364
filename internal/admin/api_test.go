package admin_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

var update = flag.Bool("update", false, "write testdata/*.json instead of comparing with it")

// lot is a parking lot that a test fills.
type lot struct {
	parked []checkpoint.Parked
	err    error
	// keys and discard are those of the last action.
	keys    []string
	acted   bool
	discard bool
}

func (l *lot) each(_ context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
	for _, p := range l.parked {
		if (filter.Mapping == "" || p.Mapping == filter.Mapping) && (filter.Key == "" || p.Key == filter.Key) {
			visit(p)
		}
	}
	return l.err
}

func (l *lot) act(_ context.Context, keys []string, discard bool) (admin.Acted, error) {
	l.keys, l.discard, l.acted = keys, discard, true
	return admin.Acted{Done: len(keys)}, l.err
}

// noon is when the entries of tests were parked.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// parked is an entry parked so many minutes after noon.
func parked(mapping, code, key, fields string, minutes int) checkpoint.Parked {
	at := noon.Add(time.Duration(minutes) * time.Minute)
	return checkpoint.Parked{
		Mapping: mapping, Object: "RoadShow", Key: key, Fields: fields, Operation: "UPSERT",
		Payload: strings.TrimSuffix(fields, "}") + `,"city":"Town","size":12345678901234567890,"note":null}`,
		At:      pgoutput.Position{Commit: 0x16_0000_1234}, Committed: at.Add(-time.Second),
		Code: code, Message: "Marketo's words on " + code, Attempts: 2, First: at, Last: at.Add(time.Hour),
	}
}

// full holds a little of everything.
func full() *lot {
	waiting := parked("roadshow", "1004", "roadshow\x007\x0042\x00", `{"MKTOID":"7","rid":42}`, 1)
	waiting.Waits, waiting.Next = true, noon.Add(4*time.Hour)
	return &lot{parked: []checkpoint.Parked{
		parked("roadshow", "1003", "roadshow\x007\x0041\x00", `{"MKTOID":"7","rid":41}`, 0),
		waiting,
		parked("roadshow", "1003", "roadshow\x008\x0043\x00", `{"MKTOID":"8","rid":43}`, 2),
		parked("visits", "1003", "visit\x0042\x00", `{"id":42}`, 3),
		parked("orders", "", "order\x0042\x00", `{"id":42}`, 3),
		parked("visits", "null_key", "visit/0/16#2", `{}`, 4),
	}}
}

func (l *lot) options() admin.Options {
	o := options()
	o.Listen = "127.0.0.1:9640"
	o.EachParked, o.Act = l.each, l.act
	o.Status = func(context.Context) snapshot.Status { return snapshot.Status{State: "current", Ready: true} }
	o.Backfills = func(context.Context, admin.BackfillAsk) (admin.Backfills, error) { return admin.Backfills{}, nil }
	return o
}

// ask sends a request as the client does and returns what came.
func ask(t testing.TB, o admin.Options, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:9640"+path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set(admin.RequestHeader, "test")
	}
	w := httptest.NewRecorder()
	admin.New(o).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("got:\n%s\nwant (%s; -update writes it):\n%s", got, file, want)
	}
}

func TestStatusIsServed(t *testing.T) {
	o := full().options()
	through, behind, perCall, perChange := noon, 1.5, 99.5, 10.25
	o.Status = func(context.Context) snapshot.Status {
		return snapshot.Status{
			State: "quota_used", Reason: "the calls of the day are used up", Advice: "wait", Version: "1.2.3", Time: noon,
			Report: &snapshot.Report{
				Through: &through, Behind: &behind, Pending: 5, PendingBytes: 4096, Held: 1, Parked: 6,
				Calls: snapshot.Calls{
					InFlight: 2, Today: 10000, Limit: 10000, Resets: noon.Add(18 * time.Hour), Sent: 10, Objects: 995,
					Limited: "quota", Faults: map[string]uint64{"retry http_503": 3}, PerCall: &perCall, PerChange: &perChange,
				},
				Source: snapshot.Source{Slot: "cdcsync", Connected: true, Connects: 1, Received: "0/20", Checkpoint: "0/10", Confirmed: "0/10", Lag: 16},
				Mappings: []snapshot.Mapping{{
					Name: "roadshow", Object: "RoadShow", Rows: 1000, Filtered: 3, Coalesced: 2, Confirmed: 984,
					Statuses: map[string]uint64{"CREATED": 900, "UPDATED": 84, "FAILED": 6}, Pending: 5, Parked: 6,
					Latency: &snapshot.Latency{P50: 0.2, P99: 1.5},
				}},
			},
		}
	}
	status, body := ask(t, o, "GET", "/api/v1/status", "")
	if status != http.StatusOK {
		t.Errorf("status: got %d, want 200", status)
	}
	golden(t, "status", body)
}

func TestParkedIsListed(t *testing.T) {
	tests := []struct{ name, query string }{
		{"parked", ""},
		{"parked_groups", "?limit=0"},
		{"parked_waiting", "?waits=true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := ask(t, full().options(), "GET", "/api/v1/parked"+tt.query, "")
			if status != http.StatusOK {
				t.Errorf("status: got %d, want 200", status)
			}
			if strings.Contains(body, "Town") {
				t.Error("a listing shows a value")
			}
			golden(t, tt.name, body)
		})
	}
}

func TestParkedIsShown(t *testing.T) {
	status, body := ask(t, full().options(), "GET", "/api/v1/parked/MKTOID=7,rid=42", "")
	if status != http.StatusOK {
		t.Errorf("status: got %d, want 200", status)
	}
	golden(t, "parked_entry", body)

	spoilt := full()
	spoilt.parked[0].Payload = "no JSON"
	if _, body := ask(t, spoilt.options(), "GET", "/api/v1/parked/MKTOID=7,rid=41", ""); !strings.Contains(body, `"payload": "no JSON"`) {
		t.Errorf("payload that is no JSON: got %s", body)
	}
}

// serve gives the client something to ask, on a real connection.
func serve(t *testing.T, o admin.Options) *admin.Client {
	t.Helper()
	listener := admin.Listener(t)
	o.Listen = listener.Addr().String()
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: admin.New(o)}}
	server.Start()
	t.Cleanup(server.Close)
	client, err := admin.NewClient(o.Listen)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func listed(t *testing.T, client *admin.Client, q admin.Query) string {
	t.Helper()
	p, err := client.Parked(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if q.Limit == 0 && p.Total != len(p.Entries) {
		t.Errorf("total: got %d, want %d", p.Total, len(p.Entries))
	}
	var keys []string
	for _, e := range p.Entries {
		keys = append(keys, e.Mapping+":"+e.Key)
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

func TestFilters(t *testing.T) {
	client := serve(t, full().options())
	shown, err := client.Show(t.Context(), "rid=41,MKTOID=7", "")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		query admin.Query
		want  string
	}{
		{"mapping", admin.Query{Mapping: "visits"}, "visits: visits:id=42"},
		{"code", admin.Query{Code: "1003"}, "roadshow:MKTOID=7,rid=41 roadshow:MKTOID=8,rid=43 visits:id=42"},
		{"no code", admin.Query{Code: admin.NoCode}, "orders:id=42"},
		{"mapping and code", admin.Query{Mapping: "visits", Code: "1003"}, "visits:id=42"},
		{"waiting", admin.Query{Waiting: true}, "roadshow:MKTOID=7,rid=42"},
		{"key", admin.Query{Key: "id=42"}, "orders:id=42 visits:id=42"},
		{"key in another order", admin.Query{Key: "rid=42,MKTOID=7"}, "roadshow:MKTOID=7,rid=42"},
		{"part of a key", admin.Query{Key: "rid=42"}, ""},
		{"id", admin.Query{Key: shown.ID}, "roadshow:MKTOID=7,rid=41"},
		{"unknown id", admin.Query{Key: "000000000000"}, ""},
		{"unknown mapping", admin.Query{Mapping: "none"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := listed(t, client, tt.query); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A page must neither repeat nor leave out an entry, whatever is resolved
// meanwhile, and although many entries are parked at the same time.
func TestPages(t *testing.T) {
	const total = 1000
	l := &lot{}
	for i := range total {
		l.parked = append(l.parked, parked("visits", "1003", fmt.Sprintf("visit\x00%d\x00", i), fmt.Sprintf(`{"id":%d}`, i), i/300))
	}
	client := serve(t, l.options())
	seen := map[string]bool{}
	for q := (admin.Query{Limit: 70}); ; {
		p, err := client.Parked(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			if seen[e.Key] {
				t.Fatalf("%s came twice", e.Key)
			}
			seen[e.Key] = true
		}
		if q.After = p.Next; q.After == "" {
			break
		}
		// The entry that the next page begins after is among those that go.
		l.parked = slices.DeleteFunc(l.parked, func(p checkpoint.Parked) bool {
			return seen[strings.NewReplacer("{", "", "}", "", `"`, "", ":", "=").Replace(p.Fields)]
		})
	}
	if len(seen) != total {
		t.Errorf("seen: got %d, want %d", len(seen), total)
	}
}

func TestActions(t *testing.T) {
	all := []string{"roadshow\x007\x0041\x00", "roadshow\x007\x0042\x00", "roadshow\x008\x0043\x00", "visit\x0042\x00", "order\x0042\x00", "visit/0/16#2"}
	tests := []struct {
		name     string
		selector admin.Selector
		want     []string
		mistake  string
	}{
		{"all", admin.Selector{All: true}, all, ""},
		{"mapping", admin.Selector{Mapping: "visits"}, []string{all[3], all[5]}, ""},
		{"code", admin.Selector{Code: "1003"}, []string{all[0], all[2], all[3]}, ""},
		{"no code", admin.Selector{Code: "-"}, []string{all[4]}, ""},
		{"mapping and code", admin.Selector{Mapping: "roadshow", Code: "1004"}, []string{all[1]}, ""},
		{"key", admin.Selector{Key: "MKTOID=8,rid=43"}, []string{all[2]}, ""},
		{"key in one of two mappings", admin.Selector{Key: "id=42", Mapping: "orders"}, []string{all[4]}, ""},
		{"key in two mappings", admin.Selector{Key: "id=42"}, nil, "more than one mapping; say which: orders, visits"},
		{"unknown key", admin.Selector{Key: "id=43", Mapping: "orders"}, nil, "nothing is parked as id=43 in mapping orders"},
		{"nothing fits", admin.Selector{Code: "9"}, []string{}, ""},
		{"nothing selected", admin.Selector{}, nil, "nothing is selected"},
		{"all and something", admin.Selector{All: true, Mapping: "visits"}, nil, "all stands beside"},
	}
	for _, tt := range tests {
		for _, discard := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, discard %v", tt.name, discard), func(t *testing.T) {
				l := full()
				client := serve(t, l.options())
				act := client.Retry
				if discard {
					act = client.Discard
				}
				acted, err := act(t.Context(), tt.selector)
				if tt.mistake != "" {
					if err == nil || !strings.Contains(err.Error(), tt.mistake) || l.acted {
						t.Errorf("got %v, acted %v, want %q and no action", err, l.acted, tt.mistake)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !l.acted || !slices.Equal(l.keys, tt.want) || l.discard != discard || acted.Done != len(tt.want) {
					t.Errorf("got %q, discard %v, done %d, want %q, %v", l.keys, l.discard, acted.Done, tt.want, discard)
				}
			})
		}
	}
}

func TestErrorsAreAnswered(t *testing.T) {
	broken := full()
	broken.err = errors.New("the disk is gone")
	tests := []struct {
		name         string
		lot          *lot
		method, path string
		body         string
		status       int
		text         string
	}{
		{"list", broken, "GET", "/api/v1/parked", "", 500, "the disk is gone"},
		{"show", broken, "GET", "/api/v1/parked/id=1", "", 500, "the disk is gone"},
		{"act", broken, "POST", "/api/v1/parked/retry", `{"all":true}`, 500, "the disk is gone"},
		{"no such entry", full(), "GET", "/api/v1/parked/id=1", "", 404, "nothing is parked as id=1"},
		{"entry of two mappings", full(), "GET", "/api/v1/parked/id=42", "", 409, "orders, visits"},
		{"entry of one mapping", full(), "GET", "/api/v1/parked/id=42?mapping=visits", "", 200, `"mapping": "visits"`},
		{"unknown parameter", full(), "GET", "/api/v1/parked?mapings=x", "", 400, "mapings is not known"},
		{"parameter twice", full(), "GET", "/api/v1/parked?code=1&code=2", "", 400, "more than once"},
		{"bad limit", full(), "GET", "/api/v1/parked?limit=-1", "", 400, "whole numbers from 0 to 1000"},
		{"large limit", full(), "GET", "/api/v1/parked?limit=1001", "", 400, "whole numbers from 0 to 1000"},
		{"bad waits", full(), "GET", "/api/v1/parked?waits=yes", "", 400, "true and false"},
		{"bad after", full(), "GET", "/api/v1/parked?after=7", "", 400, "not the next of an earlier answer"},
		{"no JSON", full(), "POST", "/api/v1/parked/retry", `all`, 400, "not as it should be"},
		{"unknown key", full(), "POST", "/api/v1/parked/discard", `{"all":true,"maping":"x"}`, 400, "maping"},
		{"two values", full(), "POST", "/api/v1/parked/discard", `{"all":true}{}`, 400, "more than one value"},
		{"large body", full(), "POST", "/api/v1/parked/discard", `{"key":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "too large"},
		{"get of an action", full(), "GET", "/api/v1/parked/retry", "", 404, "nothing is parked as retry"},
		{"post of a listing", full(), "POST", "/api/v1/parked", "{}", 405, ""},
		{"put of an action", full(), "PUT", "/api/v1/parked/retry", "{}", 405, ""},
		{"delete of an entry", full(), "DELETE", "/api/v1/parked/id=42", "", 405, ""},
		{"unknown path", full(), "GET", "/api/v1/nothing", "", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := ask(t, tt.lot.options(), tt.method, tt.path, tt.body)
			if status != tt.status || !strings.Contains(body, tt.text) {
				t.Errorf("got %d %s, want %d and %q", status, body, tt.status, tt.text)
			}
			if tt.lot.acted && tt.status != 200 && tt.lot.err == nil {
				t.Error("acted all the same")
			}
		})
	}
}

// mistaken is an error of who asks.
type mistaken struct{ error }

func (mistaken) Mistaken() {}

// A name that nothing goes by is told from a daemon that cannot answer just now.
func TestNamesThatNothingGoesBy(t *testing.T) {
	for status, err := range map[int]error{404: fmt.Errorf("pause: %w", mistaken{errors.New("there is no mapping x")}), 503: errors.New("still starting")} {
		o := full().options()
		o.Pause = func(context.Context, admin.PauseAsk) (admin.Paused, error) { return admin.Paused{}, err }
		if got, body := ask(t, o, "POST", "/api/v1/pause", `{"mappings":["x"]}`); got != status || !strings.Contains(body, err.Error()) {
			t.Errorf("got %d %s, want %d", got, body, status)
		}
	}
}

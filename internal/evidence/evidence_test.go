package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/evidence"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// call took 10 ms and was executed in the middle of it.
func call(id, start int) evidence.Call {
	return evidence.Call{ID: id, Start: at(start), Applied: at(start + 5), End: at(start + 10), Answered: true}
}

func unanswered(c evidence.Call) evidence.Call {
	c.Answered = false
	return c
}

// log is that of one object: call i carried versions[i], 100 ms after the one
// before it.
func log(versions ...int64) evidence.Log {
	l := evidence.Log{Calls: map[int]evidence.Call{}, Writes: map[string][]evidence.Write{}}
	for i, version := range versions {
		l.Calls[i] = call(i, 100*i)
		l.Writes["a"] = append(l.Writes["a"], evidence.Write{Version: version, Call: i, At: l.Calls[i].Applied})
	}
	return l
}

func check(t *testing.T, v evidence.Verdict, want string) {
	t.Helper()
	err := v.Err(1)
	if want == "" && err != nil {
		t.Errorf("%v", err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestOrder(t *testing.T) {
	late := log(1, 3, 2)
	slow := late.Calls[2]
	slow.Start = slow.Applied.Add(-time.Minute)
	late.Calls[2] = slow
	for name, tt := range map[string]struct {
		log  evidence.Log
		want string
	}{
		"rising":                 {log(1, 2, 2, 5), ""},
		"back":                   {log(1, 3, 2), "went back from version 3 to 2"},
		"back for a while":       {log(6, 5, 6), "went back from version 6 to 5"},
		"back, but for too late": {late, ""},
		"nothing":                {evidence.Log{}, "prove nothing"},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.log.Order(30*time.Second), tt.want) })
	}
}

func TestOnce(t *testing.T) {
	check(t, log(0, 1, 4).Once(), "")
	check(t, log(1, 2, 2).Once(), "version 2 came after 2")
	check(t, log(2, 1).Once(), "version 1 came after 2")
	check(t, log().Once(), "prove nothing")
}

func TestRepeats(t *testing.T) {
	for name, tt := range map[string]struct {
		killed []time.Time
		calls  int
		log    evidence.Log
		again  int
		want   string
	}{
		"none":            {nil, 0, log(1, 2, 3), 0, ""},
		"within a life":   {nil, 5, log(1, 2, 2), 1, "sent again within a life"},
		"after a kill":    {[]time.Time{at(150)}, 1, log(1, 2, 2), 1, ""},
		"the kill before": {[]time.Time{at(50)}, 1, log(1, 2, 2), 1, "sent again within a life"},
		"too many calls":  {[]time.Time{at(150)}, 0, log(1, 2, 2), 1, "objects of 1 answered calls were sent again"},
	} {
		t.Run(name, func(t *testing.T) {
			v, again := evidence.Repeats{Killed: tt.killed, Calls: tt.calls, Patience: time.Second}.Hold(tt.log)
			check(t, v, tt.want)
			if again != tt.again {
				t.Errorf("%d sent again, want %d", again, tt.again)
			}
		})
	}
	lost := log(1, 1)
	lost.Calls[0] = unanswered(lost.Calls[0])
	v, again := evidence.Repeats{Patience: time.Second}.Hold(lost)
	if check(t, v, ""); again != 0 {
		t.Errorf("a call without an answer counts as repeated")
	}
}

func TestLimits(t *testing.T) {
	var calls []evidence.Call
	for i := range 10 {
		calls = append(calls, call(i, 1000*i))
	}
	beside := append(slices.Clone(calls), call(10, 3005))
	for name, tt := range map[string]struct {
		limits evidence.Limits
		calls  []evidence.Call
		want   string
	}{
		"within all":   {evidence.Limits{Window: 2 * time.Second, Calls: 2, AtOnce: 1, InAll: 10}, calls, ""},
		"window":       {evidence.Limits{Window: 2*time.Second + 1, Calls: 2}, calls, "3 calls began within"},
		"at once":      {evidence.Limits{AtOnce: 1}, beside, "2 calls ran at once"},
		"in all":       {evidence.Limits{InAll: 9}, calls, "10 calls, 9 are allowed"},
		"two at once":  {evidence.Limits{AtOnce: 2}, beside, ""},
		"without work": {evidence.Limits{}, nil, "prove nothing"},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.limits.Hold(tt.calls), tt.want) })
	}
}

func TestSlot(t *testing.T) {
	changes := []evidence.Committed{{End: 10, Key: "a", Version: 1}, {End: 20, Key: "a", Version: 2}, {End: 30, Key: "a", Version: 3}}
	good := []evidence.Position{{Confirmed: 5, At: at(0)}, {Confirmed: 10, At: at(20)}, {Confirmed: 30, At: at(400)}}
	lost := log(1, 2, 3)
	lost.Calls[2] = unanswered(lost.Calls[2])
	for name, tt := range map[string]struct {
		log       evidence.Log
		positions []evidence.Position
		want      string
	}{
		"behind the answers":        {log(1, 2, 3), good, ""},
		"a later version counts":    {log(1, 3), good, ""},
		"ahead of an answer":        {log(1, 2, 3), append(slices.Clone(good), evidence.Position{Confirmed: 20, At: at(50)}), "version 2, committed up to 0/14"},
		"ahead, and back":           {log(1, 2, 3), append(slices.Clone(good), evidence.Position{Confirmed: 40, At: at(30)}), "version 3"},
		"answered to nobody":        {lost, good, "version 3"},
		"never sent":                {log(1, 2), good, "version 3"},
		"never reached by the slot": {log(1, 2, 3), good[:2], "the slot never came there"},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.log.Slot(changes, tt.positions), tt.want) })
	}
	check(t, log(1).Slot(nil, good), "prove nothing")
}

const scrape = `# HELP cdcsync_objects_received_total x
# TYPE cdcsync_objects_received_total counter
cdcsync_objects_received_total{mapping="a b"} 10
cdcsync_objects_received_total{mapping="c"} 3
cdcsync_objects_coalesced_total{mapping="a b"} 4
cdcsync_delivery_latency_seconds_count{mapping="a b"} 5
cdcsync_delivery_latency_seconds_count{mapping="c"} 3
cdcsync_parked_total{mapping="a b"} 1
cdcsync_up 1
`

func TestBooks(t *testing.T) {
	m, err := evidence.ParseMetrics(scrape)
	if err != nil {
		t.Fatal(err)
	}
	check(t, m.Books(), "")
	if v := m.Books(); v.Seen != 13 {
		t.Errorf("%d objects seen, want 13", v.Seen)
	}
	m[`cdcsync_parked_total{mapping="a b"}`] = 0
	check(t, m.Books(), `mapping="a b": 10 objects received, 9 accounted for`)
	check(t, evidence.Metrics{}.Books(), "prove nothing")
}

func TestMetrics(t *testing.T) {
	m := evidence.Metrics{`a_total{mapping="x"}`: 1, `a_total{mapping="y"}`: 2, `a_total_more`: 4, `b`: 8}
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
		if got := m.Sum(tt.name, tt.labels...); got != tt.want {
			t.Errorf("Sum(%s, %v) = %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for _, bad := range []string{"a", "a{x=\"y\"} many"} {
		if _, err := evidence.ParseMetrics(bad); err == nil {
			t.Errorf("%q is read as a metric", bad)
		}
	}
}

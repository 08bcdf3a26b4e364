// Package snapshot is the daemon at one moment: the one picture that the metrics,
// the JSON API and the commands that ask it show.
//
// A fact is a field of one of these types, filled in beside it from what the
// machine and the connection report, and an entry among the metrics of the same
// file where Prometheus is to have it. The JSON is the API: a field's name and
// meaning stay. It knows no HTTP and asks nobody.
package snapshot

import (
	"cmp"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// Status is the answer to GET /api/v1/status. Times are RFC 3339 in UTC.
type Status struct {
	// State is what the daemon is doing, one word: "starting", "unresponsive",
	// or one of delivery.Conditions.
	State string `json:"state"`
	// Reason says why it is not ready, and Advice what to do; both are empty
	// when it is. They are those of the first of Obstacles.
	Reason string `json:"reason,omitempty"`
	Advice string `json:"advice,omitempty"`
	// Obstacles are all reasons why it is not ready, the worst first.
	Obstacles []Obstacle `json:"obstacles,omitempty"`
	// Notices are what happened to mapped tables and mappings since the start
	// that somebody should know, though delivery goes on.
	Notices []string `json:"notices,omitempty"`
	// Ready is what /readyz says.
	Ready   bool      `json:"ready"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	// Report is missing while the daemon is starting or does not answer.
	Report *Report `json:"report,omitempty"`
}

// Obstacle is one reason why the daemon is not ready.
type Obstacle struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	Advice string `json:"advice,omitempty"`
}

// Report is the part of a Status that comes from the pipeline. What it counts,
// it counts since the daemon started, except for the calls of today.
type Report struct {
	// Through is the commit time up to which everything is in Marketo, parked
	// objects aside. It is missing while that is not known.
	Through *time.Time `json:"confirmed_through,omitempty"`
	// Behind is the age of Through, 0 while everything is confirmed.
	Behind *float64 `json:"behind_seconds,omitempty"`
	// Pending counts the objects that are not settled, PendingBytes what they
	// take in memory.
	Pending      int `json:"pending_objects"`
	PendingBytes int `json:"pending_bytes"`
	// Held counts the keys whose newer values wait out a call with an unknown
	// outcome.
	Held int `json:"held_keys"`
	// Parked counts the objects that are parked now.
	Parked int `json:"parked_objects"`
	// Backpressure is set while reading waits: enough for the next calls is
	// held, or memory is used up.
	Backpressure bool      `json:"backpressure"`
	Calls        Calls     `json:"calls"`
	Source       Source    `json:"source"`
	Mappings     []Mapping `json:"mappings"`
	// from is what it was made of, set what holds it to bounds: for metrics.
	from delivery.Report
	set  Settings
	now  time.Time
}

// Settings are what is configured and shown beside what is.
type Settings struct {
	Slot        string
	CallsPerDay int
	// Instance is how many calls a day the whole instance has, 0 where that is not
	// known; Others what all others made of them today, nil where that is not, as of
	// OthersAt.
	Instance    int
	Others      *int
	OthersAt    time.Time
	CallsPer20s int
	// MaxRetainedWAL and MaxPendingBytes are in bytes.
	MaxRetainedWAL  int64
	MaxPendingBytes int
}

// Of makes a Report of what the pipeline reports.
func Of(r delivery.Report, set Settings, now time.Time) *Report {
	out := &Report{
		Pending: r.Pending, PendingBytes: r.Bytes, Held: r.Held, Parked: r.Parked, Backpressure: r.Backpressure,
		Calls: callsOf(r, set, now), Source: sourceOf(r, set, now),
		from: r, set: set, now: now,
	}
	if through := r.Freshness(now); !through.IsZero() {
		through, behind := through.UTC(), max(now.Sub(through), 0).Seconds()
		out.Through, out.Behind = &through, &behind
	}
	for i, m := range r.Mappings {
		out.Mappings = append(out.Mappings, mappingOf(m, r.Source.Rows[i], max(r.Source.Received, r.Source.Server)))
	}
	return out
}

// With is s with a report, and with what stands in the way, the worst first.
func (s Status) With(r *Report) Status {
	s.State, s.Ready, s.Report = string(r.from.Condition()), true, r
	var obstacles []Obstacle
	for _, o := range r.from.Obstacles() {
		obstacles = append(obstacles, Obstacle{
			State: string(o.Condition), Reason: o.Reason, Advice: cmp.Or(o.Remedy, advice[string(o.Condition)]),
		})
	}
	return s.notReady(obstacles...)
}

// Without is s where there is no report, in one of the states that are not the
// pipeline's own.
func (s Status) Without(state, reason string) Status {
	return s.notReady(Obstacle{State: state, Reason: reason, Advice: advice[state]})
}

func (s Status) notReady(obstacles ...Obstacle) Status {
	if len(obstacles) > 0 {
		worst := obstacles[0]
		s.State, s.Reason, s.Advice, s.Ready = worst.State, worst.Reason, worst.Advice, false
		s.Obstacles = obstacles
	}
	return s
}

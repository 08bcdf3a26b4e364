package snapshot

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Calls is about the calls to Marketo.
type Calls struct {
	InFlight int `json:"in_flight"`
	// Today counts those of the quota day, which ends at midnight US Central,
	// at Resets; Limit is what is configured for it, 0 for no limit.
	Today int `json:"today"`
	Limit int `json:"limit"`
	// Limit20s is what is configured for any 20 seconds, 0 for no limit.
	Limit20s int       `json:"limit_20s"`
	Resets   time.Time `json:"resets"`
	// UsedUp is when the calls of Limit are used up at the rate of the day so far;
	// missing where they last, and in the first half hour.
	UsedUp *time.Time `json:"used_up_at,omitempty"`
	// Others is how many calls all other integrations made today, by Marketo's count
	// as of OthersAt; missing where it does not say, as over SOAP.
	Others   *int       `json:"others_today,omitempty"`
	OthersAt *time.Time `json:"others_as_of,omitempty"`
	// Instance is what is configured for all of them together, 0 for unknown, and
	// InstanceUsedUp when that is used up, as UsedUp.
	Instance       int        `json:"instance_limit,omitempty"`
	InstanceUsedUp *time.Time `json:"instance_used_up_at,omitempty"`
	// Exhausted is set while Marketo itself says that the day is used up.
	Exhausted bool `json:"exhausted"`
	// Pace is the time between two batches that waiting can fill further while
	// the calls of the day run short, 0 otherwise.
	Pace float64 `json:"pace_seconds"`
	// Limited is the limit that the next call waits for: rate, concurrency,
	// quota, or missing.
	Limited string `json:"limited,omitempty"`
	Sent    uint64 `json:"sent"`
	Objects uint64 `json:"objects"`
	// Unknown counts calls with an unknown outcome.
	Unknown uint64 `json:"unknown_outcomes"`
	// Faults counts the calls that failed as a whole by class and code,
	// "retry http_503".
	Faults map[string]uint64 `json:"faults,omitempty"`
	// PerCall is objects per call, PerChange calls per 1,000 changes of mapped
	// rows, and rows of backfills and retries; both are missing before the first.
	PerCall   *float64 `json:"objects_per_call,omitempty"`
	PerChange *float64 `json:"calls_per_1000_changes,omitempty"`
}

// callsOf fills Calls in.
func callsOf(r delivery.Report, set Settings, now time.Time) Calls {
	c := Calls{
		InFlight: r.InFlight, Today: r.Quota.Calls, Limit: set.CallsPerDay, Limit20s: set.CallsPer20s,
		Resets: marketo.NextReset(now).UTC(), Exhausted: r.Quota.Exhausted, Pace: r.Pace.Seconds(),
		Sent: r.Calls, Objects: r.Objects, Unknown: r.Unknown, Faults: map[string]uint64{},
	}
	if r.Quota.Day != marketo.QuotaDay(now) {
		c.Today, c.Exhausted = 0, false // no call since midnight
	}
	c.forecast(set, now)
	if r.Pending > 0 {
		c.Limited = r.Limited
	}
	for key, n := range r.Faults {
		c.Faults[key.Class.String()+" "+key.Code] += n
	}
	var changes uint64
	for _, rows := range r.Source.Rows {
		changes += rows.Inserts + rows.Updates + rows.Deletes
	}
	for i := range r.Mappings {
		changes += r.Mappings[i].Offered + r.Mappings[i].Retried
	}
	c.PerCall = ratio(r.Objects, r.Calls, 1)
	c.PerChange = ratio(r.Calls, changes, 1000)
	return c
}

// forecast says when the calls of the day will be used up.
func (c *Calls) forecast(set Settings, now time.Time) {
	c.UsedUp = usedUp(c.Today, c.Limit, now, c.Resets)
	c.Instance = set.Instance
	if set.Others == nil || marketo.QuotaDay(set.OthersAt) != marketo.QuotaDay(now) {
		return
	}
	at := set.OthersAt.UTC()
	c.Others, c.OthersAt = set.Others, &at
	c.InstanceUsedUp = usedUp(c.Today+*c.Others, c.Instance, now, c.Resets)
}

// usedUp is when a limit will be reached at the rate of the day so far; nil where it
// lasts, or is reached, and in the first half hour, which says little.
func usedUp(calls, limit int, now, resets time.Time) *time.Time {
	gone := 24*time.Hour - resets.Sub(now)
	if limit == 0 || calls == 0 || calls >= limit || gone < 30*time.Minute {
		return nil
	}
	end := now.Add(time.Duration(float64(gone) / float64(calls) * float64(limit-calls))).Truncate(time.Second).UTC()
	if !end.Before(resets) {
		return nil
	}
	return &end
}

// ratio returns a for each unit of b, nil when there is no b.
func ratio(a, b uint64, unit float64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b) * unit
	return &v
}

// callMetrics are about the calls to Marketo.
var callMetrics = []metric{
	counter("calls_total", "Calls sent to Marketo.", func(r *Report) uint64 { return r.Calls.Sent }),
	counter("call_objects_total", "Objects carried by those calls.", func(r *Report) uint64 { return r.Calls.Objects }),
	counter("call_unknown_outcomes_total", "Calls that may or may not have been executed.", func(r *Report) uint64 { return r.Calls.Unknown }),
	counter("call_splits_total", "Batches that were halved to find a bad object.", func(r *Report) uint64 { return r.from.Splits }),
	gauge("calls_in_flight", "Calls under way.", func(r *Report) float64 { return float64(r.Calls.InFlight) }),
	gauge("quota_used_calls", "Calls counted against today's quota.", func(r *Report) float64 { return float64(r.from.Quota.Calls) }),
	gauge("quota_limit_calls", "Configured calls a day; 0 is unlimited.", func(r *Report) float64 { return float64(r.Calls.Limit) }),
	labelled("quota_others_calls", "Calls of all other integrations in today's quota day, by Marketo's count, which is asked for every 15 minutes; missing where it does not say.", prometheus.GaugeValue, nil, func(r *Report, put put) {
		if r.Calls.Others != nil {
			put(float64(*r.Calls.Others))
		}
	}),
	gauge("call_pace_seconds", "Time between two batches that waiting can fill further, while the calls of the day run short; 0 while there is plenty.", func(r *Report) float64 { return r.Calls.Pace }),
	flag("paused", "1 while nothing is sent, whatever the reason.", func(r *Report) bool { return r.from.Paused }),
	labelled("calls_limited", "1 while the next call waits for this limit.", prometheus.GaugeValue, []string{"limit"}, func(r *Report, put put) {
		for _, limit := range []string{marketo.WhyRate, marketo.WhyConcurrency, marketo.WhyQuota} {
			put(oneIf(r.Calls.Limited == limit), limit)
		}
	}),
	labelled("call_faults_total", "Calls that failed as a whole, by class and code.", prometheus.CounterValue, []string{"class", "code"}, func(r *Report, put put) {
		for key, n := range r.from.Faults {
			put(float64(n), key.Class.String(), key.Code)
		}
	}),
}

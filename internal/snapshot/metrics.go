package snapshot

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// askTimeout bounds the wait for a Report at a scrape.
const askTimeout = 2 * time.Second

// Metrics shows Reports to Prometheus. It asks for one at every scrape, so nothing
// is counted twice and nothing costs anything between scrapes; without an answer
// there is cdcsync_up 0 alone.
type Metrics struct {
	Ask func(context.Context) (*Report, error)
}

// general are the metrics of the daemon as a whole.
var general = []metric{
	flag("ready", "1 when /readyz answers 200.", func(r *Report) bool { return len(r.from.Obstacles()) == 0 }),
	labelled("state", "1 for every reason why the daemon is not ready, or else for what it is doing; 0 for all other states.", prometheus.GaugeValue, []string{"state"}, func(r *Report, put put) {
		obstacles, doing := r.from.Obstacles(), r.from.Condition()
		for _, c := range delivery.Conditions {
			stands := slices.ContainsFunc(obstacles, func(o delivery.Obstacle) bool { return o.Condition == c })
			put(oneIf(stands || c == doing), string(c))
		}
	}),
	gauge("confirmed_through_timestamp_seconds", "Commit time through which every change is settled; follows the clock while nothing is unsettled, stays where the connection was lost, 0 while it is not known.", func(r *Report) float64 { return unix(r.from.Freshness(r.now)) }),
	gauge("pending_bytes", "Bytes held for unsettled objects.", func(r *Report) float64 { return float64(r.PendingBytes) }),
	gauge("pending_limit_bytes", "Configured ceiling of cdcsync_pending_bytes.", func(r *Report) float64 { return float64(r.set.MaxPendingBytes) }),
	flag("backpressure_active", "1 while reading waits: enough for the next calls is held, or a limit of memory is reached.", func(r *Report) bool { return r.Backpressure }),
	gauge("held_keys", "Keys whose newer values wait out a call with an unknown outcome.", func(r *Report) float64 { return float64(r.Held) }),
	gauge("parked_objects", "Objects parked now.", func(r *Report) float64 { return float64(r.Parked) }),
	counter("parked_resolved_total", "Parked objects that were confirmed since, or given up.", func(r *Report) uint64 { return r.from.Resolved }),
}

var up = prometheus.NewDesc("cdcsync_"+"up", "1 when the pipeline answers, 0 when it is stuck.", nil, nil)

// Describe is part of prometheus.Collector.
func (m Metrics) Describe(ch chan<- *prometheus.Desc) { ch <- up }

// Collect is part of prometheus.Collector.
func (m Metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	r, err := m.Ask(ctx)
	ch <- prometheus.MustNewConstMetric(up, prometheus.GaugeValue, oneIf(err == nil))
	if err != nil {
		return
	}
	for _, metric := range slices.Concat(general, callMetrics, sourceMetrics, mappingMetrics) {
		metric.values(r, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(metric.desc, metric.kind, v, labels...)
		})
	}
	collectLatency(r, ch)
}

// metric is one of them: what it is called, and where in a Report it is.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(*Report, put)
}

// put takes one value of a metric, with the values of its labels.
type put func(v float64, labels ...string)

func labelled(name, help string, kind prometheus.ValueType, labels []string, values func(*Report, put)) metric {
	return metric{prometheus.NewDesc("cdcsync_"+name, help, labels, nil), kind, values}
}

func gauge(name, help string, value func(*Report) float64) metric {
	return labelled(name, help, prometheus.GaugeValue, nil, func(r *Report, put put) { put(value(r)) })
}

func counter(name, help string, value func(*Report) uint64) metric {
	return labelled(name, help, prometheus.CounterValue, nil, func(r *Report, put put) { put(float64(value(r))) })
}

func flag(name, help string, set func(*Report) bool) metric {
	return gauge(name, help, func(r *Report) float64 { return oneIf(set(r)) })
}

func ofMapping(name, help string, kind prometheus.ValueType, value func(*Mapping) float64) metric {
	return labelled(name, help, kind, []string{"mapping"}, func(r *Report, put put) {
		for i := range r.Mappings {
			put(value(&r.Mappings[i]), r.Mappings[i].Name)
		}
	})
}

func oneIf(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

// unix is a time in seconds; 0 for none.
func unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixNano()) / 1e9
}

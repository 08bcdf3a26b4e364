package snapshot

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Mapping is about one mapping.
type Mapping struct {
	Name   string `json:"name"`
	Object string `json:"object"`
	// Rows counts row changes, Filtered those of them that asked for nothing
	// to be written, Coalesced the writes that were merged into another.
	Rows      uint64 `json:"rows"`
	Filtered  uint64 `json:"rows_filtered"`
	Coalesced uint64 `json:"objects_coalesced"`
	// Unchanged counts those that were not sent, as Marketo had them.
	Unchanged uint64 `json:"objects_unchanged"`
	// Confirmed counts settled objects, Statuses what Marketo said of objects,
	// by status.
	Confirmed uint64            `json:"objects_confirmed"`
	Statuses  map[string]uint64 `json:"statuses"`
	Retries   uint64            `json:"objects_retried"`
	Gone      uint64            `json:"rows_gone"`
	// Pending and Parked count what is so now.
	Pending int `json:"pending"`
	Parked  int `json:"parked"`
	// Stopped is why nothing more of the mapping is received.
	Stopped string `json:"stopped,omitempty"`
	// Blocked is why the mapping sends probes only.
	Blocked string `json:"blocked,omitempty"`
	// DeletesHeld is set while the mapping is held, as it wants to delete more
	// than delivery.max_deletes allows.
	DeletesHeld bool `json:"deletes_held,omitempty"`
	// Paused says since when it waits by somebody's word, by which command and
	// why; PausedWAL is the WAL from its oldest change that waits to the end of the
	// server's, which the slot keeps for it.
	Paused    string `json:"paused,omitempty"`
	PausedWAL uint64 `json:"paused_wal_bytes,omitempty"`
	// LeftFrom is from where on what comes of a mapping that is paused is left in
	// PostgreSQL, as it has its share of memory; "" while nothing is.
	LeftFrom string `json:"left_from,omitempty"`
	// Latency is missing before the first confirmed object.
	Latency *Latency `json:"latency,omitempty"`
	// from and rows are what it was made of, for metrics.
	from delivery.MappingReport
	rows delivery.RowReport
}

// Latency is from commit to confirmed, read from a histogram: exact to its
// buckets, and never more than the last of them, an hour.
type Latency struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
}

// mappingOf fills a Mapping in.
func mappingOf(m delivery.MappingReport, rows delivery.RowReport, end delivery.LSN) Mapping {
	out := Mapping{
		Name: m.Name, Object: m.Object,
		Rows: rows.Inserts + rows.Updates + rows.Deletes, Filtered: rows.Filtered,
		Coalesced: m.Coalesced, Unchanged: m.Unchanged, Confirmed: m.Confirmed, Statuses: map[string]uint64{},
		Retries: m.Retries, Gone: m.Gone, Pending: m.Pending, Stopped: m.Stopped, Blocked: m.Blocked, DeletesHeld: m.Braked, Paused: m.Paused,
		from: m, rows: rows,
	}
	if m.Oldest != 0 && end > m.Oldest {
		out.PausedWAL = uint64(end - m.Oldest)
	}
	if m.LeftFrom != 0 {
		out.LeftFrom = m.LeftFrom.String()
	}
	for status, n := range m.Statuses {
		if n > 0 {
			out.Statuses[marketo.Status(status).String()] = n
		}
	}
	if m.Latency.Count > 0 {
		out.Latency = &Latency{P50: m.Latency.Quantile(0.5), P99: m.Latency.Quantile(0.99)}
	}
	return out
}

// mappingMetrics are about each mapping.
var mappingMetrics = []metric{
	labelled("rows_total", "Row changes of mapped tables.", prometheus.CounterValue, []string{"mapping", "operation"}, func(r *Report, put put) {
		for i, rows := range r.from.Source.Rows {
			name := r.Mappings[i].Name
			put(float64(rows.Inserts), name, pgoutput.Insert.String())
			put(float64(rows.Updates), name, pgoutput.Update.String())
			put(float64(rows.Deletes), name, pgoutput.Delete.String())
		}
	}),
	ofMapping("rows_filtered_total", "Row changes that asked for nothing to be written.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.Filtered) }),
	ofMapping("rows_without_old_key_total", "Updates that did not tell the key that the row had before.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.rows.WithoutOldKey) }),
	ofMapping("objects_received_total", "Object writes made from row changes.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Received) }),
	ofMapping("objects_coalesced_total", "Object writes merged into another before it was sent.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.Coalesced) }),
	ofMapping("objects_unchanged_total", "Objects not sent, as Marketo had them as they are.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.Unchanged) }),
	ofMapping("objects_replayed_total", "Object writes skipped because an earlier run had settled them.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Replayed) }),
	ofMapping("object_retries_total", "Objects sent again because of their status.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.Retries) }),
	ofMapping("parked_total", "Objects parked.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.MappingCounts.Parked) }),
	ofMapping("unmappable_total", "Objects parked because their row could not be mapped.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Unmappable) }),
	ofMapping("rows_gone_total", "Rows that had gone when they were read again.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.Gone) }),
	ofMapping("objects_kept_total", "Objects that were not removed, as several rows hold their key.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Kept) }),
	ofMapping("keys_respelled_total", "Objects written in another spelling of their key; the one of the old spelling was left alone.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Respelled) }),
	ofMapping("objects_incomplete_total", "Objects sent without values that only their row had, which had gone.", prometheus.CounterValue, func(m *Mapping) float64 { return float64(m.from.Incomplete) }),
	ofMapping("pending_objects", "Objects received and not yet settled.", prometheus.GaugeValue, func(m *Mapping) float64 { return float64(m.Pending) }),
	ofMapping("mapping_full_batches_wait", "1 while full batches of the mapping wait for max_wait, as its keys come again meanwhile.", prometheus.GaugeValue, func(m *Mapping) float64 { return oneIf(m.from.Waits) }),
	ofMapping("mapping_stopped", "1 while nothing of the mapping is received, as a change does not fit it.", prometheus.GaugeValue, func(m *Mapping) float64 { return oneIf(m.Stopped != "") }),
	ofMapping("mapping_blocked", "1 while the mapping sends probes only.", prometheus.GaugeValue, func(m *Mapping) float64 { return oneIf(m.Blocked != "") }),
	ofMapping("mapping_deletes_held", "1 while the mapping is held, as it wants to delete more than delivery.max_deletes allows.", prometheus.GaugeValue, func(m *Mapping) float64 { return oneIf(m.DeletesHeld) }),
	ofMapping("mapping_paused", "1 while the mapping waits until cdcsync resume.", prometheus.GaugeValue, func(m *Mapping) float64 { return oneIf(m.Paused != "") }),
	ofMapping("mapping_paused_wal_bytes", "WAL from the oldest change that waits of a paused mapping to the end of the WAL of the server.", prometheus.GaugeValue, func(m *Mapping) float64 { return float64(m.PausedWAL) }),
	labelled("object_statuses_total", "Statuses that Marketo gave, by status.", prometheus.CounterValue, []string{"mapping", "status"}, func(r *Report, put put) {
		for _, m := range r.Mappings {
			for status, n := range m.from.Statuses {
				put(float64(n), m.Name, marketo.Status(status).String())
			}
		}
	}),
}

// latency is a histogram of each mapping.
var latency = prometheus.NewDesc("cdcsync_"+"delivery_latency_seconds", "Time from commit to confirmed.", []string{"mapping"}, nil)

func collectLatency(r *Report, ch chan<- prometheus.Metric) {
	for _, m := range r.Mappings {
		buckets := make(map[float64]uint64, len(delivery.LatencyBuckets))
		var below uint64
		for i, bound := range delivery.LatencyBuckets {
			below += m.from.Latency.Buckets[i]
			buckets[bound] = below
		}
		ch <- prometheus.MustNewConstHistogram(latency, m.from.Latency.Count, m.from.Latency.Sum, buckets, m.Name)
	}
}

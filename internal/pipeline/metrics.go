package pipeline

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Metrics shows a Runner's Report to Prometheus. It asks for a new one at
// every scrape, so nothing is counted twice and nothing costs anything
// between scrapes; a Runner that does not answer yields cdcsync_up 0 alone.
type Metrics struct {
	runner *Runner
	limits marketo.Limits

	up, ready, state, confirmedThrough                                       *prometheus.Desc
	connected, connects, disconnects, sourceBytes, sourceMessages            *prometheus.Desc
	lag, retained, mostRetained, safe, catchUp, drop                         *prometheus.Desc
	serverLSN, receivedLSN, confirmedLSN, checkpointLSN                      *prometheus.Desc
	checkpointTime, openChanges, transactions, rows, filtered, withoutOldKey *prometheus.Desc
	writes, coalesced, replayed, pending, pendingBytes, pressure             *prometheus.Desc
	limit, calls, objects, statuses, retries, faults, unknown                *prometheus.Desc
	inFlight, splits, quotaUsed, quotaLimit, limited, paused, held           *prometheus.Desc
	paceSeconds                                                              *prometheus.Desc
	parkedTotal, parked, resolved, unmappable, gone, blocked                 *prometheus.Desc
	braked                                                                   *prometheus.Desc
	kept, respelled, incomplete                                              *prometheus.Desc
	waits                                                                    *prometheus.Desc
	latency                                                                  *prometheus.Desc
}

// reportTimeout bounds the wait for a Report at a scrape.
const reportTimeout = 2 * time.Second

// NewMetrics registers the metrics of r with reg.
func NewMetrics(r *Runner, reg prometheus.Registerer) (*Metrics, error) {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("cdcsync_"+name, help, labels, nil)
	}
	m := &Metrics{
		runner: r, limits: r.Config.Limits,

		up:               describe("up", "1 when the pipeline answers, 0 when it is stuck."),
		ready:            describe("ready", "1 when /readyz answers 200."),
		state:            describe("state", "1 for every reason why the daemon is not ready, or else for what it is doing; 0 for all other states.", "state"),
		confirmedThrough: describe("confirmed_through_timestamp_seconds", "Commit time through which every change is settled; follows the clock while nothing is unsettled, stays where the connection was lost, 0 while it is not known."),

		connected:      describe("source_connected", "1 while the replication connection is streaming."),
		connects:       describe("source_connects_total", "Replication connections made."),
		disconnects:    describe("source_disconnects_total", "Replication connections that ended and attempts that failed, by reason.", "reason"),
		sourceBytes:    describe("source_received_bytes_total", "Bytes received on the replication connection."),
		sourceMessages: describe("source_messages_total", "Messages received on the replication connection."),
		serverLSN:      describe("source_server_lsn", "End of the WAL of the server as far as it is known, as an integer."),
		lag:            describe("source_lag_bytes", "WAL from the saved checkpoint to the end of the WAL of the server."),
		retained:       describe("source_retained_bytes", "WAL that the slot keeps on the server, when it was asked last."),
		mostRetained:   describe("source_retained_limit_bytes", "What delivery.max_retained_wal allows of cdcsync_source_retained_bytes; 0 is unlimited."),
		safe:           describe("source_safe_bytes", "WAL that may still be written before PostgreSQL may drop the slot; absent where it never does."),
		catchUp:        describe("source_catch_up_seconds", "Time until there is no lag, at the rate of the last ten minutes; 0 where there is none or it is not known, +Inf while it grows."),
		drop:           describe("source_drop_seconds", "Time until PostgreSQL may drop the slot, at the rate of the last ten minutes; absent where it is not nearing."),
		receivedLSN:    describe("source_received_lsn", "End of what was received, as an integer."),
		confirmedLSN:   describe("source_confirmed_lsn", "Position up to which the server may forget, as an integer."),
		checkpointLSN:  describe("checkpoint_lsn", "Saved checkpoint, as an integer."),
		checkpointTime: describe("checkpoint_last_success_timestamp_seconds", "Unix time of the last save."),

		openChanges:   describe("source_transaction_changes", "Changes read so far of the transaction that is being read; 0 outside of one."),
		transactions:  describe("source_transactions_total", "Transactions fully received."),
		rows:          describe("rows_total", "Row changes of mapped tables.", "mapping", "operation"),
		filtered:      describe("rows_filtered_total", "Row changes that asked for nothing to be written.", "mapping"),
		withoutOldKey: describe("rows_without_old_key_total", "Updates that did not tell the key that the row had before.", "mapping"),
		writes:        describe("objects_received_total", "Object writes made from row changes.", "mapping"),
		coalesced:     describe("objects_coalesced_total", "Object writes merged into another before it was sent.", "mapping"),
		replayed:      describe("objects_replayed_total", "Object writes skipped because an earlier run had settled them.", "mapping"),
		pending:       describe("pending_objects", "Objects received and not yet settled.", "mapping"),
		pendingBytes:  describe("pending_bytes", "Bytes held for unsettled objects."),
		pressure:      describe("backpressure_active", "1 while reading waits: enough for the next calls is held, or a limit of memory is reached."),

		limit:       describe("pending_limit_bytes", "Configured ceiling of cdcsync_pending_bytes."),
		calls:       describe("calls_total", "Calls sent to Marketo."),
		objects:     describe("call_objects_total", "Objects carried by those calls."),
		statuses:    describe("object_statuses_total", "Statuses that Marketo gave, by status.", "mapping", "status"),
		retries:     describe("object_retries_total", "Objects sent again because of their status.", "mapping"),
		faults:      describe("call_faults_total", "Calls that failed as a whole, by class and code.", "class", "code"),
		unknown:     describe("call_unknown_outcomes_total", "Calls that may or may not have been executed."),
		inFlight:    describe("calls_in_flight", "Calls under way."),
		splits:      describe("call_splits_total", "Batches that were halved to find a bad object."),
		quotaUsed:   describe("quota_used_calls", "Calls counted against today's quota."),
		quotaLimit:  describe("quota_limit_calls", "Configured calls a day; 0 is unlimited."),
		paceSeconds: describe("call_pace_seconds", "Time between two batches that waiting can fill further, while the calls of the day run short; 0 while there is plenty."),
		limited:     describe("calls_limited", "1 while the next call waits for this limit.", "limit"),
		paused:      describe("paused", "1 while nothing is sent, whatever the reason."),
		held:        describe("held_keys", "Keys whose newer values wait out a call with an unknown outcome."),

		parkedTotal: describe("parked_total", "Objects parked.", "mapping"),
		parked:      describe("parked_objects", "Objects parked now."),
		resolved:    describe("parked_resolved_total", "Parked objects that were confirmed since, or given up."),
		unmappable:  describe("unmappable_total", "Objects parked because their row could not be mapped.", "mapping"),
		gone:        describe("rows_gone_total", "Rows that had gone when they were read again.", "mapping"),
		kept:        describe("objects_kept_total", "Objects that were not removed, as several rows hold their key.", "mapping"),
		respelled:   describe("keys_respelled_total", "Objects written in another spelling of their key; the one of the old spelling was left alone.", "mapping"),
		incomplete:  describe("objects_incomplete_total", "Objects sent without values that only their row had, which had gone.", "mapping"),
		waits:       describe("mapping_full_batches_wait", "1 while full batches of the mapping wait for max_wait, as its keys come again meanwhile.", "mapping"),
		blocked:     describe("mapping_blocked", "1 while the mapping sends probes only.", "mapping"),
		braked:      describe("mapping_deletes_held", "1 while the mapping is held, as it wants to delete more than delivery.max_deletes allows.", "mapping"),
		latency:     describe("delivery_latency_seconds", "Time from commit to confirmed.", "mapping"),
	}
	if err := reg.Register(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Describe is part of prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.up }

// Collect is part of prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), reportTimeout)
	defer cancel()
	m.runner.AskServer(ctx)
	report, err := m.runner.Report(ctx)
	if err != nil {
		ch <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, 0)
		return
	}
	s := scrape{ch}
	s.gauge(m.up, 1)
	m.collectSource(s, report)
	m.collectCalls(s, report)
	for i, p := range report.Mappings {
		m.collectMapping(s, p)
		m.collectRows(s, p.Name, report.Source.Rows[i])
	}
}

// scrape is where one collection goes.
type scrape struct{ ch chan<- prometheus.Metric }

func (s scrape) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s scrape) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (s scrape) flag(d *prometheus.Desc, set bool, labels ...string) {
	v := 0.0
	if set {
		v = 1
	}
	s.gauge(d, v, labels...)
}

func (s scrape) time(d *prometheus.Desc, at time.Time) {
	v := 0.0
	if !at.IsZero() {
		v = float64(at.UnixNano()) / 1e9
	}
	s.gauge(d, v)
}

func (m *Metrics) collectSource(s scrape, r delivery.Report) {
	obstacles, doing := r.Obstacles(), r.Condition()
	s.flag(m.ready, len(obstacles) == 0)
	for _, c := range delivery.Conditions {
		stands := slices.ContainsFunc(obstacles, func(o delivery.Obstacle) bool { return o.Condition == c })
		s.flag(m.state, stands || c == doing, string(c))
	}
	s.time(m.confirmedThrough, r.Freshness(time.Now()))
	s.flag(m.connected, r.Source.Connected)
	s.counter(m.connects, r.Source.Connects)
	for _, reason := range reasons {
		s.counter(m.disconnects, r.Source.Disconnects[string(reason)], string(reason))
	}
	s.counter(m.sourceBytes, r.Source.Bytes)
	s.counter(m.sourceMessages, r.Source.Messages)
	s.gauge(m.serverLSN, float64(r.Source.Server))
	m.collectLag(s, r)
	s.gauge(m.receivedLSN, float64(r.Source.Received))
	s.gauge(m.confirmedLSN, float64(r.Synced))
	s.gauge(m.checkpointLSN, float64(r.Saved))
	s.time(m.checkpointTime, r.SavedAt)
	s.gauge(m.openChanges, float64(r.Source.Transaction.Changes))
	s.counter(m.transactions, r.Transactions)
	s.gauge(m.pendingBytes, float64(r.Bytes))
	s.gauge(m.limit, float64(m.runner.Config.MaxPendingBytes))
	s.flag(m.pressure, r.Backpressure)
}

func (m *Metrics) collectLag(s scrape, r delivery.Report) {
	far, lag := r.Source.Lag, 0.0
	if r.Source.Server > r.Saved {
		lag = float64(r.Source.Server - r.Saved)
	}
	s.gauge(m.lag, lag)
	s.gauge(m.retained, float64(far.Retained))
	s.gauge(m.mostRetained, float64(m.runner.MaxRetainedWAL))
	if far.Safe != nil {
		s.gauge(m.safe, float64(*far.Safe))
	}
	if far.Growing {
		s.gauge(m.catchUp, math.Inf(1))
	} else {
		s.gauge(m.catchUp, far.CatchUp.Seconds())
	}
	if far.Drop > 0 {
		s.gauge(m.drop, far.Drop.Seconds())
	}
}

func (m *Metrics) collectCalls(s scrape, r delivery.Report) {
	s.counter(m.calls, r.Calls)
	s.counter(m.objects, r.Objects)
	s.counter(m.unknown, r.Unknown)
	s.counter(m.splits, r.Splits)
	s.counter(m.resolved, r.Resolved)
	s.gauge(m.inFlight, float64(r.InFlight))
	s.gauge(m.held, float64(r.Held))
	s.gauge(m.parked, float64(r.Parked))
	s.gauge(m.quotaUsed, float64(r.Quota.Calls))
	s.gauge(m.quotaLimit, float64(m.limits.CallsPerDay))
	s.gauge(m.paceSeconds, r.Pace.Seconds())
	s.flag(m.paused, r.Paused)
	for _, limit := range []string{marketo.WhyRate, marketo.WhyConcurrency, marketo.WhyQuota} {
		s.flag(m.limited, r.Pending > 0 && r.Limited == limit, limit)
	}
	for key, n := range r.Faults {
		s.counter(m.faults, n, key.Class.String(), key.Code)
	}
}

func (m *Metrics) collectMapping(s scrape, p delivery.MappingReport) {
	s.counter(m.writes, p.Received, p.Name)
	s.counter(m.coalesced, p.Coalesced, p.Name)
	s.counter(m.replayed, p.Replayed, p.Name)
	s.counter(m.retries, p.Retries, p.Name)
	s.counter(m.parkedTotal, p.MappingCounts.Parked, p.Name)
	s.counter(m.unmappable, p.Unmappable, p.Name)
	s.counter(m.gone, p.Gone, p.Name)
	s.counter(m.kept, p.Kept, p.Name)
	s.counter(m.respelled, p.Respelled, p.Name)
	s.counter(m.incomplete, p.Incomplete, p.Name)
	s.gauge(m.pending, float64(p.Pending), p.Name)
	s.flag(m.waits, p.Waits, p.Name)
	s.flag(m.blocked, p.Blocked != "", p.Name)
	s.flag(m.braked, p.Braked, p.Name)
	for status, n := range p.Statuses {
		s.counter(m.statuses, n, p.Name, marketo.Status(status).String())
	}
	buckets := make(map[float64]uint64, len(delivery.LatencyBuckets))
	var below uint64
	for i, bound := range delivery.LatencyBuckets {
		below += p.Latency.Buckets[i]
		buckets[bound] = below
	}
	s.ch <- prometheus.MustNewConstHistogram(m.latency, p.Latency.Count, p.Latency.Sum, buckets, p.Name)
}

func (m *Metrics) collectRows(s scrape, name string, r delivery.RowReport) {
	s.counter(m.rows, r.Inserts, name, pgoutput.Insert.String())
	s.counter(m.rows, r.Updates, name, pgoutput.Update.String())
	s.counter(m.rows, r.Deletes, name, pgoutput.Delete.String())
	s.counter(m.filtered, r.Filtered, name)
	s.counter(m.withoutOldKey, r.WithoutOldKey, name)
}

// reasons are the label values of source_disconnects_total that exist from
// the start; a Fatal reason ends the process.
var reasons = []replication.Reason{
	replication.Network, replication.Terminated, replication.Unavailable, replication.Silent,
	replication.Stopping, replication.SlotBusy, replication.Credentials, replication.TooMany,
	replication.Standby, replication.Protocol, replication.ServerError,
}

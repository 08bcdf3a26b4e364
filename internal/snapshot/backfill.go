package snapshot

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// BackfillMetrics shows the newest backfill of each mapping to Prometheus, and what all
// of them could not send. It asks
// at every scrape; without an answer it shows nothing.
type BackfillMetrics struct {
	// Mappings are the names of all; one without a backfill shows zeros.
	Mappings []string
	Ask      func(context.Context) ([]checkpoint.Backfill, error)
}

// backfillStates are the values of the label state.
var backfillStates = []checkpoint.BackfillState{
	checkpoint.BackfillWaiting, checkpoint.BackfillRunning, checkpoint.BackfillPaused,
	checkpoint.BackfillFailed, checkpoint.BackfillDone, checkpoint.BackfillCancelled,
}

var (
	backfillState    = prometheus.NewDesc("cdcsync_"+"backfill_state", "1 for the state of the newest backfill of the mapping, 0 for the others.", []string{"mapping", "state"}, nil)
	backfillRows     = prometheus.NewDesc("cdcsync_"+"backfill_rows", "Rows that the newest backfill of the mapping has read.", []string{"mapping"}, nil)
	backfillEstimate = prometheus.NewDesc("cdcsync_"+"backfill_rows_estimate", "Rows that it is to read in all, about; 0 while that is not known.", []string{"mapping"}, nil)
	backfillRefused  = prometheus.NewDesc("cdcsync_"+"backfill_refused_objects", "Rows that backfills of the mapping could not send, as Marketo did not take them, and that no later one has.", []string{"mapping"}, nil)
)

// Describe is part of prometheus.Collector.
func (m BackfillMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backfillState, backfillRows, backfillEstimate, backfillRefused} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (m BackfillMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	all, err := m.Ask(ctx)
	if err != nil {
		return
	}
	newest, refused := map[string]checkpoint.Backfill{}, map[string]int64{}
	for _, b := range all {
		refused[b.Mapping] += b.Refused
		if b.ID >= newest[b.Mapping].ID {
			newest[b.Mapping] = b
		}
	}
	for _, mapping := range m.Mappings {
		b := newest[mapping]
		show := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{mapping}, labels...)...)
		}
		for _, s := range backfillStates {
			show(backfillState, oneIf(b.State == s), string(s))
		}
		show(backfillRows, float64(b.Rows))
		show(backfillEstimate, float64(b.Estimate))
		show(backfillRefused, float64(refused[mapping]))
	}
}

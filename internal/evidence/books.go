package evidence

import (
	"fmt"
	"strconv"
	"strings"
)

// Metrics are the samples of one scrape, by name and labels.
type Metrics map[string]float64

// ParseMetrics reads the text that Prometheus reads.
func ParseMetrics(text string) (Metrics, error) {
	m := Metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("metric %q has no value", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		m[line[:at]] = value
	}
	return m, nil
}

// Sum adds up all samples of a metric that carry the given labels, each
// written as in a scrape: mapping="a".
func (m Metrics) Sum(name string, labels ...string) float64 {
	total := 0.0
samples:
	for key, value := range m {
		base, rest, _ := strings.Cut(key, "{")
		if base != name {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue samples
			}
		}
		total += value
	}
	return total
}

// Confirmations is how many statuses were taken as a confirmation.
func (m Metrics) Confirmations() float64 { return m.Sum("cdcsync_delivery_latency_seconds_count") }

// Faults is how many calls failed as a whole.
func (m Metrics) Faults() float64 { return m.Sum("cdcsync_call_faults_total") }

// accounts are what becomes of an object that was received, in the words of
// the metrics.
var accounts = []string{
	"objects_replayed_total", "objects_coalesced_total", "delivery_latency_seconds_count",
	"parked_total", "rows_gone_total", "pending_objects",
}

// Books holds, for a daemon that has nothing under way and was not asked to
// retry anything in this life, that it knows what became of every object it
// has received. Seen counts those objects.
func (m Metrics) Books() Verdict {
	const received = "cdcsync_objects_received_total"
	v := Verdict{Promise: "every object is accounted for"}
	for key, came := range m {
		name, labels, _ := strings.Cut(key, "{")
		if name != received {
			continue
		}
		label := strings.TrimSuffix(labels, "}")
		v.Seen += int(came)
		went, each := 0.0, ""
		for _, account := range accounts {
			n := m.Sum("cdcsync_"+account, label)
			went += n
			each += fmt.Sprintf(" %s %v", account, n)
		}
		if came != went {
			v.add("%s: %v objects received, %v accounted for:%s", label, came, went, each)
		}
	}
	return v
}

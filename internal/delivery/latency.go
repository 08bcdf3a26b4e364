package delivery

import "time"

// LatencyBuckets are the upper bounds, in seconds, of Latency.
var LatencyBuckets = [...]float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

// Latency counts how long changes took from commit to confirmed.
type Latency struct {
	// Buckets holds the counts per bucket of LatencyBuckets, not cumulated;
	// what is beyond the last one is only in Count.
	Buckets [len(LatencyBuckets)]uint64
	Count   uint64
	// Sum is in seconds.
	Sum float64
}

func (l *Latency) observe(d time.Duration) {
	s := d.Seconds()
	l.Count++
	l.Sum += s
	for i, bound := range LatencyBuckets {
		if s <= bound {
			l.Buckets[i]++
			return
		}
	}
}

// Quantile estimates the latency, in seconds, that a part q of the changes did
// not exceed. It is exact to the buckets, never more than the last bound, and
// 0 when nothing was counted.
func (l *Latency) Quantile(q float64) float64 {
	rank, below, lower := q*float64(l.Count), 0.0, 0.0
	if l.Count == 0 {
		return 0
	}
	for i, bound := range LatencyBuckets {
		n := float64(l.Buckets[i])
		if below+n >= rank && n > 0 {
			return lower + (bound-lower)*(rank-below)/n
		}
		below, lower = below+n, bound
	}
	return lower
}

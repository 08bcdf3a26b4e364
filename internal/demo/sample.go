package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// sample is what was seen at one moment.
type sample struct {
	at     time.Time
	report delivery.Report
	// confirmed is where the slot stands and server where the WAL ends, as
	// the server says.
	confirmed, server pgoutput.LSN
}

// answerWait is the longest that daemon or server may take to answer.
const answerWait = 10 * time.Second

func (a *act) sample(ctx context.Context) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	s := sample{at: time.Now()}
	var err error
	if s.report, err = a.stage.daemon.Report(ctx); err != nil {
		return s, err
	}
	return s, a.askServer(ctx, &s)
}

// askServer reads the positions.
func (a *act) askServer(ctx context.Context, s *sample) error {
	var confirmed, server uint64
	err := a.monitor.QueryRow(ctx, `SELECT (confirmed_flush_lsn - '0/0')::bigint, (pg_current_wal_flush_lsn() - '0/0')::bigint
		FROM pg_replication_slots WHERE slot_name = $1`, a.stage.config.Source.Slot).Scan(&confirmed, &server)
	if err != nil {
		return fmt.Errorf("ask the server for the slot: %w", err)
	}
	s.confirmed, s.server = pgoutput.LSN(confirmed), pgoutput.LSN(server)
	return nil
}

// settled reports whether everything up to end is confirmed, and the server
// told so.
func (s sample) settled(end pgoutput.LSN) bool {
	return s.report.Pending == 0 && s.report.Source.Received >= end && s.confirmed >= end
}

// missing says what settled is waiting for.
func (s sample) missing(end pgoutput.LSN) string {
	parts := []string{
		fmt.Sprintf("%s objects are pending", grouped(s.report.Pending)),
		fmt.Sprintf("the slot stands at %s of %s", s.confirmed, end),
	}
	if s.report.Source.Received < end {
		parts = append(parts, fmt.Sprintf("received up to %s", s.report.Source.Received))
	}
	if reason := s.report.Reason(); reason != "" {
		parts = append(parts, reason)
	}
	return strings.Join(parts, ", ")
}

// lag is how much WAL the slot has not let go of, in bytes.
func (s sample) lag() int { return int(max(s.server, s.confirmed) - s.confirmed) }

// behind is how old the oldest change is that is not confirmed; zero while
// that is not known, which it is as soon as the daemon has read what there was.
func (s sample) behind() time.Duration {
	through := s.report.Freshness(s.at)
	if through.IsZero() {
		return 0
	}
	return max(s.at.Sub(through), 0)
}

// totals are the counts of all mappings.
type totals struct {
	inserts, updates, deletes, filtered uint64
	received, coalesced, parked         uint64
	retries                             uint64
	statuses                            [int(marketo.Deleted) + 1]uint64
	latency                             delivery.Latency
}

func (s sample) totals() totals {
	var t totals
	for _, r := range s.report.Source.Rows {
		t.inserts += r.Inserts
		t.updates += r.Updates
		t.deletes += r.Deletes
		t.filtered += r.Filtered
	}
	for _, m := range s.report.Mappings {
		t.received += m.Received
		t.coalesced += m.Coalesced
		t.parked += m.MappingCounts.Parked
		t.retries += m.Retries
		for i, n := range m.Statuses {
			t.statuses[i] += n
		}
		for i, n := range m.Latency.Buckets {
			t.latency.Buckets[i] += n
		}
		t.latency.Count += m.Latency.Count
		t.latency.Sum += m.Latency.Sum
	}
	return t
}

// rows is the number of row changes that came.
func (t totals) rows() uint64 { return t.inserts + t.updates + t.deletes }

// since returns the latencies that were counted after earlier.
func since(now, earlier delivery.Latency) delivery.Latency {
	now.Count -= earlier.Count
	now.Sum -= earlier.Sum
	for i := range now.Buckets {
		now.Buckets[i] -= earlier.Buckets[i]
	}
	return now
}

// quantile returns the duration that the share q of the latencies does not
// exceed, as exactly as the buckets tell; false when there are none.
func quantile(l delivery.Latency, q float64) (time.Duration, bool) {
	if l.Count == 0 {
		return 0, false
	}
	rank, lower := q*float64(l.Count), 0.0
	for i, n := range l.Buckets {
		upper := delivery.LatencyBuckets[i]
		if rank <= float64(n) && n > 0 {
			return time.Duration((lower + (upper-lower)*rank/float64(n)) * float64(time.Second)), true
		}
		rank -= float64(n)
		lower = upper
	}
	return time.Duration(lower * float64(time.Second)), true
}

package snapshot

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// Source is about the replication connection and its slot.
type Source struct {
	Slot      string `json:"slot"`
	Connected bool   `json:"connected"`
	Connects  uint64 `json:"connects"`
	// Received is how far the stream has been read, Checkpoint how far
	// everything is settled and saved, Confirmed what PostgreSQL was told to
	// forget; missing before this daemon told it for the first time.
	Received   string `json:"received_lsn"`
	Checkpoint string `json:"checkpoint_lsn"`
	Confirmed  string `json:"confirmed_lsn,omitempty"`
	// Server is the end of the server's WAL, as of a few seconds ago, or of the
	// last time that it answered.
	Server string `json:"server_lsn"`
	// Lag is from the checkpoint to there, in bytes of WAL.
	Lag uint64 `json:"lag_bytes"`
	// CatchUp is in how many seconds there will be no lag at the rate of the
	// last ten minutes; 0 where that is not known. Growing is set while the lag
	// grows at that rate.
	CatchUp float64 `json:"catch_up_seconds"`
	Growing bool    `json:"growing"`
	// Retained is the WAL that the slot keeps on the server, Safe how much may
	// still be written before PostgreSQL may drop the slot, missing where it
	// never does; Drop is in how many seconds that is used up at the rate of
	// the last ten minutes, 0 when it does not shrink.
	Retained int64 `json:"retained_bytes"`
	// MostRetained is what delivery.max_retained_wal allows; 0 for no limit.
	MostRetained int64   `json:"retained_limit_bytes"`
	Safe         *int64  `json:"safe_bytes,omitempty"`
	Drop         float64 `json:"drop_seconds"`
	// Transaction is a large one that is being read: until its end, no position
	// moves. Missing where there is none.
	Transaction *Transaction `json:"transaction,omitempty"`
}

// Transaction is one that is being read.
type Transaction struct {
	// Commit is where its commit record begins, Committed when it was committed.
	Commit    string    `json:"commit_lsn"`
	Committed time.Time `json:"committed"`
	XID       uint32    `json:"xid"`
	// Changes counts those that have been read, for Seconds.
	Changes uint64  `json:"changes"`
	Seconds float64 `json:"seconds"`
}

// sourceOf fills Source in.
func sourceOf(r delivery.Report, set Settings, now time.Time) Source {
	s := Source{
		Slot: set.Slot, Connected: r.Source.Connected, Connects: r.Source.Connects,
		Received: r.Source.Received.String(), Checkpoint: r.Saved.String(),
	}
	if r.Synced != 0 {
		s.Confirmed = r.Synced.String()
	}
	end := max(r.Source.Received, r.Source.Server)
	if s.Server = end.String(); end > r.Saved {
		s.Lag = uint64(end - r.Saved)
	}
	far := r.Source.Lag
	s.Retained, s.Safe, s.Growing = far.Retained, far.Safe, far.Growing
	s.MostRetained = set.MaxRetainedWAL
	s.CatchUp, s.Drop = far.CatchUp.Seconds(), far.Drop.Seconds()
	if t := r.Source.Transaction; t.Large(now) {
		s.Transaction = &Transaction{
			Commit: t.Commit.String(), Committed: t.Committed, XID: t.XID, Changes: t.Changes, Seconds: now.Sub(t.Since).Seconds(),
		}
	}
	return s
}

// sourceMetrics are about the replication connection and its slot.
var sourceMetrics = []metric{
	flag("source_connected", "1 while the replication connection is streaming.", func(r *Report) bool { return r.Source.Connected }),
	counter("source_connects_total", "Replication connections made.", func(r *Report) uint64 { return r.Source.Connects }),
	labelled("source_disconnects_total", "Replication connections that ended and attempts that failed, by reason.", prometheus.CounterValue, []string{"reason"}, func(r *Report, put put) {
		for _, reason := range reasons {
			put(float64(r.from.Source.Disconnects[reason]), reason)
		}
	}),
	counter("source_received_bytes_total", "Bytes received on the replication connection.", func(r *Report) uint64 { return r.from.Source.Bytes }),
	counter("source_messages_total", "Messages received on the replication connection.", func(r *Report) uint64 { return r.from.Source.Messages }),
	gauge("source_server_lsn", "End of the WAL of the server as far as it is known, as an integer.", func(r *Report) float64 { return float64(r.from.Source.Server) }),
	gauge("source_lag_bytes", "WAL from the saved checkpoint to the end of the WAL of the server.", func(r *Report) float64 { return float64(r.Source.Lag) }),
	gauge("source_retained_bytes", "WAL that the slot keeps on the server, when it was asked last.", func(r *Report) float64 { return float64(r.Source.Retained) }),
	gauge("source_retained_limit_bytes", "What delivery.max_retained_wal allows of cdcsync_source_retained_bytes; 0 is unlimited.", func(r *Report) float64 { return float64(r.Source.MostRetained) }),
	labelled("source_safe_bytes", "WAL that may still be written before PostgreSQL may drop the slot; absent where it never does.", prometheus.GaugeValue, nil, func(r *Report, put put) {
		if r.Source.Safe != nil {
			put(float64(*r.Source.Safe))
		}
	}),
	gauge("source_catch_up_seconds", "Time until there is no lag, at the rate of the last ten minutes; 0 where there is none or it is not known, +Inf while it grows.", func(r *Report) float64 {
		if r.Source.Growing {
			return math.Inf(1)
		}
		return r.Source.CatchUp
	}),
	labelled("source_drop_seconds", "Time until PostgreSQL may drop the slot, at the rate of the last ten minutes; absent where it is not nearing.", prometheus.GaugeValue, nil, func(r *Report, put put) {
		if r.Source.Drop > 0 {
			put(r.Source.Drop)
		}
	}),
	gauge("source_received_lsn", "End of what was received, as an integer.", func(r *Report) float64 { return float64(r.from.Source.Received) }),
	gauge("source_confirmed_lsn", "Position up to which the server may forget, as an integer.", func(r *Report) float64 { return float64(r.from.Synced) }),
	gauge("checkpoint_lsn", "Saved checkpoint, as an integer.", func(r *Report) float64 { return float64(r.from.Saved) }),
	gauge("checkpoint_last_success_timestamp_seconds", "Unix time of the last save.", func(r *Report) float64 { return unix(r.from.SavedAt) }),
	gauge("source_transaction_changes", "Changes read so far of the transaction that is being read; 0 outside of one.", func(r *Report) float64 { return float64(r.from.Source.Transaction.Changes) }),
	counter("source_transactions_total", "Transactions fully received.", func(r *Report) uint64 { return r.from.Transactions }),
}

// reasons are the label values of source_disconnects_total that exist from
// the start, as replication.Reason has them; a reason that is fatal ends the
// process.
var reasons = []string{
	"network", "terminated", "unavailable", "silent", "stopping", "slot_busy",
	"credentials", "too_many", "standby", "protocol", "server_error",
}

package admin

import (
	"encoding/json"
	"time"
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
}

// Calls is about the calls to Marketo.
type Calls struct {
	InFlight int `json:"in_flight"`
	// Today counts those of the quota day, which ends at midnight US Central,
	// at Resets; Limit is what is configured for it, 0 for no limit.
	Today  int       `json:"today"`
	Limit  int       `json:"limit"`
	Resets time.Time `json:"resets"`
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
	// PerCall is objects per call, PerChange calls per 1,000 changes of
	// mapped rows; both are missing before the first.
	PerCall   *float64 `json:"objects_per_call,omitempty"`
	PerChange *float64 `json:"calls_per_1000_changes,omitempty"`
}

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

// Mapping is about one mapping.
type Mapping struct {
	Name   string `json:"name"`
	Object string `json:"object"`
	// Rows counts row changes, Filtered those of them that asked for nothing
	// to be written, Coalesced the writes that were merged into another.
	Rows      uint64 `json:"rows"`
	Filtered  uint64 `json:"rows_filtered"`
	Coalesced uint64 `json:"objects_coalesced"`
	// Confirmed counts settled objects, Statuses what Marketo said of objects,
	// by status.
	Confirmed uint64            `json:"objects_confirmed"`
	Statuses  map[string]uint64 `json:"statuses"`
	Retries   uint64            `json:"objects_retried"`
	Gone      uint64            `json:"rows_gone"`
	// Pending and Parked count what is so now.
	Pending int `json:"pending"`
	Parked  int `json:"parked"`
	// Blocked is why the mapping sends probes only.
	Blocked string `json:"blocked,omitempty"`
	// DeletesHeld is set while the mapping is held, as it wants to delete more
	// than delivery.max_deletes allows.
	DeletesHeld bool `json:"deletes_held,omitempty"`
	// Latency is missing before the first confirmed object.
	Latency *Latency `json:"latency,omitempty"`
}

// Latency is from commit to confirmed, read from a histogram: exact to its
// buckets, and never more than the last of them, an hour.
type Latency struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
}

// Parked is the answer to GET /api/v1/parked: all that fits the question in
// Groups, a page of it in Entries.
type Parked struct {
	// Total counts the parked objects that fit the question.
	Total int `json:"total"`
	// Groups counts them by mapping and code, the largest group first.
	Groups  []Group `json:"groups"`
	Entries []Entry `json:"entries"`
	// Next, where there are more entries, is the after= of the next page.
	Next string `json:"next,omitempty"`
}

// Group sums up the parked objects of one mapping and code.
type Group struct {
	Mapping string `json:"mapping"`
	Code    string `json:"code"`
	// Message is that of the object parked last.
	Message string `json:"message"`
	Count   int    `json:"count"`
	// Waiting counts those that are tried again by themselves.
	Waiting int `json:"waiting"`
	// First and Last are when the first of them was parked and when the last
	// was refused.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Entry is one parked object.
type Entry struct {
	// ID is short and stays the same while the object is parked, and beyond.
	ID      string `json:"id"`
	Mapping string `json:"mapping"`
	// Object is the custom object type.
	Object string `json:"object"`
	// Key is the key as people write it, MKTOID=7,rid=42; empty for a row that
	// has none.
	Key string `json:"key"`
	// Code and Message are Marketo's, or say what is wrong with the row.
	Code      string `json:"code"`
	Message   string `json:"message"`
	Operation string `json:"operation"`
	// LSN is the end of the newest transaction that changed the row, and
	// Committed the time of its commit.
	LSN       string    `json:"lsn"`
	Committed time.Time `json:"committed"`
	Attempts  int       `json:"attempts"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	// Waits is set when the object is tried again by itself, at Next.
	Waits bool       `json:"waits"`
	Next  *time.Time `json:"next,omitempty"`
	// Payload holds the attributes that were to be written. Only the answer to
	// GET /api/v1/parked/{id} has it.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// NoCode selects, as a Code, the objects that came without one.
const NoCode = "-"

// Selector chooses parked objects to act on. It is All alone, or at least one
// of the others, which must all fit.
type Selector struct {
	Mapping string `json:"mapping,omitempty"`
	// Code is Marketo's code or NoCode.
	Code string `json:"code,omitempty"`
	// Key is an Entry's ID or Key. If it fits objects of several mappings,
	// Mapping has to say which.
	Key string `json:"key,omitempty"`
	All bool   `json:"all,omitempty"`
}

// Acted is the answer to POST /api/v1/parked/retry and …/discard.
type Acted struct {
	// Done counts the objects that were queued again, or given up; what
	// becomes of the former is known when their calls are answered.
	Done int `json:"done"`
	// Missing counts those that were done with by themselves in between.
	Missing int `json:"missing"`
	// Problems says why others could not be queued.
	Problems []string `json:"problems,omitempty"`
}

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

package delivery

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Config is what the Machine goes by. All durations and counts must be
// positive; DefaultConfig has the defaults.
type Config struct {
	// Mappings are the mappings, in the order of mapping.Set.
	Mappings []Mapping
	Capacity marketo.Capacity
	Limits   marketo.Limits
	// MaxWait is the longest an object waits for its batch to fill, or for more
	// changes of its key.
	MaxWait time.Duration
	// MaxPending and MaxPendingBytes bound what is held in memory.
	MaxPending      int
	MaxPendingBytes int
	// MaxParked bounds the parked objects; beyond it, mappings that would
	// park more are blocked.
	MaxParked int
	// MaxDeletes is the most objects of one mapping that are deleted in an hour;
	// one that wants more is held. Zero means no limit.
	MaxDeletes int
	// MaxSettled is how many changes that are settled above the checkpoint are
	// kept one by one; beyond it, what is not settled is kept instead, once in so
	// many settled changes.
	MaxSettled int
	// BackfillShare is the part of each window of calls, of the calls at a time and
	// of what the day has left that backfills may use. LiveReserve is the part of a
	// day's calls below which they get none.
	BackfillShare, LiveReserve float64
	// Digest makes the hash that is remembered of the value with that number of an
	// object: the key first. It should be keyed, and is never 0. Nil means that
	// nothing is remembered, and every change sent.
	Digest func(i int, v marketo.Value) uint64
	// HaltOnReject stops all delivery at the first rejected object.
	HaltOnReject bool
	// UnknownHold is how long, from the start of a call with an unknown
	// outcome, newer values of its keys wait.
	UnknownHold time.Duration
	// MaxAttempts is how often an object is tried that Marketo asks to retry,
	// or gives no status, before it is parked.
	MaxAttempts int
	// SyncEvery is the shortest time between two synced saves; it bounds how
	// far the slot lags behind what is settled.
	SyncEvery time.Duration
	// MarkEvery is the same while the only progress is other people's WAL.
	MarkEvery time.Duration
	// MaxStand is how long the slot may stand with work to do until the daemon
	// is no longer ready.
	MaxStand time.Duration
	// Seed makes the jitter, and spreads keys in memory: nobody who chooses
	// keys should know it.
	Seed uint64
}

// Mapping is what the Machine has to know of a mapping.
type Mapping struct {
	Name string
	// Object is the custom object type, Shape what its objects look like.
	Object string
	Shape  *marketo.Shape
	// Operation is what becomes of a row that is there.
	Operation marketo.Operation
	// Separate turns coalescing off.
	Separate bool
	// Deletes is set when the object of a row that has gone is deleted.
	Deletes bool
	// Rules is what stands for the rules by which changes become writes and get
	// their keys: mapping.Definition.Rules.
	Rules uint64
}

// DefaultConfig returns the defaults; Mappings and Capacity are the caller's.
func DefaultConfig() Config {
	return Config{
		Limits:          marketo.Limits{CallsPer20s: 50, ConcurrentCalls: 5, CallsPerDay: 10000},
		MaxWait:         time.Second,
		MaxPending:      100_000,
		MaxPendingBytes: 24 << 20,
		MaxParked:       10_000,
		MaxDeletes:      1000,
		MaxSettled:      20_000,
		UnknownHold:     150 * time.Second,
		MaxAttempts:     8,
		BackfillShare:   0.5,
		LiveReserve:     0.2,
		SyncEvery:       100 * time.Millisecond,
		MarkEvery:       time.Second,
		MaxStand:        time.Minute,
	}
}

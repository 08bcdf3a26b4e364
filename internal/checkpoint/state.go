package checkpoint

import (
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// LSN is a position in the write-ahead log.
type LSN = replication.LSN

// Checkpoint is the durable position and what it is a position in. Every
// change of a transaction whose end is at or below LSN is settled.
type Checkpoint struct {
	// System is the cluster's system identifier.
	System   string
	Timeline int32
	Database string
	Slot     string
	LSN      LSN
}

// Parked is an object that was not confirmed and does not hold up the others:
// rejected, or waiting to be tried again.
type Parked struct {
	Mapping string
	// Object is the custom object type.
	Object string
	// Key identifies the object (mapping.Write.Key); one entry per Key.
	Key string
	// Fields and Payload are JSON objects of the key attributes and of all
	// attributes, for people and for `parked show`.
	Fields    string
	Payload   string
	Operation string
	At        replication.Position
	// Committed is the commit time of the newest change the entry stands for.
	Committed time.Time
	// Code and Message are Marketo's, or those of a mapping.Problem.
	Code    string
	Message string
	// Waits is set when the object is tried again by itself, at Next.
	Waits    bool
	Next     time.Time
	Attempts int
	First    time.Time
	Last     time.Time
}

// Call is one call in flight: if it is still in the store at start, its
// objects may have been written, or may yet be.
type Call struct {
	ID   uint64
	Keys []string
}

// Settled says that every change of Key up to and including Through is
// settled. It keeps a restart from sending such changes again while an older,
// unsettled change of another key holds the checkpoint back.
type Settled struct {
	Key     string
	Through replication.Position
}

// Quota is the use of Marketo's limits that must outlive a restart.
type Quota struct {
	// Day is the quota day, YYYY-MM-DD in US Central time.
	Day string
	// Calls counts the calls started on that day.
	Calls int
	// Starts holds the start times of the calls of the last 20 seconds.
	Starts []time.Time
	// Exhausted is set when Marketo itself said that the day is used up.
	Exhausted bool
}

// Save is one group commit: all of it becomes durable, or none.
type Save struct {
	// Checkpoint is the new position; zero leaves it as it is. A position
	// below the saved one is an error: the checkpoint never goes back.
	Checkpoint LSN
	Started    []Call
	Ended      []uint64
	Settled    []Settled
	Parked     []Parked
	// Resolved holds the keys whose parked entries are done with.
	Resolved []string
	Quota    *Quota
	// Sync asks for durability against power loss, not only against the
	// death of the process. Whatever was saved before becomes durable too.
	Sync bool
	// Clean marks the end of an orderly life: nothing is in flight.
	Clean bool
}

// State is what the store holds at start.
type State struct {
	// Checkpoint is nil in a new store.
	Checkpoint *Checkpoint
	// Clean is set when the last life ended in order, and in a new store.
	Clean bool
	// SameBoot is set when the machine has not been restarted since the last
	// Save, so that all of it is there, synced or not.
	SameBoot bool
	InFlight []Call
	Settled  []Settled
	Parked   []Parked
	Quota    Quota
}

// Package checkpoint says what must not be forgotten: how far the stream of
// changes has been settled, and everything a restart needs to go on from there.
//
// It is pure, and has three parts. Window says how far settling has come. Save
// and State are what a store is given and gives back. Resume decides, from what
// the server and the store say, whether going on is safe; its refusals have the
// codes listed here. The store itself is package sqlite.
//
// The promise: the frontier of a Window never goes back and never passes what is
// not settled; Resume never goes on over a gap. The limits: the store may be lost,
// but then Resume refuses to guess where the stream was.
package checkpoint

import (
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// LSN is a position in the write-ahead log.
type LSN = pgoutput.LSN

// Checkpoint is the durable position and what it is a position in. Every
// change of a transaction whose end is at or below LSN is settled.
type Checkpoint struct {
	// System is the cluster's system identifier.
	System   string
	Timeline int32
	Database string
	Slot     string
	// LSN is zero while the slot has been announced by Store.Intend, but not
	// yet been identified: nothing was ever delivered from it.
	LSN LSN
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
	At        pgoutput.Position
	// XID is the transaction of the newest change the entry stands for, zero
	// where that is not known: a row that is read again has to be as new.
	XID uint32
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
	// ID is any number below 1<<40 that no other call of this life has. The
	// store returns it in State.InFlight with the number of its life above
	// those bits, so that lives do not collide; Save.Ended takes both forms.
	ID uint64
	// Keys are those of its objects; none stands for keys that are not known.
	Keys []string
}

// Settled says that every change of Key up to and including Through is
// settled. It keeps a restart from sending such changes again while an older,
// unsettled change of another key holds the checkpoint back.
type Settled struct {
	Key     string
	Through pgoutput.Position
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

// ErrClosed is in the error of a save after which a store takes no other in this
// life: what it calls durable could not be believed. Any other error may pass.
var ErrClosed = errors.New("the store is closed to saves")

// Following is what may become of a server that stays the one it is: it is on a
// later timeline, which has everything that is settled, or its database has
// another name.
type Following struct {
	Timeline int32
	Database string
}

// Save is one group commit: all of it becomes durable, or none.
type Save struct {
	// Checkpoint is the new position; zero leaves it as it is. A position
	// below the saved one is an error: the checkpoint never goes back.
	Checkpoint LSN
	// Latest is the newest transaction up to Checkpoint; nil leaves it as it is, a
	// zero one forgets it.
	Latest *Commit
	// Started and Ended add and remove calls in flight. A call in both is not
	// in flight.
	Started []Call
	Ended   []uint64
	Settled []Settled
	// SettledTo, unless it is nil, takes the place of all that was saved as
	// settled before, and of what Settled has up to its Through.
	SettledTo *SettledTo
	// Parked adds entries, or replaces those of the same key.
	Parked []Parked
	// Resolved holds the keys whose parked entries are done with. A key in
	// both stays parked.
	Resolved []string
	// Lacking holds the keys whose objects may lack a part of their rows at
	// Marketo, until they are resolved. Their parked entries are done with. A
	// key in Resolved, too, is lacking; one in Parked, too, is not.
	Lacking []string
	Quota   *Quota
	// Deletions replaces what is known of these mappings.
	Deletions []Deletions
	// Cursors take the places of those of the same feeds.
	Cursors []Cursor
	// Refused adds rows of backfills, or replaces those of the same feed and key.
	// Unrefused holds those that are done with. One in both stays refused.
	Refused   []Refused
	Unrefused []RefusedKey
	// Follow, unless it is nil, is what the server of the checkpoint is now. That
	// the timeline goes back is an error; the position stays as it is.
	Follow *Following
	// Accepted adds what was given up.
	Accepted []Accepted
	// Confirmed replaces what is remembered of objects. It is kept in a place of
	// its own, which has it before anything else of the Save is in the store, and
	// is emptied after a loss of power: should the process die between the two,
	// what is remembered may be newer than the store, and never older. A store
	// itself passes over it.
	Confirmed []Confirmed
	// Forgotten are the keys of objects of which nothing is known any more.
	Forgotten []string
	// Sync asks for durability against power loss, not only against the
	// death of the process. Whatever was saved before becomes durable too.
	Sync bool
	// Clean marks the end of an orderly life: nothing is in flight. It is
	// always durable against power loss. Any later Save takes it back.
	Clean bool
	// Sent is the newest change that any call so far has carried. One that is
	// not newer than the saved one changes nothing.
	Sent pgoutput.Position
	// Lags replaces what was known of object types that lag; nil leaves it, an
	// empty one says that none does.
	Lags []Lag
}

// State is what the store holds at start.
type State struct {
	// Checkpoint is nil in a new store, and has no LSN where only an
	// intention was recorded.
	Checkpoint *Checkpoint
	// Latest is the newest transaction up to the checkpoint; zero where it is not
	// known.
	Latest Commit
	// Clean is set when the last life ended in order, and in a new store.
	Clean bool
	// SameBoot is set when the machine has not been restarted since the last
	// Save, so that all of it is there, synced or not.
	SameBoot bool
	InFlight []Call
	// Settled has each key once, and only changes that the server may send
	// again.
	Settled []Settled
	// SettledTo stands for others; nil where it does for none.
	SettledTo *SettledTo
	Parked    []Parked
	// Deletions holds what mappings have deleted lately, by their names.
	Deletions []Deletions
	// Lacking holds the keys that were lacking and not resolved since.
	Lacking []string
	// Relations are the mapped tables as they were last seen; none in a store
	// that no life has looked at tables for.
	Relations []Relation
	// Cursors are those of feeds that are not done with, by their names.
	Cursors []Cursor
	// Refused counts the refused rows of each feed that has any: there may be
	// more of them than fit into memory.
	Refused map[string]int
	// Mappings are those that were recorded last, by table and object.
	Mappings []KnownMapping
	// OlderMappings is set in a store of a release that recorded none, until some
	// are recorded: all that are configured then count as loaded.
	OlderMappings bool
	// Accepted are the gaps that were accepted, the oldest first.
	Accepted []Accepted
	Quota    Quota
	// Sent is the newest change that a call has carried; zero for none. What
	// is older has to be known again as a whole before anything is sent: the
	// value of an object that was sent may stand for several changes, of which
	// the first alone would be a step back.
	Sent pgoutput.Position
	// Lags are the object types for which something else counts.
	Lags []Lag
}

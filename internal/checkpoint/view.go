package checkpoint

import "github.com/cdcsync/cdcsync/internal/catalog"

// ServerView is what the server says at the start of every connection.
type ServerView struct {
	// System, Timeline and WALEnd are IDENTIFY_SYSTEM's systemid, timeline
	// and xlogpos.
	System   string
	Timeline int32
	WALEnd   LSN
	// Switched is where the server's history left the timeline of the
	// checkpoint (TIMELINE_HISTORY); zero when that history does not have that
	// timeline, or the timelines are the same.
	Switched LSN
	// Database is the one we are connected to.
	Database string
	// SlotName is the slot as configured, Slot what pg_replication_slots has
	// under that name; nil when there is none.
	SlotName string
	Slot     *catalog.Slot
}

// Action is what a Decision asks for.
type Action uint8

const (
	// Refuse: going on would lose changes, or cannot work. It is the zero
	// Action, so that a Decision nobody made does not go on.
	Refuse Action = iota
	// Continue: start the stream at Decision.LSN. If the server's timeline or
	// database is not the checkpoint's, save what it has become first (Save.Follow).
	Continue
	// Create: nothing was ever delivered and there is no slot. Intend, create
	// the slot, and Identify.
	Create
	// Adopt: an intention is recorded and its slot is there; the crash was
	// between the two. Identify with Decision.LSN.
	Adopt
	// Wait: the slot is being created, and waits for open transactions. Look
	// again later.
	Wait
)

func (a Action) String() string {
	return [...]string{"refuse", "continue", "create", "adopt", "wait"}[a]
}

// Codes of a Refusal.
const (
	WrongSystem     = "wrong_system"
	WrongDatabase   = "wrong_database"
	WrongSlot       = "wrong_slot"
	WrongTimeline   = "wrong_timeline"
	SlotMissing     = "slot_missing"
	SlotWrongPlugin = "slot_wrong_plugin"
	SlotTwoPhase    = "slot_two_phase"
	SlotTemporary   = "slot_temporary"
	SlotLost        = "slot_lost"
	StoreLost       = "store_lost"
	Gap             = "gap"
	ServerBehind    = "server_behind"
	WrongHistory    = "wrong_history"
	// PublicationMissing and TableChanged are refusals of the start alone.
	PublicationMissing = "publication_missing"
	TableChanged       = "table_changed"
	MappingChanged     = "mapping_changed"
)

// Refusal is why the stream must not be started, and what to do about it. It
// is an error.
type Refusal struct {
	// Code is one of the constants above.
	Code   string
	Reason string
	Remedy string
	// Span is what going on would leave out, where that may be accepted.
	Span *Span
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Reason + "; " + r.Remedy }

// Decision is the answer of Resume.
type Decision struct {
	Action Action
	// LSN is where to start, for Continue and Adopt.
	LSN LSN
	// Warning is something an operator should know although we go on, or what is
	// waited for; empty if there is nothing.
	Warning string
	// Refusal is set when, and only when, Action is Refuse.
	Refusal *Refusal
}

// Reached is how far changes of the checkpoint's timeline have come beside the
// checkpoint, and beyond it: each of these is known of a position.
type Reached struct {
	// Received is the end of what was received over an earlier connection.
	Received LSN
	// Sent is the newest commit of which a change was sent, Settled the newest
	// of which one was settled above the checkpoint: starts of commit records.
	Sent, Settled LSN
}

// Reached returns what the last life reached.
func (s *State) Reached() Reached {
	r := Reached{Sent: s.Sent.Commit}
	for i := range s.Settled {
		r.Settled = max(r.Settled, s.Settled[i].Through.Commit)
	}
	if s.SettledTo != nil {
		r.Settled = max(r.Settled, s.SettledTo.Through.Commit)
	}
	return r
}

// beyond returns the end of what must be common to both timelines.
func (r Reached) beyond(checkpoint LSN) LSN {
	newest := max(checkpoint, r.Received)
	for _, commit := range []LSN{r.Sent, r.Settled} {
		if commit != 0 {
			newest = max(newest, commit+1) // the record is longer, but ends after its start
		}
	}
	return newest
}

package checkpoint

import (
	"fmt"
	"strings"
)

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
	Slot     *SlotView
}

// SlotView is a row of pg_replication_slots. Columns that the server's version
// does not have are left zero.
type SlotView struct {
	// Plugin is empty for a physical slot.
	Plugin    string
	Database  string
	TwoPhase  bool
	Temporary bool
	// WALStatus is wal_status: reserved, extended, unreserved or lost.
	WALStatus string
	// Invalidation is invalidation_reason, from PostgreSQL 17 on.
	Invalidation string
	// Confirmed is confirmed_flush_lsn; zero for NULL, as long as the slot is
	// being created.
	Confirmed LSN
	// Restart is restart_lsn; zero for NULL, as that of a slot that was lost, and
	// for a moment that of one that is being created.
	Restart LSN
}

// Action is what a Decision asks for.
type Action uint8

const (
	// Refuse: going on would lose changes, or cannot work. It is the zero
	// Action, so that a Decision nobody made does not go on.
	Refuse Action = iota
	// Continue: start the stream at Decision.LSN. If the server's timeline is
	// not the checkpoint's, identify the store anew first.
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

// Resume decides how a connection begins. ck is the store's checkpoint: nil in
// a new store, without an LSN where only an intention was recorded. reached is
// what is known beyond it.
//
// It is called at every connection, not only at start, because the server
// checks none of this: a slot that somebody advanced or created anew, and a
// position in WAL that the server does not have yet, both lose changes without
// an error.
func Resume(server ServerView, ck *Checkpoint, reached Reached) Decision {
	d := decide(server, ck, reached)
	if d.Refusal != nil {
		d.Refusal = offer(d.Refusal, server, ck)
	}
	return d
}

func decide(server ServerView, ck *Checkpoint, reached Reached) Decision {
	if ck != nil && ck.LSN != 0 {
		return resume(server, ck, reached)
	}
	if server.Slot == nil {
		return Decision{Action: Create}
	}
	if r := checkSlot(server); r != nil {
		return Decision{Refusal: r}
	}
	if ck == nil || ck.System != server.System || ck.Database != server.Database || ck.Slot != server.SlotName {
		return Decision{Refusal: storeLost(server)}
	}
	if server.Slot.Confirmed == 0 {
		return unfinished(server)
	}
	return Decision{Action: Adopt, LSN: server.Slot.Confirmed, Warning: slotWarning(server)}
}

// resume decides for a store that has a position.
func resume(server ServerView, ck *Checkpoint, reached Reached) Decision {
	for _, check := range []func(ServerView, *Checkpoint) *Refusal{checkIdentity, checkSlotThere, checkPosition} {
		if r := check(server, ck); r != nil {
			return Decision{Refusal: r}
		}
	}
	if r := checkFork(server, ck, reached); r != nil {
		return Decision{Refusal: r}
	}
	if server.Slot.Confirmed == 0 {
		return unfinished(server)
	}
	var warnings []string
	if server.Timeline != ck.Timeline {
		warnings = append(warnings, fmt.Sprintf("the server was promoted: timeline %d, was %d; it has everything that was delivered, so the stream goes on at %s",
			server.Timeline, ck.Timeline, ck.LSN))
	}
	if w := slotWarning(server); w != "" {
		warnings = append(warnings, w)
	}
	return Decision{Action: Continue, LSN: ck.LSN, Warning: strings.Join(warnings, "; ")}
}

// checkIdentity compares whose position it is with where we are.
func checkIdentity(server ServerView, ck *Checkpoint) *Refusal {
	switch {
	case ck.System != server.System:
		return &Refusal{Code: WrongSystem,
			Reason: fmt.Sprintf("the state file belongs to the PostgreSQL cluster with system identifier %s, and this one is %s", ck.System, server.System),
			Remedy: "point source.url back at that cluster; for a new cluster (also after pg_upgrade) " + startAfresh(server)}
	case ck.Database != server.Database:
		return &Refusal{Code: WrongDatabase,
			Reason: fmt.Sprintf("the state file belongs to database %q, and source.url leads to %q", ck.Database, server.Database),
			Remedy: "name that database in source.url, or give this one a state file and a slot of its own"}
	case ck.Slot != server.SlotName:
		return &Refusal{Code: WrongSlot,
			Reason: fmt.Sprintf("the state file belongs to slot %q, and source.slot is %q", ck.Slot, server.SlotName),
			Remedy: "set source.slot back, or give the new slot a state file of its own"}
	}
	return nil
}

func checkSlotThere(server ServerView, ck *Checkpoint) *Refusal {
	if server.Slot == nil {
		return &Refusal{Code: SlotMissing,
			Reason: fmt.Sprintf("slot %q does not exist, but the state file says it was read up to %s: changes since then cannot be had from it", server.SlotName, ck.LSN),
			Remedy: "if this server is not the one it was (a failover), go back to that one; otherwise " + startAfresh(server)}
	}
	return checkSlot(server)
}

// checkSlot looks at the slot by itself.
func checkSlot(server ServerView) *Refusal {
	slot := server.Slot
	switch {
	case slot.Plugin != "pgoutput":
		kind := fmt.Sprintf("made for the plugin %q", slot.Plugin)
		if slot.Plugin == "" {
			kind = "a physical slot"
		}
		return &Refusal{Code: SlotWrongPlugin,
			Reason: fmt.Sprintf("slot %q is %s, not for pgoutput, so it belongs to something else", server.SlotName, kind),
			Remedy: "set source.slot to a name that is not taken; it is created when missing"}
	case slot.Database != server.Database:
		return &Refusal{Code: WrongDatabase,
			Reason: fmt.Sprintf("slot %q is one of database %q, and source.url leads to %q", server.SlotName, slot.Database, server.Database),
			Remedy: "set source.slot to a name that is not taken, or name that database in source.url"}
	case slot.TwoPhase:
		return &Refusal{Code: SlotTwoPhase,
			Reason: fmt.Sprintf("slot %q was made with two_phase, which sends transactions before they are committed", server.SlotName),
			Remedy: startAfresh(server)}
	case slot.Temporary:
		return &Refusal{Code: SlotTemporary,
			Reason: fmt.Sprintf("slot %q is temporary: it belongs to a session of something else, and goes with it", server.SlotName),
			Remedy: "set source.slot to a name that is not taken; it is created when missing"}
	case slot.WALStatus == "lost" || slot.Invalidation != "" || slot.Restart == 0 && slot.Confirmed != 0:
		return &Refusal{Code: SlotLost, Reason: lostReason(server), Remedy: "raise or remove the limit that did it (max_slot_wal_keep_size, idle_replication_slot_timeout), then " + startAfresh(server)}
	}
	return nil
}

func lostReason(server ServerView) string {
	cause := ""
	if server.Slot.Invalidation != "" {
		cause = " (" + server.Slot.Invalidation + ")"
	}
	return fmt.Sprintf("the server has invalidated slot %q%s: changes it still had to send are gone", server.SlotName, cause)
}

// checkPosition compares the three positions that must be in order: what the
// server was told, what we have settled, what the server has.
func checkPosition(server ServerView, ck *Checkpoint) *Refusal {
	switch {
	case server.Slot.Confirmed > ck.LSN:
		return &Refusal{Code: Gap,
			Reason: fmt.Sprintf("slot %q stands at %s, ahead of the state file's %s: somebody advanced it or created it anew, or the state file is an old copy; changes between the two were not delivered",
				server.SlotName, server.Slot.Confirmed, ck.LSN),
			Remedy: "put the right state file back if this is a copy; otherwise " + startAfresh(server)}
	case server.WALEnd < ck.LSN:
		return &Refusal{Code: ServerBehind,
			Reason: fmt.Sprintf("the server's WAL ends at %s, before the state file's %s: it was restored to an earlier time, or a standby that had not received everything was promoted",
				server.WALEnd, ck.LSN),
			Remedy: "connect to the server that has that WAL; if it is gone, " + startAfresh(server)}
	case server.Timeline < ck.Timeline:
		return &Refusal{Code: WrongTimeline,
			Reason: fmt.Sprintf("the server is on timeline %d, and the state file on the later %d: this is the old primary, or a restored copy", server.Timeline, ck.Timeline),
			Remedy: "connect to the present primary; if this is it now, " + startAfresh(server)}
	}
	return nil
}

// checkFork looks at a server on a later timeline: a position that both have
// means the same only before the place where they parted. What was sent or
// settled from beyond it, the server never had, and what it has there instead
// would be taken for delivered.
func checkFork(server ServerView, ck *Checkpoint, reached Reached) *Refusal {
	newest := reached.beyond(ck.LSN)
	switch {
	case server.Timeline == ck.Timeline:
		return nil
	case server.Switched == 0:
		return &Refusal{Code: WrongTimeline,
			Reason: fmt.Sprintf("the server is on timeline %d, whose history does not pass through timeline %d of the state file: it was promoted beside the server that changes were read from",
				server.Timeline, ck.Timeline),
			Remedy: "connect to the server that followed that one; if there is none, " + startAfresh(server)}
	case server.Switched < newest:
		return &Refusal{Code: WrongTimeline,
			Reason: fmt.Sprintf("the server left timeline %d at %s, and changes were received from it up to %s: changes were delivered, or may have been, that this server never had",
				ck.Timeline, server.Switched, newest),
			Remedy: startAfresh(server)}
	}
	return nil
}

// unfinished waits for a slot that has no position yet. Whoever creates it waits
// for the transactions that are open; where that was an earlier life of ours,
// which was killed, its session goes on without it.
func unfinished(server ServerView) Decision {
	return Decision{Action: Wait, Warning: fmt.Sprintf("slot %q is being created, and waits for transactions that were open before", server.SlotName)}
}

// storeLost refuses a slot that somebody has used when we know nothing of it.
func storeLost(server ServerView) *Refusal {
	return &Refusal{Code: StoreLost,
		Reason: fmt.Sprintf("slot %q exists at %s, but the state file knows nothing of it: what was delivered, parked or in flight is not known", server.SlotName, server.Slot.Confirmed),
		Remedy: "another instance? set source.slot to a name of its own here; otherwise put the state file back where `state` says; if it is lost, " + startAfresh(server)}
}

func slotWarning(server ServerView) string {
	if server.Slot.WALStatus != "unreserved" {
		return ""
	}
	return fmt.Sprintf("slot %q is about to be invalidated: the WAL it needs exceeds max_slot_wal_keep_size and goes with the server's next checkpoint; raise that setting now", server.SlotName)
}

// startAfresh is the remedy when the stream cannot be continued.
func startAfresh(server ServerView) string {
	move := "move the state file away and start again: a new slot is created and begins with new changes; rows whose changes were missed are sent when they are updated (UPDATE … SET id = id)"
	if server.Slot == nil {
		return move
	}
	return fmt.Sprintf("run SELECT pg_drop_replication_slot('%s'), %s", strings.ReplaceAll(server.SlotName, "'", "''"), move)
}

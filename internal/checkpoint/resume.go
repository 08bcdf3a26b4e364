package checkpoint

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

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
	if server.Slot.CreatedNow() {
		return unfinished(server)
	}
	return Decision{Action: Adopt, LSN: server.Slot.Confirmed, Warning: slotWarning(server)}
}

// WithoutPublication refuses to go on from a slot whose publication is gone.
// Where a slot is yet to be made, so is its publication.
func (d Decision) WithoutPublication(publication, slot string) Decision {
	if d.Action != Continue {
		return d
	}
	return Decision{Refusal: &Refusal{
		Code:   PublicationMissing,
		Reason: fmt.Sprintf("publication %q does not exist any more: changes since it was dropped are not in the stream", publication),
		Remedy: fmt.Sprintf("drop the slot with SELECT pg_drop_replication_slot('%s'), move the state file away and start again, or set source.publication to the right name", slot),
	}}
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
	if server.Slot.CreatedNow() {
		return unfinished(server)
	}
	var warnings []string
	if server.Timeline != ck.Timeline {
		warnings = append(warnings, fmt.Sprintf("the server was promoted: timeline %d, was %d; it has everything that was delivered, so the stream goes on at %s",
			server.Timeline, ck.Timeline, ck.LSN))
	}
	if renamedDatabase(server, ck) {
		warnings = append(warnings, fmt.Sprintf("database %q is called %q now: slot %q is its own, so the stream goes on at %s", ck.Database, server.Database, ck.Slot, ck.LSN))
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
	case ck.Database != server.Database && !renamedDatabase(server, ck):
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

// renamedDatabase reports whether the checkpoint's database has another name
// now: a slot stays with its database, and no two of a cluster have one name.
// One that was made anew in another database would be ahead of the checkpoint.
func renamedDatabase(server ServerView, ck *Checkpoint) bool {
	return ck.Database != server.Database && ck.Slot == server.SlotName && server.Slot != nil && server.Slot.Database == server.Database
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
	switch slot.Flaw(server.Database) {
	case catalog.OtherPlugin:
		kind := fmt.Sprintf("made for the plugin %q", slot.Plugin)
		if slot.Plugin == "" {
			kind = "a physical slot"
		}
		return &Refusal{Code: SlotWrongPlugin,
			Reason: fmt.Sprintf("slot %q is %s, not for pgoutput, so it belongs to something else", server.SlotName, kind),
			Remedy: "set source.slot to a name that is not taken; it is created when missing"}
	case catalog.OtherDatabase:
		return &Refusal{Code: WrongDatabase,
			Reason: fmt.Sprintf("slot %q is one of database %q, and source.url leads to %q", server.SlotName, slot.Database, server.Database),
			Remedy: "set source.slot to a name that is not taken, or name that database in source.url"}
	case catalog.TwoPhase:
		return &Refusal{Code: SlotTwoPhase,
			Reason: fmt.Sprintf("slot %q was made with two_phase, which sends transactions before they are committed", server.SlotName),
			Remedy: startAfresh(server)}
	case catalog.Temporary:
		return &Refusal{Code: SlotTemporary,
			Reason: fmt.Sprintf("slot %q is temporary: it belongs to a session of something else, and goes with it", server.SlotName),
			Remedy: "set source.slot to a name that is not taken; it is created when missing"}
	case catalog.Lost:
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

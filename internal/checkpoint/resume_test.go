package checkpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// there is the checkpoint of a store.
var there = checkpoint.Checkpoint{System: "7312345678901234567", Timeline: 1, Database: "shop", Slot: "cdcsync", LSN: 0x16B3748}

// healthy is a server that there can go on with.
func healthy() checkpoint.ServerView {
	return checkpoint.ServerView{
		System: there.System, Timeline: there.Timeline, Database: there.Database, WALEnd: there.LSN + 100, SlotName: there.Slot,
		Slot: &catalog.Slot{Plugin: "pgoutput", Database: there.Database, WALStatus: "reserved", Confirmed: there.LSN - 10, Restart: there.LSN - 20},
	}
}

func intention() *checkpoint.Checkpoint {
	c := there
	c.LSN = 0
	return &c
}

func TestResume(t *testing.T) {
	type server = checkpoint.ServerView
	noSlot := func(s *server) { s.Slot = nil }
	tests := []struct {
		name   string
		change func(s *server)
		ck     *checkpoint.Checkpoint
		want   string // action and LSN, or the refusal's code
		words  []string
	}{
		{"nothing new", func(*server) {}, &there, "continue 0/16B3748", nil},
		{"confirmed at the checkpoint", func(s *server) { s.Slot.Confirmed = there.LSN }, &there, "continue 0/16B3748", nil},
		{"server ends at the checkpoint", func(s *server) { s.WALEnd = there.LSN }, &there, "continue 0/16B3748", nil},
		{"WAL kept beyond max_wal_size", func(s *server) { s.Slot.WALStatus = "extended" }, &there, "continue 0/16B3748", nil},
		{"slot about to be lost", func(s *server) { s.Slot.WALStatus = "unreserved" }, &there, "continue 0/16B3748", []string{"max_slot_wal_keep_size", "now"}},
		{"promoted", func(s *server) { s.Timeline, s.Switched = 2, there.LSN+1 }, &there, "continue 0/16B3748", []string{"promoted", "timeline 2, was 1"}},
		{"promoted beside the other", func(s *server) { s.Timeline = 3 }, &there, "wrong_timeline", []string{"timeline 3", "timeline 1", "beside"}},
		{"promoted after the checkpoint", func(s *server) { s.Timeline, s.Switched = 2, there.LSN }, &there, "continue 0/16B3748", []string{"promoted"}},
		{"promoted, about to be lost", func(s *server) { s.Timeline, s.Switched, s.Slot.WALStatus = 2, there.LSN, "unreserved" }, &there, "continue 0/16B3748", []string{"promoted", "max_slot_wal_keep_size"}},
		{"promoted before the checkpoint", func(s *server) { s.Timeline, s.Switched = 2, there.LSN-1 }, &there, "wrong_timeline", []string{"never had"}},
		{"promoted, with a gap", func(s *server) { s.Timeline, s.Slot.Confirmed = 2, there.LSN+1 }, &there, "gap", nil},
		{"promoted, but behind", func(s *server) { s.Timeline, s.WALEnd = 2, there.LSN-1 }, &there, "server_behind", nil},
		{"promoted, without the slot", func(s *server) { s.Timeline, s.Slot = 2, nil }, &there, "slot_missing", []string{"failover"}},
		{"the old primary", func(s *server) { s.Timeline = 0 }, &there, "wrong_timeline", []string{"present primary"}},
		{"another cluster", func(s *server) { s.System = "1" }, &there, "wrong_system", []string{there.System, "is 1", "pg_upgrade"}},
		{"another cluster without a slot", func(s *server) { s.System, s.Slot = "1", nil }, &there, "wrong_system", nil},
		{"another database", func(s *server) { s.Database = "test" }, &there, "wrong_database", []string{`"shop"`, `"test"`}},
		{"database renamed", func(s *server) { s.Database, s.Slot.Database = "b", "b" }, &there, "continue 0/16B3748", []string{`"shop" is called "b" now`}},
		{"another database with a slot of that name, made anew", func(s *server) { s.Database, s.Slot.Database, s.Slot.Confirmed = "b", "b", there.LSN+1 }, &there, "gap", nil},
		{"another database without a slot", func(s *server) { s.Database, s.Slot = "b", nil }, &there, "wrong_database", nil},
		{"another slot", func(s *server) { s.SlotName = "b" }, &there, "wrong_slot", []string{`"cdcsync"`, `"b"`}},
		{"another slot that is missing", func(s *server) { s.SlotName, s.Slot = "b", nil }, &there, "wrong_slot", nil},
		{"slot missing", noSlot, &there, "slot_missing", []string{"0/16B3748", "new slot"}},
		{"slot of another plugin", func(s *server) { s.Slot.Plugin = "wal2json" }, &there, "slot_wrong_plugin", []string{`"wal2json"`}},
		{"physical slot", func(s *server) { s.Slot.Plugin = "" }, &there, "slot_wrong_plugin", []string{"physical"}},
		{"slot of another database", func(s *server) { s.Slot.Database = "test" }, &there, "wrong_database", []string{`"test"`}},
		{"two-phase slot", func(s *server) { s.Slot.TwoPhase = true }, &there, "slot_two_phase", []string{"SELECT pg_drop_replication_slot('cdcsync')"}},
		{"temporary slot", func(s *server) { s.Slot.Temporary = true }, &there, "slot_temporary", []string{"source.slot"}},
		{"slot without restart_lsn", func(s *server) { s.Slot.Restart, s.Slot.WALStatus = 0, "" }, &there, "slot_lost", nil},
		{"slot without confirmed_flush_lsn", func(s *server) { s.Slot.Confirmed = 0 }, &there, "wait 0/0", []string{"being created"}},
		{"slot without any position", func(s *server) { s.Slot.Confirmed, s.Slot.Restart = 0, 0 }, &there, "wait 0/0", []string{"being created"}},
		{"the same, WAL behind", func(s *server) { s.Slot.Confirmed, s.WALEnd = 0, there.LSN-1 }, &there, "server_behind", nil},
		{"slot lost", func(s *server) { s.Slot.WALStatus = "lost" }, &there, "slot_lost", []string{"max_slot_wal_keep_size"}},
		{"slot invalidated", func(s *server) { s.Slot.Invalidation = "idle_timeout" }, &there, "slot_lost", []string{"(idle_timeout)"}},
		{"slot advanced", func(s *server) { s.Slot.Confirmed = there.LSN + 1 }, &there, "gap", []string{"0/16B3749", "0/16B3748"}},
		{"server restored", func(s *server) { s.WALEnd = there.LSN - 1 }, &there, "server_behind", []string{"0/16B3747", "0/16B3748"}},
		{"server restored, slot ahead of all", func(s *server) { s.WALEnd, s.Slot.Confirmed = there.LSN-1, there.LSN+1 }, &there, "gap", nil},

		{"first start", noSlot, nil, "create", nil},
		{"store lost", func(*server) {}, nil, "store_lost", []string{"0/16B373E", "pg_drop_replication_slot"}},
		{"no store, slot being created", func(s *server) { s.Slot.Confirmed = 0 }, nil, "store_lost", nil},
		{"no store, temporary slot", func(s *server) { s.Slot.Temporary = true }, nil, "slot_temporary", nil},
		{"no store, another plugin's slot", func(s *server) { s.Slot.Plugin = "test_decoding" }, nil, "slot_wrong_plugin", nil},
		{"no store, another database's slot", func(s *server) { s.Slot.Database = "test" }, nil, "wrong_database", nil},
		{"no store, two-phase slot", func(s *server) { s.Slot.TwoPhase = true }, nil, "slot_two_phase", nil},
		{"no store, lost slot", func(s *server) { s.Slot.WALStatus = "lost" }, nil, "slot_lost", nil},

		{"crash before the slot was created", noSlot, intention(), "create", nil},
		{"crash after the slot was created", func(*server) {}, intention(), "adopt 0/16B373E", nil},
		{"crash while the slot was created", func(s *server) { s.Slot.Confirmed = 0 }, intention(), "wait 0/0", []string{"being created"}},
		{"the same after a promotion", func(s *server) { s.Timeline = 2 }, intention(), "adopt 0/16B373E", nil},
		{"intention, lost slot", func(s *server) { s.Slot.WALStatus = "lost" }, intention(), "slot_lost", nil},
		{"intention, two-phase slot", func(s *server) { s.Slot.TwoPhase = true }, intention(), "slot_two_phase", nil},
		{"intention for another cluster, slot there", func(s *server) { s.System = "1" }, intention(), "store_lost", nil},
		{"intention for another cluster, no slot", func(s *server) { s.System, s.Slot = "1", nil }, intention(), "create", nil},
		{"intention for another slot, slot there", func(s *server) { s.SlotName = "b" }, intention(), "store_lost", nil},
		{"intention for another database, slot there", func(s *server) { s.Database, s.Slot.Database = "b", "b" }, intention(), "store_lost", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := healthy()
			tt.change(&server)
			decision := checkpoint.Resume(server, tt.ck, checkpoint.Reached{})
			got, text := describe(decision)
			if got != tt.want {
				t.Errorf("got %q (%s), want %q", got, text, tt.want)
			}
			for _, word := range tt.words {
				if !strings.Contains(text, word) {
					t.Errorf("text: got %q, want it to mention %q", text, word)
				}
			}
			if len(tt.words) == 0 && decision.Action != checkpoint.Refuse && decision.Warning != "" {
				t.Errorf("warning: got %q, want none", decision.Warning)
			}
		})
	}
}

// describe returns a decision in the words of the table, and its text.
func describe(d checkpoint.Decision) (string, string) {
	switch {
	case d.Refusal != nil && d.Action == checkpoint.Refuse && d.LSN == 0:
		return d.Refusal.Code, d.Refusal.Error()
	case d.Refusal != nil || d.Action == checkpoint.Refuse:
		return fmt.Sprintf("contradiction: %+v", d), ""
	case d.Action == checkpoint.Create && d.LSN == 0:
		return "create", d.Warning
	}
	return fmt.Sprintf("%s %s", d.Action, d.LSN), d.Warning
}

// Over every combination of views and stores: never on with a gap, and every
// refusal says why and what to do.
func TestResumeNeverGoesOnWithAGap(t *testing.T) {
	n := 0
	forEachView(func(server checkpoint.ServerView, ck *checkpoint.Checkpoint) {
		n++
		d := checkpoint.Resume(server, ck, checkpoint.Reached{})
		if bad := wrongWith(server, ck, d); bad != "" {
			t.Errorf("%s: got %+v for %+v (slot %+v), checkpoint %+v", bad, d, server, server.Slot, ck)
		}
	})
	if n < 10_000 {
		t.Errorf("combinations tried: got %d, want at least 10000", n)
	}
}

func wrongWith(server checkpoint.ServerView, ck *checkpoint.Checkpoint, d checkpoint.Decision) string {
	slot := server.Slot
	usable := slot != nil && slot.Plugin == "pgoutput" && slot.Database == server.Database && !slot.TwoPhase &&
		slot.WALStatus != "lost" && slot.Invalidation == "" && slot.Restart != 0 && !slot.Temporary
	used := ck != nil && ck.LSN != 0
	// A slot in use has its database with it, whatever that is called.
	ours := ck != nil && ck.System == server.System && ck.Slot == server.SlotName &&
		(ck.Database == server.Database || used && slot != nil && slot.Database == server.Database)
	inOrder := used && slot != nil && slot.Confirmed <= ck.LSN && ck.LSN <= server.WALEnd &&
		(server.Timeline == ck.Timeline ||
			server.Timeline > ck.Timeline && server.Switched != 0 && ck.LSN <= server.Switched)
	want := checkpoint.Refuse
	switch {
	case usable && ours && slot.Confirmed == 0 && (inOrder || !used):
		want = checkpoint.Wait
	case used && usable && ours && inOrder:
		want = checkpoint.Continue
	case !used && slot == nil:
		want = checkpoint.Create
	case !used && usable && ours:
		want = checkpoint.Adopt
	}
	switch {
	case d.Action != want:
		return "want " + want.String()
	case d.Action == checkpoint.Continue && d.LSN != ck.LSN:
		return "want the checkpoint's position"
	case d.Action == checkpoint.Adopt && d.LSN != slot.Confirmed:
		return "want the slot's position"
	case (d.Refusal != nil) != (d.Action == checkpoint.Refuse):
		return "want a refusal when, and only when, it refuses"
	case d.Refusal != nil && (d.Refusal.Code == "" || d.Refusal.Reason == "" || d.Refusal.Remedy == ""):
		return "want code, reason and remedy"
	}
	return ""
}

// forEachView calls each with every combination of the values that matter.
func forEachView(each func(checkpoint.ServerView, *checkpoint.Checkpoint)) {
	slots := []*catalog.Slot{nil}
	for _, plugin := range []string{"pgoutput", "wal2json"} {
		for _, database := range []string{"shop", "other"} {
			for _, twoPhase := range []bool{false, true} {
				for _, status := range []string{"reserved", "unreserved", "lost"} {
					for _, why := range []string{"", "wal_removed"} {
						for _, confirmed := range []checkpoint.LSN{0, there.LSN - 1, there.LSN, there.LSN + 1} {
							slots = append(slots, &catalog.Slot{Plugin: plugin, Database: database, TwoPhase: twoPhase,
								WALStatus: status, Invalidation: why, Confirmed: confirmed, Restart: there.LSN - 2})
						}
					}
				}
			}
		}
	}
	slots = append(slots,
		&catalog.Slot{Plugin: "pgoutput", Database: "shop", Confirmed: there.LSN},
		&catalog.Slot{Plugin: "pgoutput", Database: "shop", Confirmed: there.LSN, Restart: there.LSN - 2, Temporary: true})
	for _, slot := range slots {
		for _, system := range []string{there.System, "1"} {
			for _, database := range []string{"shop", "other"} {
				for _, name := range []string{"cdcsync", "b"} {
					forEachPosition(checkpoint.ServerView{System: system, Database: database, SlotName: name, Slot: slot}, each)
				}
			}
		}
	}
}

func forEachPosition(server checkpoint.ServerView, each func(checkpoint.ServerView, *checkpoint.Checkpoint)) {
	for _, server.Timeline = range []int32{0, 1, 2} {
		for _, server.WALEnd = range []checkpoint.LSN{there.LSN - 1, there.LSN} {
			for _, server.Switched = range []checkpoint.LSN{0, there.LSN - 1, there.LSN} {
				for _, ck := range []*checkpoint.Checkpoint{nil, intention(), &there} {
					each(server, ck)
				}
			}
		}
	}
}

// A fork is held against the newest that is known of the old timeline, whatever
// it is: a position of it above the checkpoint would be taken for one of the new.
func TestForkIsHeldAgainstTheNewest(t *testing.T) {
	fork := there.LSN + 100
	tests := []struct {
		name    string
		reached checkpoint.Reached
		want    string
	}{
		{"nothing beyond the checkpoint", checkpoint.Reached{}, "continue 0/16B3748"},
		{"all before the fork", checkpoint.Reached{Received: fork, Sent: fork - 1, Settled: fork - 1}, "continue 0/16B3748"},
		{"received beyond", checkpoint.Reached{Received: fork + 1}, "wrong_timeline"},
		{"sent a commit that begins there", checkpoint.Reached{Sent: fork}, "wrong_timeline"},
		{"settled a commit that begins there", checkpoint.Reached{Settled: fork}, "wrong_timeline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := healthy()
			server.Timeline, server.Switched, server.WALEnd = 2, fork, fork+1000
			if got, text := describe(checkpoint.Resume(server, &there, tt.reached)); got != tt.want {
				t.Errorf("got %q (%s), want %q", got, text, tt.want)
			}
			server.Timeline, server.Switched = there.Timeline, 0
			if got, text := describe(checkpoint.Resume(server, &there, tt.reached)); got != "continue 0/16B3748" {
				t.Errorf("on the same timeline: got %q (%s)", got, text)
			}
		})
	}
}

func TestReachedIsTheNewestOfTheStore(t *testing.T) {
	state := checkpoint.State{
		Sent:    pgoutput.Position{Commit: 5, Seq: 9},
		Settled: []checkpoint.Settled{{Key: "a", Through: pgoutput.Position{Commit: 7}}, {Key: "b", Through: pgoutput.Position{Commit: 6}}},
	}
	if got, want := state.Reached(), (checkpoint.Reached{Sent: 5, Settled: 7}); got != want {
		t.Errorf("Reached() = %+v, want %+v", got, want)
	}
	state.SettledTo = &checkpoint.SettledTo{Through: pgoutput.Position{Commit: 8}}
	if got := state.Reached().Settled; got != 8 {
		t.Errorf("Reached().Settled = %s with what stands for others, want 0/8", got)
	}
}

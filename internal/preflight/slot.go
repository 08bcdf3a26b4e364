package preflight

import (
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// inspectSlot looks at the slot by itself; whether its position fits the state
// file is the matter of checkpoint.Resume.
func (in *inspection) inspectSlot() {
	s := in.server.Slot
	if s == nil {
		in.ok("slot", "%s does not exist; the first start creates it", in.slot)
		return
	}
	drop := "SELECT pg_drop_replication_slot(" + literal(s.Name) + ");"
	if err := replication.SlotError(s, in.server.Database); err != nil {
		text := err.Error()
		var known *replication.Error
		if errors.As(err, &known) {
			text = known.Err.Error() // the remedy here is more than that of the reason
		}
		remedy := "set source.slot to a name that is not taken, or, if nothing else uses the slot, run:"
		if s.Flaw(in.server.Database) == catalog.Lost {
			remedy = "changes are gone: move the state file away, so that a start begins anew, and run:"
		}
		in.fail("slot", text, remedy, drop)
		return
	}
	if s.CreatedNow() {
		in.warn("slot", fmt.Sprintf("%s is being created, by process %d, and waits for transactions that were open before", s.Name, s.ActivePID),
			"end those transactions, or wait for them")
		return
	}
	in.ok("slot", "%s stands at %s and keeps %s of WAL", s.Name, s.Confirmed, size(s.RetainedBytes))
	if s.Active {
		in.warn("slot in use", fmt.Sprintf("process %d reads from slot %s", s.ActivePID, s.Name),
			"nothing to do if that is cdcsync itself; otherwise end it, or set source.slot to a name of its own")
	}
	if s.WALStatus == "unreserved" {
		in.warn("slot retention", fmt.Sprintf("slot %s is about to be lost: the WAL it needs exceeds max_slot_wal_keep_size", s.Name),
			"as a superuser, run:", "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();")
	}
}

// size shows bytes in a unit people read.
func size(n int64) string {
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB"} {
		if n < 10<<10 || unit == "GiB" {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n >>= 10
	}
	return ""
}

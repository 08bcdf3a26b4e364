package preflight

import (
	"fmt"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// Retention holds what the slot may keep (delivery.max_retained_wal in bytes, 0
// for no limit) against what the server allows it, and what it keeps now.
func Retention(server replication.Server, most int64) []Finding {
	const check = "max_retained_wal"
	var r report
	keep := server.SlotKeep
	switch {
	case most == 0:
		r.ok(check, "0: nobody says when the slot keeps too much WAL")
	case keep >= 0 && most >= keep:
		r.warn(check, fmt.Sprintf("delivery.max_retained_wal (%s) is not below max_slot_wal_keep_size (%s): PostgreSQL drops the slot, and with it changes, before cdcsync says that too much WAL is kept", size(most), size(keep)),
			"set delivery.max_retained_wal to less, or, as a superuser and if the server's disk has the room, run:",
			fmt.Sprintf("ALTER SYSTEM SET max_slot_wal_keep_size = '%dMB'; SELECT pg_reload_conf();", 2*max(most>>20, 1)))
	case keep >= 0:
		r.ok(check, "%s: beyond it cdcsync is not ready; beyond %s (max_slot_wal_keep_size) PostgreSQL drops the slot", size(most), size(keep))
	default:
		r.ok(check, "%s: beyond it cdcsync is not ready; PostgreSQL goes on to keep the WAL, so the server's disk needs more room than that", size(most))
	}
	if s := server.Slot; s != nil && most > 0 && s.RetainedBytes > most {
		r.warn("WAL kept", fmt.Sprintf("slot %s makes PostgreSQL keep %s of WAL, more than delivery.max_retained_wal allows (%s)", s.Name, size(s.RetainedBytes), size(most)),
			"let cdcsync run, and do what cdcsync status says; or raise delivery.max_retained_wal if the server's disk has room for more")
	}
	return r.findings
}

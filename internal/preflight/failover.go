package preflight

import (
	"fmt"
	"strings"
)

// inspectFailover looks at what becomes of the slot when a standby takes over.
func (in *inspection) inspectFailover() {
	const check = "failover"
	s := in.server
	physical := missing(in.facts.Physical, []string{in.slot})
	if len(physical) == 0 || s.InRecovery {
		return
	}
	standby := fmt.Sprintf("there may be a standby (physical slot %s), and ", list(physical))
	const lost = ": after a failover a start refuses, and the tables must be sent again"
	switch awaited := in.facts.Settings["synchronized_standby_slots"]; {
	case s.Version < failoverSlots:
		in.warn(check, standby+"before PostgreSQL 17 slots are not copied to it"+lost,
			"have the failover tool keep logical slots, or upgrade to PostgreSQL 17")
	case s.Slot != nil && !s.Slot.Failover:
		in.warn(check, standby+"the slot is not copied to it"+lost,
			fmt.Sprintf("set sync_replication_slots on the standby and synchronized_standby_slots here; then, once cdcsync is stopped, enter in psql %s the command ALTER_REPLICATION_SLOT %s (FAILOVER true);",
				literal("dbname="+s.Database+" replication=database"), ident(in.slot)))
	case awaited == "":
		in.warn(check, standby+"changes do not wait for it (synchronized_standby_slots): when it takes over, it may lack some that are in Marketo, and a start refuses",
			"set sync_replication_slots on the standby that may take over, and name its slot here; as a superuser, run:", "ALTER SYSTEM SET synchronized_standby_slots = "+
				literal(strings.Join(physical, ", "))+"; SELECT pg_reload_conf();")
	default:
		in.ok(check, "the slot is copied to standbys that ask for it, and waits for those of %s", awaited)
	}
}

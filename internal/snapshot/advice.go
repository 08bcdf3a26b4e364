package snapshot

import "github.com/cdcsync/cdcsync/internal/delivery"

// States that are not the pipeline's own.
const (
	// Starting: there is no pipeline yet. Unresponsive: it does not answer.
	Starting     = "starting"
	Unresponsive = "unresponsive"
)

// advice says what to do about a state.
var advice = map[string]string{
	Starting:                        "wait; if it stays so, cdcsync check says what is missing",
	Unresponsive:                    "look at the log; if it stays so, restart the daemon: nothing is lost by that",
	string(delivery.Disconnected):   "it tries again by itself; cdcsync check says what keeps it from connecting",
	string(delivery.Halted):         "fix what the reason says, then start the daemon again",
	string(delivery.StoreFailing):   "the log says what is wrong with the state file, mostly a full disk; it goes on by itself once that is fixed",
	string(delivery.MarketoFailing): "it tries again by itself; cdcsync check looks at the endpoint and the credentials",
	string(delivery.Holding):        "wait; it takes no longer than delivery.unknown_hold",
	string(delivery.QuotaUsed):      "wait, or raise marketo.limits.calls_per_day if Marketo allows this integration more, and restart",
	string(delivery.Throttled):      "see in Marketo which integration makes the calls (Admin > Web Services), and have it make fewer, or lower marketo.limits; sending goes on by itself",
	string(delivery.QuotaShort):     "raise marketo.limits.calls_per_day if Marketo allows this integration more; else changes arrive later until midnight US Central",
	string(delivery.Unreadable):     "fix what the reason names; reading goes on by itself within 15 seconds",
	string(delivery.Stuck):          "the reason names what is waited for; if the log has an error on it, fix that, else restart the daemon: nothing is lost by that",
	string(delivery.Synchronous):    "run the statement in the reason: it names the real standbys alone",
	string(delivery.WALRetained):    "do what the other reasons say: what holds delivery up keeps the WAL; raise delivery.max_retained_wal if the server's disk has room for more",
	string(delivery.Unfit):          "do what the reason says; the log tells the time in which changes may have been missed",
	string(delivery.Stopping):       "wait: it takes no longer than delivery.shutdown_timeout; what is left is sent at the next start",
	string(delivery.DeletesHeld):    "see whether these rows were to be deleted; cdcsync release MAPPING lets it go on",
	string(delivery.MappingPaused):  "cdcsync resume MAPPING has it go on; until then PostgreSQL keeps the WAL from its oldest change on, and delivery.max_retained_wal bounds what is called well",
	string(delivery.MappingStopped): "fix what the reason says, then start the daemon again: all of the mapping comes from there on; other mappings go on meanwhile, as long as the server has room for the WAL",
	string(delivery.MappingBlocked): "cdcsync parked list shows what Marketo says; once the cause is fixed the next probe, within five minutes, opens the mapping, and cdcsync parked retry probes at once",
}

// Advice says what to do about a condition; "" where there is nothing to do.
func Advice(c delivery.Condition) string { return advice[string(c)] }

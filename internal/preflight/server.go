package preflight

import (
	"fmt"
	"strconv"
)

const (
	// oldest is the oldest server version, as server_version_num.
	oldest = 130000
	// standbyDecoding is the first version that decodes on a standby.
	standbyDecoding = 160000
	// failoverSlots is the first version that copies slots to standbys.
	failoverSlots = 170000
	// publishedGenerated is the first version that can send generated columns.
	publishedGenerated = 180000
)

func versionText(v int) string { return fmt.Sprintf("PostgreSQL %d.%d", v/10000, v%10000) }

// inspectServer looks at what holds for the whole server.
func (in *inspection) inspectServer() {
	s := in.server
	if s.Version < oldest {
		in.fail("server version", versionText(s.Version)+" is too old", "upgrade the server to PostgreSQL 13 or later")
	} else {
		in.ok("server version", "%s, database %s, timeline %d", versionText(s.Version), s.Database, s.Timeline)
	}
	in.inspectLevel()
	in.inspectRecovery()
	if s.MayReplicate {
		in.ok("role", "%s may replicate", s.Login)
	} else {
		in.fail("role", fmt.Sprintf("role %s may not replicate", s.Login),
			"on Amazon RDS grant it rds_replication; elsewhere, as a superuser, run:", "ALTER ROLE "+ident(s.Login)+" REPLICATION;")
	}
	in.inspectFree()
	in.inspectRetention()
	in.about(ScopeCommits, "", in.inspectSynchronous)
	if s.Encoding == "SQL_ASCII" {
		in.warn("encoding", "the database is SQL_ASCII, so that its text may be of any encoding: objects with text that is not UTF-8 are parked",
			"dump the database and load it into one created with ENCODING 'UTF8'")
	}
}

func (in *inspection) inspectLevel() {
	if in.server.WALLevel == "logical" {
		in.ok("wal_level", "logical")
		return
	}
	in.fail("wal_level", fmt.Sprintf("is %s, not logical, so that row changes cannot be read from the WAL", in.server.WALLevel),
		"set it (on Amazon RDS by rds.logical_replication, on Cloud SQL by cloudsql.logical_decoding), then restart the server; as a superuser, run:", "ALTER SYSTEM SET wal_level = 'logical';")
}

func (in *inspection) inspectRecovery() {
	const check = "recovery"
	switch {
	case !in.server.InRecovery:
	case in.server.Version < standbyDecoding:
		in.fail(check, "the server is a standby, which before PostgreSQL 16 cannot decode", "connect to the primary (target_session_attrs=read-write)")
	case in.server.Slot != nil && in.server.Slot.Synced:
		in.fail(check, fmt.Sprintf("the server is a standby, and slot %s on it a copy that nobody can read before the standby is promoted", in.slot),
			"connect to the primary (target_session_attrs=read-write), or set source.slot to another name")
	case in.server.Slot == nil:
		in.warn(check, "the server is a standby: creating the slot waits until the primary logs its running transactions",
			"connect to the primary (target_session_attrs=read-write), or during the first start, on the primary, run:", "SELECT pg_log_standby_snapshot();")
	default:
		in.warn(check, "the server is a standby: the slot is lost if the primary removes catalog rows it needs",
			"keep hot_standby_feedback on, with a physical slot for this standby")
	}
}

// inspectFree looks at what the first start, or the stream, will take.
func (in *inspection) inspectFree() {
	s := in.server
	if s.Slot == nil {
		if s.FreeSlots > 0 {
			in.ok("free slots", "%d of %s", s.FreeSlots, in.facts.Settings["max_replication_slots"])
		} else {
			in.add(Fail, "free slots", "all replication slots are taken", in.raise("max_replication_slots", "drop one that is not used"))
		}
	}
	in.inspectWriters()
	switch {
	case s.Slot != nil && s.Slot.Active:
	case s.FreeSenders > 0:
		in.ok("free walsenders", "%d of %s", s.FreeSenders, in.facts.Settings["max_wal_senders"])
	case s.Slot != nil: // others may just be back from a restart; the stream tries again
		in.add(Warn, "free walsenders", "all walsenders are taken", in.raise("max_wal_senders", "end a replication connection"))
	default:
		in.add(Fail, "free walsenders", "all walsenders are taken", in.raise("max_wal_senders", "end a replication connection"))
	}
}

// raise is the remedy of a limit that takes effect with a restart.
func (in *inspection) raise(setting, alternative string) Remedy {
	now, err := strconv.Atoi(in.facts.Settings[setting])
	if err != nil {
		now = 10
	}
	return Remedy{fmt.Sprintf("%s, or raise %s and restart the server; as a superuser, run:", alternative, setting), fmt.Sprintf("ALTER SYSTEM SET %s = %d;", setting, now+5)}
}

// inspectWriters names transactions that creating the slot would wait for, or
// that keep it from letting WAL go: reading could begin anew before them.
func (in *inspection) inspectWriters() {
	consequence, remedy := "the slot is created only after its end", "end it before the first start"
	if s := in.server.Slot; s != nil && s.Confirmed != 0 {
		consequence, remedy = "the slot keeps all WAL since then, whatever is delivered", "end it if nobody waits for it; PostgreSQL then lets that WAL go by itself"
	}
	for _, w := range in.facts.Writers {
		in.warn("open transactions", fmt.Sprintf("%s has been open since %s: %s", w.Name, w.Since.UTC().Format("2006-01-02 15:04:05Z"), consequence), remedy)
	}
}

// inspectRetention says what the server does with WAL that waits for us.
func (in *inspection) inspectRetention() {
	switch limit := in.facts.Settings["max_slot_wal_keep_size"]; limit {
	case "":
	case "-1":
		in.ok("max_slot_wal_keep_size", "unlimited: nothing is lost while cdcsync or Marketo is down, but the WAL fills the server's disk meanwhile")
	default:
		in.ok("max_slot_wal_keep_size", "%s: the slot is lost when that much WAL waits for it", limit)
	}
	if idle := in.facts.Settings["idle_replication_slot_timeout"]; idle != "" && idle != "0" {
		in.warn("idle_replication_slot_timeout", fmt.Sprintf("is %s: the slot is lost when cdcsync is stopped for that long", idle),
			"as a superuser, run:", "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();")
	}
	in.inspectFailover()
}

package replication

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class says what to do after an error.
type Class uint8

const (
	// RetrySoon: it passes by itself; try again after a short, growing pause.
	RetrySoon Class = iota
	// RetrySlowly: it may pass, or somebody must act, and trying often would
	// do harm, as it may lock an account; wait at least 10 seconds, 30 for
	// Credentials.
	RetrySlowly
	// Fatal: trying again cannot help, and going on would lose data or go
	// nowhere. Stop until somebody has acted.
	Fatal
)

func (c Class) String() string {
	return [...]string{"retry soon", "retry slowly", "fatal"}[c]
}

// Reason is why something went wrong, as one word for logs and metrics.
type Reason string

const (
	// NoReason is the reason of a nil error.
	NoReason Reason = ""

	// Network: the connection could not be made, or broke.
	Network Reason = "network"
	// Terminated: the server ended the session.
	Terminated Reason = "terminated"
	// Unavailable: the server is starting or stopping (SQLSTATE 57P03).
	Unavailable Reason = "unavailable"
	// Locked: somebody holds a lock on a table that keeps others from reading
	// it (SQLSTATE 55P03), as an ALTER TABLE does.
	Locked Reason = "locked"
	// Silent: nothing came for long, although an answer was asked for.
	Silent Reason = "silent"
	// Cancelled: the caller's context ended, or it closed the Stream.
	Cancelled Reason = "cancelled"
	// Stopping: the server is shutting down and waits for the stream to end,
	// or has ended it. It refuses new sessions with Unavailable, at no cost.
	Stopping Reason = "stopping"

	// Certificate: the server's certificate, or ours, is refused.
	Certificate Reason = "certificate"
	// SlotBusy: another session uses the slot.
	SlotBusy Reason = "slot_busy"
	// SlotWait: open transactions keep a slot from being created.
	SlotWait Reason = "slot_wait"
	// NoDatabase: the server has no database of the name.
	NoDatabase Reason = "no_database"
	// Credentials: the server refuses who we are.
	Credentials Reason = "credentials"
	// TooMany: no free connection, walsender or slot, or no other resource.
	TooMany Reason = "too_many"
	// Standby: the server is read-only and cannot do this.
	Standby Reason = "standby"
	// Protocol: the stream makes no sense.
	Protocol Reason = "protocol"
	// Exhausted: the server's disk or memory is used up.
	Exhausted Reason = "exhausted"
	// WALMissing: the server lacks WAL that, by its own word, the slot keeps.
	WALMissing Reason = "wal_missing"
	// Decoding: the server cannot make a message of a change.
	Decoding Reason = "decoding"
	// ServerError: any other error of the server.
	ServerError Reason = "server_error"

	// SlotMissing: there is no such slot.
	SlotMissing Reason = "slot_missing"
	// SlotExists: a slot of that name is there already.
	SlotExists Reason = "slot_exists"
	// SlotLost: the server has removed WAL that the slot needs.
	SlotLost Reason = "slot_lost"
	// SlotUnsuitable: the slot is of another plugin, type or database, or
	// made with two_phase.
	SlotUnsuitable Reason = "slot_unsuitable"
	// Gap: the slot is ahead of the position asked for.
	Gap Reason = "gap"
	// ServerBehind: the server's WAL ends before the position asked for.
	ServerBehind Reason = "server_behind"
	// PublicationMissing: no such publication at the slot's position.
	PublicationMissing Reason = "publication_missing"
	// PublicationUnsuitable: the publication cannot be streamed.
	PublicationUnsuitable Reason = "publication_unsuitable"
	// PublicationExists: a publication of that name is there already.
	PublicationExists Reason = "publication_exists"
	// TableMissing: there is no such table.
	TableMissing Reason = "table_missing"
	// NotLogical: wal_level is not logical.
	NotLogical Reason = "not_logical"
	// Privileges: the role lacks a right.
	Privileges Reason = "privileges"
	// Unreadable: rows of a table cannot be found by their key.
	Unreadable Reason = "unreadable"
	// Session: the settings that fix the text format did not take effect.
	Session Reason = "session"
	// Configuration: what the Source was given cannot be used.
	Configuration Reason = "configuration"
	// Pooler: what answers is no server, but something before it that cannot
	// carry replication.
	Pooler Reason = "pooler"
	// File: a file that the url is in, or that it names, cannot be used.
	File Reason = "file"
)

// advice is what follows from a reason.
type advice struct {
	class  Class
	remedy string
}

var advices = map[Reason]advice{
	NoReason:    {RetrySoon, ""},
	Network:     {RetrySoon, "check that the server runs and can be reached"},
	Terminated:  {RetrySoon, ""},
	Unavailable: {RetrySoon, ""},
	Locked:      {RetrySoon, "wait for whoever has locked the table, or end that transaction"},
	Silent:      {RetrySoon, "check the network between here and the server"},
	Cancelled:   {RetrySoon, ""},
	Stopping:    {RetrySoon, "nothing to do; the stream goes on when the server is back"},

	SlotBusy:    {RetrySlowly, "stop the other process that uses this slot, or give this one a slot of its own"},
	SlotWait:    {RetrySlowly, "end the transactions that are named, or wait for them"},
	Certificate: {RetrySlowly, "correct the certificates, or sslrootcert and sslmode of the source url"},
	NoDatabase:  {RetrySlowly, "correct the database's name in the source url, or create the database"},
	Credentials: {RetrySlowly, "correct user, password or pg_hba.conf"},
	TooMany:     {RetrySlowly, "raise max_connections, max_wal_senders or max_replication_slots, or free one"},
	Standby:     {RetrySlowly, "connect to the primary (target_session_attrs=read-write)"},
	Protocol:    {RetrySlowly, "connect directly to PostgreSQL 13 or later; if it comes again, report it"},
	Exhausted:   {RetrySlowly, "free the server's disk or memory, or raise the setting that its hint names; the stream goes on by itself"},
	WALMissing: {RetrySlowly, "a file of pg_wal is gone that the slot needs, by hand or by pg_resetwal: put it back from an archive or a backup, and the stream goes on; " +
		"where there is none, its changes are gone: drop the slot with pg_drop_replication_slot, move the state file away and start again, and then update the rows once more that may have changed meanwhile"},
	Decoding: {RetrySlowly, "the server fails at this change again and again: leave its transaction out, as the text says or, where it names no place, " +
		"by a new slot; for the future correct texts that are not of the database's encoding (22021, 22P05), and keep values of more than 250 MB (as text 500 MB) out of published columns, with a publication that has a column list (PostgreSQL 15; see source.publish_columns)"},
	ServerError: {RetrySlowly, "see the server's log"},

	SlotMissing:    {Fatal, "changes since the last acknowledged one may be gone: create the slot anew and backfill"},
	SlotExists:     {Fatal, "use it, drop it with pg_drop_replication_slot, or choose another name"},
	SlotLost:       {Fatal, "changes are gone: drop the slot, create it anew and backfill; raise max_slot_wal_keep_size"},
	SlotUnsuitable: {Fatal, "choose another slot name, or drop the slot and have it created by this program"},
	Gap:            {Fatal, "changes between the two positions were skipped: backfill, or accept the gap explicitly"},
	ServerBehind:   {Fatal, "check that this is the right server; after a restore or a failover that lost WAL, create the slot anew and backfill"},
	PublicationMissing: {Fatal, "a publication counts as it was when a change was written: if it was renamed, set source.publication to the name that it had then, " +
		"rename it back for the time being, and take the new name once the stream has come that far; if it was dropped, what was written without it cannot be had: " +
		"drop the slot with pg_drop_replication_slot, move the state file away and start again, and then update the rows once more that may have changed meanwhile"},
	PublicationUnsuitable: {Fatal, "correct the publication's column lists and row filters, then create the slot anew if the error stays"},
	PublicationExists:     {Fatal, "use it, or alter it with ALTER PUBLICATION"},
	TableMissing:          {Fatal, "correct the table's name in the mapping, or create the table"},
	NotLogical:            {Fatal, "set wal_level = logical and restart the server (on managed services: rds.logical_replication or cloudsql.logical_decoding)"},
	Privileges:            {Fatal, "grant the role what is missing (cdcsync check has the statements): LOGIN and REPLICATION for the stream, SELECT for reading rows, and BYPASSRLS where row security hides them"},
	Unreadable:            {Fatal, "correct the key of the mapping, or the table"},
	Session:               {Fatal, "connect to PostgreSQL directly, not through a pooler that drops startup parameters"},
	Configuration:         {Fatal, "correct the configuration"},
	Pooler:                {Fatal, "this is a pooler, such as pgbouncer, and no server: connect to the server itself, by its own host and port"},

	File: {RetrySoon, "correct the file; it is read again for every connection"},
}

// Class returns what to do about r.
func (r Reason) Class() Class { return advices[r].class }

// Remedy returns the operator's next step, in plain words; "" where there is
// none to take.
func (r Reason) Remedy() string { return advices[r].remedy }

// Error is an error whose reason this package knows. Its text ends with the
// remedy.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string {
	if remedy := e.Reason.Remedy(); remedy != "" {
		return e.Err.Error() + "; " + remedy
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Classify returns what to do about an error of this package.
func Classify(err error) Class { return Diagnose(err).Class() }

// Diagnose returns the reason of an error of this package.
func Diagnose(err error) Reason {
	var known *Error
	var server *pgconn.PgError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil:
		return NoReason
	case errors.As(err, &known):
		return known.Reason
	case errors.As(err, &server) && ofPooler(server):
		return Pooler
	case errors.As(err, &server):
		return reasonOfServer(server)
	case errors.Is(err, context.Canceled), errors.Is(err, ErrClosed):
		return Cancelled
	case errors.As(err, &certificate):
		return Certificate
	}
	return Network
}

// reasonOfServer reads an error of the server. Its words may be translated; the
// names of its routines are not.
func reasonOfServer(err *pgconn.PgError) Reason {
	if err.Code == "58P01" && (err.Routine == "WalSndSegmentOpen" || err.Routine == "wal_segment_open") {
		return WALMissing
	}
	return reasonOf(err.Code)
}

// reasonOf reads an SQLSTATE that means the same wherever it comes up; see
// the appendix "PostgreSQL Error Codes".
func reasonOf(code string) Reason {
	switch code {
	case "57P01", "57P02", "57P05", "57014":
		return Terminated
	case "57P03":
		return Unavailable
	case "55P03":
		return Locked
	case "53100", "53200":
		return Exhausted
	case "55006":
		return SlotBusy
	case "42501":
		return Privileges
	case "25006":
		return Standby
	case "3D000":
		return NoDatabase
	case "42P01", "3F000":
		return TableMissing
	}
	switch {
	case len(code) != 5:
		return ServerError
	case code[:2] == "28":
		return Credentials
	case code[:2] == "53":
		return TooMany
	case code[:2] == "08":
		return Network
	}
	return ServerError
}

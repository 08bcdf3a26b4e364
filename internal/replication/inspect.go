package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Server is what a source database says about itself at one moment.
type Server struct {
	// System is the cluster's system identifier, a decimal number.
	System   string `json:"system"`
	Timeline int32  `json:"timeline"`
	Database string `json:"database"`
	// User is the role that sessions act as, Login the one that they logged in
	// as, whose right to replicate counts.
	User  string `json:"user"`
	Login string `json:"login"`
	// Version is server_version_num, e.g. 150018 for 15.18.
	Version int `json:"version"`
	// Current is the end of the WAL written, Flushed the end of the WAL on
	// disk; on a standby both are the end of the WAL replayed.
	Current pgoutput.LSN `json:"-"`
	Flushed pgoutput.LSN `json:"-"`
	// WALLevel must be logical.
	WALLevel   string `json:"wal_level"`
	InRecovery bool   `json:"in_recovery"`
	// Encoding is the database's own; values come as UTF-8 anyway.
	Encoding string `json:"encoding"`
	// SenderTimeout is wal_sender_timeout; zero means none.
	SenderTimeout time.Duration `json:"-"`
	// SlotKeep is max_slot_wal_keep_size in bytes: a slot that keeps more WAL may
	// be lost. -1 means without limit.
	SlotKeep int64 `json:"-"`
	// FreeSlots and FreeSenders are what max_replication_slots and
	// max_wal_senders leave.
	FreeSlots   int `json:"free_slots"`
	FreeSenders int `json:"free_senders"`
	// MayReplicate is set when the role has REPLICATION, is superuser, or is
	// a member of rds_replication.
	MayReplicate bool `json:"may_replicate"`
	// BypassesRLS is set when row security does not apply to the role.
	BypassesRLS bool `json:"bypasses_rls"`
	// Slot and Publication are nil when they do not exist.
	Slot        *catalog.Slot     `json:"slot"`
	Publication *PublicationState `json:"publication"`
}

// Seen returns what decides whether a stream may go on.
func (s *Server) Seen() Seen {
	return Seen{Endpoint: Endpoint{System: s.System, Timeline: s.Timeline, Database: s.Database}, End: s.Flushed, Slot: s.Slot}
}

// PublicationState is a publication as the catalog shows it.
type PublicationState struct {
	Name string `json:"pubname"`
	// Insert, Update, Delete and Truncate say what is published.
	Insert   bool `json:"pubinsert"`
	Update   bool `json:"pubupdate"`
	Delete   bool `json:"pubdelete"`
	Truncate bool `json:"pubtruncate"`
	// AllTables is set for FOR ALL TABLES.
	AllTables bool `json:"puballtables"`
	// ViaRoot is set when changes of partitions come as changes of the
	// partitioned table.
	ViaRoot bool             `json:"pubviaroot"`
	Tables  []PublishedTable `json:"tables"`
}

// PublishedTable is one table of a publication.
type PublishedTable struct {
	Schema string `json:"schemaname"`
	Name   string `json:"tablename"`
	// Columns are the published columns; nil before PostgreSQL 15, where it
	// is all of them.
	Columns []string `json:"attnames"`
	// Filter is the row filter; "" for none, and before PostgreSQL 15.
	Filter string `json:"rowfilter"`
}

// Table returns the entry of a table, nil when it is not published.
func (p *PublicationState) Table(schema, name string) *PublishedTable {
	if p == nil {
		return nil
	}
	for i := range p.Tables {
		if p.Tables[i].Schema == schema && p.Tables[i].Name == name {
			return &p.Tables[i]
		}
	}
	return nil
}

// serverJSON asks for a Server as one JSON value. It runs as any role with
// REPLICATION on PostgreSQL 13 and later; to_jsonb of whole catalog rows
// leaves out what a version does not have.
const serverJSON = `
WITH position AS (
	SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS current,
		CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END AS flushed)
SELECT jsonb_build_object(
	'system', (SELECT system_identifier::text FROM pg_control_system()),
	'timeline', CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
		ELSE ('x' || substr(pg_walfile_name(current), 1, 8))::bit(32)::int END,
	'database', current_database(),
	'user', current_user, 'login', session_user,
	'version', current_setting('server_version_num')::int,
	'current', current, 'flushed', flushed,
	'wal_level', current_setting('wal_level'),
	'in_recovery', pg_is_in_recovery(),
	'encoding', current_setting('server_encoding'),
	'sender_timeout', (SELECT setting::int FROM pg_settings WHERE name = 'wal_sender_timeout'),
	'slot_keep', (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
	'free_slots', current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
	'free_senders', current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication),
	'may_replicate', (SELECT r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_roles x
			WHERE x.rolname = 'rds_replication' AND pg_has_role(r.oid, x.oid, 'member'))
		FROM pg_roles r WHERE r.rolname = session_user),
	'bypasses_rls', (SELECT r.rolbypassrls OR r.rolsuper FROM pg_roles r WHERE r.rolname = current_user),
	'slot', (` + slotJSON + `$1),
	'publication', (SELECT to_jsonb(p) || jsonb_build_object('tables', (SELECT COALESCE(jsonb_agg(to_jsonb(t)
			ORDER BY schemaname, tablename), '[]') FROM pg_publication_tables t WHERE t.pubname = p.pubname))
		FROM pg_publication p WHERE p.pubname = $2))
FROM position`

// lsnText is a position in JSON: text, or null for none.
type lsnText pgoutput.LSN

func (l *lsnText) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		return err
	}
	lsn, err := pgoutput.ParseLSN(*text)
	*l = lsnText(lsn)
	return err
}

// UnmarshalJSON reads the answer to serverJSON.
func (s *Server) UnmarshalJSON(data []byte) error {
	type plain Server
	answer := struct {
		*plain
		Current       lsnText `json:"current"`
		Flushed       lsnText `json:"flushed"`
		SenderTimeout int64   `json:"sender_timeout"`
		SlotKeep      *int64  `json:"slot_keep"` // in megabytes
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	s.Current, s.Flushed = pgoutput.LSN(answer.Current), pgoutput.LSN(answer.Flushed)
	s.SenderTimeout = time.Duration(answer.SenderTimeout) * time.Millisecond
	s.SlotKeep = -1
	if keep := answer.SlotKeep; keep != nil && *keep >= 0 {
		s.SlotKeep = *keep << 20
	}
	return nil
}

// Inspect reads the state of the server, the slot and the publication, in one
// statement. It changes nothing.
func (c *Catalog) Inspect(ctx context.Context) (Server, error) {
	var server Server
	if err := c.JSON(ctx, &server, serverJSON, c.Source.Slot, c.Source.Publication); err != nil {
		return Server{}, fmt.Errorf("inspect server: %w", err)
	}
	return server, nil
}

// Inspect is Catalog.Inspect over a session of its own.
func (s *Source) Inspect(ctx context.Context) (Server, error) {
	session, err := s.Catalog(ctx)
	if err != nil {
		return Server{}, fmt.Errorf("inspect server: %w", err)
	}
	defer session.Close(ctx)
	return session.Inspect(ctx)
}

package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// slotJSON adds the retained bytes and gives positions as text. The whole row
// as JSON lacks, on older servers, the columns that they do not have.
const slotJSON = `SELECT to_jsonb(s) || jsonb_build_object('retained', COALESCE(pg_wal_lsn_diff(
		CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn), 0)::bigint)
	FROM pg_replication_slots s WHERE s.slot_name = `

// SlotError is why no session of database can stream from a slot; nil when it
// can. One that is in use by somebody is no error here: that passes.
func SlotError(s *catalog.Slot, database string) error {
	switch s.Flaw(database) {
	case catalog.OtherPlugin:
		return problem(SlotUnsuitable, "replication slot %s is a %s slot of plugin %q, not a logical one of pgoutput", s.Name, s.Type, s.Plugin)
	case catalog.OtherDatabase:
		return problem(SlotUnsuitable, "replication slot %s belongs to database %s, not %s", s.Name, s.Database, database)
	case catalog.Temporary:
		return problem(SlotUnsuitable, "replication slot %s is temporary", s.Name)
	case catalog.TwoPhase:
		return problem(SlotUnsuitable, "replication slot %s was made with two_phase", s.Name)
	case catalog.Lost:
		if s.Invalidation != "" {
			return problem(SlotLost, "replication slot %s was invalidated (%s)", s.Name, s.Invalidation)
		}
		return problem(SlotLost, "replication slot %s was invalidated: WAL that it needs is gone", s.Name)
	}
	return nil
}

// slotOn reads a slot's state on a walsender session; nil when it is missing.
func slotOn(ctx context.Context, conn *pgconn.PgConn, slot string) (*catalog.Slot, error) {
	rows, err := querySimple(ctx, conn, slotJSON+"'"+slot+"'") // of a-z, 0-9 and _ only
	if err != nil {
		return nil, fmt.Errorf("read slot: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	state := &catalog.Slot{}
	if err := json.Unmarshal(rows[0][0], state); err != nil {
		return nil, fmt.Errorf("read slot: %w", err)
	}
	return state, nil
}

// CreateSlot makes the slot and returns its consistent point: every
// transaction that commits after it is sent. It waits for all transactions
// that have written and are open, up to SlotTimeout; the error then names
// them and no slot is left. Create the publication first: changes before it
// cannot be decoded.
//
// Where the server can keep a copy of the slot on its standbys (a primary of
// PostgreSQL 17 or later), it may: without a standby that asks for it that
// changes nothing.
func (s *Source) CreateSlot(ctx context.Context) (pgoutput.LSN, error) {
	if err := s.Validate(); err != nil {
		return 0, err
	}
	conn, err := s.connectReplication(ctx, cancelling)
	if err != nil {
		return 0, fmt.Errorf("create slot: %w", err)
	}
	defer closeQuietly(ctx, conn)

	limit := or(s.SlotTimeout, defaultSlotTimeout)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	create, err := s.createCommand(bounded, conn)
	if err != nil {
		return 0, fmt.Errorf("create slot %s: %w", s.Slot, err)
	}
	return s.createBy(ctx, bounded, conn, create, limit)
}

// createBy has a slot created. bounded ends limit from now.
func (s *Source) createBy(ctx, bounded context.Context, conn *pgconn.PgConn, create string, limit time.Duration) (pgoutput.LSN, error) {
	rows, err := querySimple(bounded, conn, create)
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("create slot %s: %w", s.Slot, context.Cause(ctx))
	case err != nil && bounded.Err() != nil:
		return 0, problem(SlotWait, "create slot %s: waited %s for open transactions: %s", s.Slot, limit, s.holdUps(ctx))
	case err != nil:
		return 0, fmt.Errorf("create slot %s: %w", s.Slot, createError(ofWalsender(err)))
	case len(rows) != 1 || len(rows[0]) != 4:
		return 0, problem(Protocol, "create slot %s: the server answered with %d rows", s.Slot, len(rows))
	}
	point, err := pgoutput.ParseLSN(string(rows[0][1]))
	if err != nil {
		return 0, problem(Protocol, "create slot %s: consistent point: %w", s.Slot, err)
	}
	return point, nil
}

// createCommand is the command for the server of conn: a slot with FAILOVER is
// refused by a standby, and the word by servers before 17.
func (s *Source) createCommand(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	rows, err := querySimple(ctx, conn, `SELECT current_setting('server_version_num')::int >= 170000 AND NOT pg_is_in_recovery()`)
	if err != nil {
		return "", fmt.Errorf("read the server's version: %w", err)
	}
	command := "CREATE_REPLICATION_SLOT " + pgx.Identifier{s.Slot}.Sanitize() + " LOGICAL pgoutput "
	if len(rows) == 1 && len(rows[0]) == 1 && string(rows[0][0]) == "t" {
		return command + "(SNAPSHOT 'nothing', FAILOVER)", nil
	}
	return command + "NOEXPORT_SNAPSHOT", nil
}

func createError(err error) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err
	}
	reason := reasonOf(server.Code)
	switch server.Code {
	case "42710":
		reason = SlotExists
	case "55000":
		reason = NotLogical
	case "0A000":
		reason = Standby
	}
	return &Error{Reason: reason, Err: err}
}

// DropSlot removes the slot. A missing one is an error of Reason SlotMissing.
func (s *Source) DropSlot(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return err
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("drop slot: %w", err)
	}
	defer closeQuietly(ctx, conn)
	err = conn.ExecParams(ctx, "SELECT pg_drop_replication_slot($1)", [][]byte{[]byte(s.Slot)}, nil, nil, nil).Read().Err
	if err == nil {
		return nil
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		reason := reasonOf(server.Code)
		if server.Code == "42704" {
			reason = SlotMissing
		}
		err = &Error{Reason: reason, Err: err}
	}
	return fmt.Errorf("drop slot %s: %w", s.Slot, err)
}

// HoldUps names the transactions that keep a slot from being created, the oldest
// first, ten at most; "" when there is none. It asks over a session of its own.
func (s *Source) HoldUps(ctx context.Context) (string, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return "", fmt.Errorf("look at open transactions: %w", err)
	}
	defer closeQuietly(ctx, conn)
	var found []struct {
		Name  string
		Since time.Time
	}
	if err := queryJSON(ctx, conn, &found, `SELECT COALESCE(jsonb_agg(t), '[]') FROM (
		SELECT 'pid ' || pid || COALESCE(' of user ' || usename, '') || ' (transaction ' || backend_xid || ')' AS name, COALESCE(xact_start, now()) AS since
			FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
		UNION ALL SELECT 'prepared transaction ' || gid, prepared FROM pg_prepared_xacts
		ORDER BY since LIMIT 10) t`); err != nil {
		return "", fmt.Errorf("look at open transactions: %w", err)
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.Name + " since " + f.Since.UTC().Format(time.RFC3339)
	}
	return strings.Join(names, ", "), nil
}

// holdUps is HoldUps in the words of an error.
func (s *Source) holdUps(ctx context.Context) string {
	names, err := s.HoldUps(ctx)
	switch {
	case err != nil:
		return "they could not be listed: " + err.Error()
	case names == "":
		return "none is left now"
	}
	return names
}

package rowread

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// MarkPrefix is that of the messages of Mark in the write-ahead log.
const MarkPrefix = "cdcsync"

// Mark marks the place in the write-ahead log behind the snapshots that were taken
// before it: by a message with this name, which the stream then brings, and
// without one where the server takes none (a standby, a right that is missing).
// No standby is waited for.
func (r *Session) Mark(ctx context.Context, name string) (m backfill.Mark, err error) {
	var at struct {
		LSN     string `json:"lsn"`
		Standby bool   `json:"standby"`
	}
	if err := r.JSON(ctx, &at, `SELECT jsonb_build_object('standby', pg_is_in_recovery(),
		'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)`); err != nil {
		return m, fmt.Errorf("ask for the end of the wal: %w", err)
	}
	if m.LSN, err = pgoutput.ParseLSN(at.LSN); err != nil || at.Standby {
		return m, err
	}
	err = r.conn.ExecParams(ctx, "SELECT pg_catalog.pg_logical_emit_message(true, $1, $2)",
		[][]byte{[]byte(MarkPrefix), []byte(name)}, []uint32{textOID, textOID}, nil, nil).Read().Err
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		return m, nil
	case err != nil:
		return m, fmt.Errorf("write a message: %w", err)
	}
	m.Name = name
	return m, nil
}

// Bound returns a number of a transaction that no other had before, or zero on a
// standby, which gives none: see backfill.Follower.
func (r *Session) Bound(ctx context.Context) (uint64, error) {
	var number string
	err := r.JSON(ctx, &number, `SELECT to_jsonb(CASE WHEN pg_is_in_recovery() THEN '0' ELSE pg_current_xact_id()::text END)`)
	if err != nil {
		return 0, fmt.Errorf("ask for the number of a transaction: %w", err)
	}
	return strconv.ParseUint(number, 10, 64)
}

// Now is what a snapshot that is taken now sees, without any rows.
func (r *Session) Now(ctx context.Context) (s backfill.Snapshot, err error) {
	if err := r.replayed(ctx, &s); err != nil {
		return s, err
	}
	var text string
	if err := r.JSON(ctx, &text, "SELECT to_jsonb(pg_current_snapshot()::text)"); err != nil {
		return s, fmt.Errorf("ask for a snapshot: %w", err)
	}
	s.Transactions, err = pgoutput.ParseTransactions(text)
	return s, err
}

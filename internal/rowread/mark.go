package rowread

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// MarkPrefix is that of the messages of Mark in the write-ahead log.
const MarkPrefix = "cdcsync"

// Mark marks the place in the write-ahead log behind the snapshots that were taken
// before it: by a message with this name, which the stream then brings, and
// without one where the server takes none (a standby, a right that is missing).
// No standby is waited for.
func (r *Session) Mark(ctx context.Context, name string) (m backfill.Mark, err error) {
	var here backfill.Snapshot
	if err := r.replayed(ctx, &here); err != nil || here.Standby {
		return backfill.Mark{LSN: here.Replayed}, err
	}
	written := r.conn.ExecParams(ctx, markSQL, [][]byte{[]byte(MarkPrefix), []byte(name)}, []uint32{textOID, textOID}, nil, nil).Read()
	var refused *pgconn.PgError
	switch {
	case errors.As(written.Err, &refused):
		m.LSN, err = r.end(ctx)
		return m, err // the message is not necessary: see backfill.Follower
	case written.Err != nil:
		return m, fmt.Errorf("write a message: %w", written.Err)
	}
	m.Name = name
	m.LSN, err = pgoutput.ParseLSN(string(written.Rows[0][0]))
	return m, err
}

// markSQL returns the end of the WAL as it was before the message.
const markSQL = `SELECT before.lsn::pg_catalog.text, pg_catalog.pg_logical_emit_message(true, $1, $2)
	FROM (SELECT pg_catalog.pg_current_wal_insert_lsn() AS lsn OFFSET 0) before`

// end is the end of the WAL.
func (r *Session) end(ctx context.Context) (lsn pgoutput.LSN, err error) {
	var text string
	if err := r.JSON(ctx, &text, `SELECT to_jsonb(pg_current_wal_insert_lsn())`); err != nil {
		return 0, fmt.Errorf("ask for the end of the wal: %w", err)
	}
	return pgoutput.ParseLSN(text)
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

// countedRows is up to how many rows are counted where the server has no estimate.
const countedRows = 100_000

// CountRows estimates how many rows a table has, by what the server knows of it and
// how much it has grown since,
// or by counting the first ones for a second.
func (r *Session) CountRows(ctx context.Context, name catalog.TableName) (int64, error) {
	kind, err := r.kindOf(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("count rows of %s: %w", name, err)
	}
	var known struct {
		Rows    float64 `json:"rows"`
		Unknown bool    `json:"unknown"`
		Bytes   int64   `json:"bytes"`
	}
	if err := r.JSON(ctx, &known, `SELECT jsonb_build_object('rows', COALESCE(sum(GREATEST(c.reltuples, 0) * CASE WHEN c.relpages > 0 THEN pg_relation_size(c.oid)::float8 / current_setting('block_size')::int / c.relpages ELSE 1 END), 0), 'unknown', COALESCE(bool_or(c.reltuples < 0 OR c.reltuples = 0 AND pg_relation_size(c.oid) > 0), false),
		'bytes', COALESCE(sum(pg_relation_size(c.oid)), 0))
		FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
		CROSS JOIN LATERAL (SELECT relid FROM pg_partition_tree(t.oid) WHERE isleaf UNION SELECT t.oid WHERE t.relkind = 'r') leaf
		JOIN pg_class c ON c.oid = leaf.relid WHERE n.nspname = $1 AND t.relname = $2`, name.Schema, name.Name); err != nil {
		return 0, fmt.Errorf("count rows of %s: %w", name, err)
	}
	if !known.Unknown {
		return int64(known.Rows), nil
	}
	results, err := r.conn.Exec(ctx, "BEGIN READ ONLY; SET LOCAL statement_timeout = '1s'; SELECT count(*) FROM (SELECT FROM "+
		rowsOf(name, kind)+" LIMIT "+strconv.Itoa(countedRows)+") AS t; COMMIT").ReadAll()
	if err != nil {
		_ = r.conn.Exec(ctx, "ROLLBACK").Close()
	} else if n, err := strconv.ParseInt(string(results[2].Rows[0][0]), 10, 64); err == nil && n < countedRows {
		return n, nil
	}
	const rowBytes = 100 // a guess
	return max(int64(known.Rows), known.Bytes/rowBytes), nil
}

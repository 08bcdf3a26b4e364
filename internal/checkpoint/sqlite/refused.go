package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// refusedTable has the rows of backfills that Marketo refused.
const refusedTable = `
CREATE TABLE refused (         -- rows of backfills whose objects were refused: no values but the key
  feed      TEXT    NOT NULL,
  key       BLOB    NOT NULL,
  operation TEXT    NOT NULL,
  code      TEXT    NOT NULL,
  message   TEXT    NOT NULL,
  waits     INTEGER NOT NULL,  -- 1: tried again by itself, at next
  at        TEXT    NOT NULL,
  next      TEXT    NOT NULL,
  PRIMARY KEY (feed, key)
) WITHOUT ROWID;
CREATE INDEX refused_next ON refused (feed, next) WHERE waits;
`

// Refused lists refused rows of backfills. It may be called while saves run, and
// sees the last one that had ended.
func (s *Store) Refused(ctx context.Context, filter checkpoint.RefusedFilter) ([]checkpoint.Refused, error) {
	refused, err := listRefused(ctx, s.read, filter)
	if err != nil {
		return nil, fmt.Errorf("list refused rows: %w", explain(err))
	}
	return refused, nil
}

func listRefused(ctx context.Context, db querier, filter checkpoint.RefusedFilter) ([]checkpoint.Refused, error) {
	limit := filter.Limit
	if limit <= 0 {
		limit = -1
	}
	rows, err := db.QueryContext(ctx, `SELECT feed, key, operation, code, message, waits, at, next FROM refused
		WHERE feed = ?1 AND key > ?2 AND (?3 = '' OR waits AND next <= ?3) ORDER BY key LIMIT ?4`,
		filter.Feed, []byte(filter.After), formatTime(filter.Due), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Refused
	for rows.Next() {
		r, err := scanRefused(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func scanRefused(rows *sql.Rows) (checkpoint.Refused, error) {
	var r checkpoint.Refused
	var key []byte
	var at, next string
	err := rows.Scan(&r.Feed, &key, &r.Operation, &r.Code, &r.Message, &r.Waits, &at, &next)
	if err != nil {
		return r, err
	}
	r.Key = string(key)
	if r.At, err = parseTime(at); err != nil {
		return r, err
	}
	r.Next, err = parseTime(next)
	return r, err
}

func (s *Store) saveRefused(ctx context.Context, sv *checkpoint.Save) error {
	for _, k := range sv.Unrefused {
		s.grown += pageSize
		if _, err := s.stmts.unrefuse.ExecContext(ctx, k.Feed, []byte(k.Key)); err != nil {
			return err
		}
	}
	for i := range sv.Refused {
		r := &sv.Refused[i]
		s.grown += pageSize + len(r.Message)
		_, err := s.stmts.refuse.ExecContext(ctx, r.Feed, []byte(r.Key), r.Operation, r.Code, r.Message, r.Waits, formatTime(r.At), formatTime(r.Next))
		if err != nil {
			return err
		}
	}
	return nil
}

// countRefused returns nil where there are none.
func countRefused(ctx context.Context, db querier) (map[string]int, error) {
	rows, err := db.QueryContext(ctx, `SELECT feed, count(*) FROM refused GROUP BY feed`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var counts map[string]int
	for rows.Next() {
		var feed string
		var n int
		if err := rows.Scan(&feed, &n); err != nil {
			return nil, err
		}
		if counts == nil {
			counts = map[string]int{}
		}
		counts[feed] = n
	}
	return counts, rows.Err()
}

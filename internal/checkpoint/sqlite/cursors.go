package sqlite

import (
	"context"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// cursorsTable has how far the feeds beside the stream have come.
const cursorsTable = `
CREATE TABLE cursors (         -- how far a backfill has come
  feed  TEXT PRIMARY KEY,
  value TEXT NOT NULL          -- JSON
);
`

func (s *Store) saveCursors(ctx context.Context, cursors []checkpoint.Cursor) error {
	for _, c := range cursors {
		s.grown += pageSize + len(c.Value)
		var err error
		if c.Value == "" {
			_, err = s.stmts.dropCursor.ExecContext(ctx, c.Feed)
		} else {
			_, err = s.stmts.setCursor.ExecContext(ctx, c.Feed, c.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func loadCursors(ctx context.Context, db querier) ([]checkpoint.Cursor, error) {
	rows, err := db.QueryContext(ctx, `SELECT feed, value FROM cursors ORDER BY feed`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Cursor
	for rows.Next() {
		var c checkpoint.Cursor
		if err := rows.Scan(&c.Feed, &c.Value); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

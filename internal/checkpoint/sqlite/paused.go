package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// pausedTable has the mappings that wait by somebody's word. A row of table '*'
// stands for all of them.
const pausedTable = `
CREATE TABLE paused (          -- mappings that wait until cdcsync resume
  schema  TEXT NOT NULL,
  name    TEXT NOT NULL,       -- of the table; '*': all mappings
  object  TEXT NOT NULL,
  mapping TEXT NOT NULL,
  since   TEXT NOT NULL,
  command TEXT NOT NULL,
  reason  TEXT NOT NULL,
  PRIMARY KEY (schema, name, object)
);
`

// SavePaused replaces all that is paused, durably.
func (s *Store) SavePaused(ctx context.Context, all []checkpoint.Paused) error {
	err := s.change(ctx, true, func(ctx context.Context) error {
		if _, err := s.write.ExecContext(ctx, `DELETE FROM paused`); err != nil {
			return err
		}
		for _, p := range all {
			_, err := s.write.ExecContext(ctx, `INSERT INTO paused (schema, name, object, mapping, since, command, reason) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				p.Schema, p.Table, p.Object, p.Mapping, formatTime(p.Since), p.Command, p.Reason)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save what is paused: %w", explain(err))
	}
	return nil
}

// Paused lists what is paused, what was paused first at first.
func (s *Store) Paused(ctx context.Context) ([]checkpoint.Paused, error) {
	all, err := loadPaused(ctx, s.read)
	if err != nil {
		return nil, fmt.Errorf("list what is paused: %w", explain(err))
	}
	return all, nil
}

func loadPaused(ctx context.Context, db querier) ([]checkpoint.Paused, error) {
	rows, err := db.QueryContext(ctx, `SELECT schema, name, object, mapping, since, command, reason FROM paused ORDER BY since, mapping`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Paused
	for rows.Next() {
		var p checkpoint.Paused
		var since string
		if err := rows.Scan(&p.Schema, &p.Table, &p.Object, &p.Mapping, &since, &p.Command, &p.Reason); err != nil {
			return nil, err
		}
		if p.Since, err = parseTime(since); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

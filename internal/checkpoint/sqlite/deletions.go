package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// deletionsTable has what mappings delete.
const deletionsTable = `
CREATE TABLE deletions (       -- objects deleted in the last hour
  mapping TEXT    PRIMARY KEY,
  held    INTEGER NOT NULL,    -- 1: waits for cdcsync release
  free    INTEGER NOT NULL,    -- released until that minute since 1970
  minutes TEXT    NOT NULL     -- JSON: objects by minute since 1970
);
`

func (s *Store) saveDeletions(ctx context.Context, all []checkpoint.Deletions) error {
	for _, d := range all {
		minutes, err := json.Marshal(d.Minutes)
		if err != nil {
			return err
		}
		s.grown += pageSize
		if _, err := s.stmts.deletions.ExecContext(ctx, d.Mapping, d.Held, d.Free, string(minutes)); err != nil {
			return err
		}
	}
	return nil
}

func loadDeletions(ctx context.Context, db querier) ([]checkpoint.Deletions, error) {
	rows, err := db.QueryContext(ctx, `SELECT mapping, held, free, minutes FROM deletions ORDER BY mapping`)
	if err != nil {
		return nil, fmt.Errorf("deletions: %w", err)
	}
	defer rows.Close()
	var all []checkpoint.Deletions
	for rows.Next() {
		var d checkpoint.Deletions
		var minutes string
		if err := rows.Scan(&d.Mapping, &d.Held, &d.Free, &minutes); err != nil {
			return nil, fmt.Errorf("deletions: %w", err)
		}
		if err := json.Unmarshal([]byte(minutes), &d.Minutes); err != nil {
			return nil, fmt.Errorf("deletions: %w", errDamaged)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

package checkpoint

import (
	"context"
	"encoding/json"
	"fmt"
)

// Deletions is how many objects of a mapping were deleted lately, so that a
// restart does not let it delete as many again.
type Deletions struct {
	// Mapping is its name.
	Mapping string
	// Held is set while it waits for somebody's word to delete more.
	Held bool
	// Free is the minute since 1970 before which it deletes what it wants to,
	// as somebody released it; 0 for none.
	Free int64
	// Minutes counts the objects that were deleted, by minute since 1970.
	Minutes map[int64]int
}

// deletionsTable has what mappings delete.
const deletionsTable = `
CREATE TABLE deletions (       -- objects deleted in the last hour
  mapping TEXT    PRIMARY KEY,
  held    INTEGER NOT NULL,    -- 1: waits for cdcsync release
  free    INTEGER NOT NULL,    -- released until that minute since 1970
  minutes TEXT    NOT NULL     -- JSON: objects by minute since 1970
);
`

func (s *Store) saveDeletions(ctx context.Context, all []Deletions) error {
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

func loadDeletions(ctx context.Context, db querier) ([]Deletions, error) {
	rows, err := db.QueryContext(ctx, `SELECT mapping, held, free, minutes FROM deletions ORDER BY mapping`)
	if err != nil {
		return nil, fmt.Errorf("deletions: %w", err)
	}
	defer rows.Close()
	var all []Deletions
	for rows.Next() {
		var d Deletions
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

package checkpoint

import (
	"context"
	"fmt"
	"time"
)

// Relation is a mapped table as it was last seen.
type Relation struct {
	Schema, Name string
	OID          uint32
	// Seen is when.
	Seen time.Time
	// Record is JSON, which package identity writes and reads.
	Record string
}

// SaveRelations replaces all relations, durably. After an orderly end it does
// nothing: the next life will see what they have become.
func (s *Store) SaveRelations(ctx context.Context, relations []Relation) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save relations: %w", err)
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	err := s.commit(ctx, &Save{Sync: true}, func(*known) error { return s.putRelations(ctx, relations) })
	if err != nil {
		return fmt.Errorf("save relations: %w", explain(err))
	}
	return nil
}

func (s *Store) putRelations(ctx context.Context, relations []Relation) error {
	if _, err := s.write.ExecContext(ctx, `DELETE FROM relations`); err != nil {
		return err
	}
	for _, r := range relations {
		s.grown += len(r.Record)
		_, err := s.write.ExecContext(ctx, `INSERT INTO relations (schema, name, oid, seen, record) VALUES (?, ?, ?, ?, ?)`,
			r.Schema, r.Name, int64(r.OID), formatTime(r.Seen), r.Record)
		if err != nil {
			return err
		}
	}
	return nil
}

func loadRelations(ctx context.Context, db querier) ([]Relation, error) {
	rows, err := db.QueryContext(ctx, `SELECT schema, name, oid, seen, record FROM relations ORDER BY schema, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var relations []Relation
	for rows.Next() {
		var r Relation
		var seen string
		if err := rows.Scan(&r.Schema, &r.Name, &r.OID, &seen, &r.Record); err != nil {
			return nil, err
		}
		if r.Seen, err = parseTime(seen); err != nil {
			return nil, err
		}
		relations = append(relations, r)
	}
	return relations, rows.Err()
}

package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// SaveRelations replaces all relations, durably. After an orderly end it does
// nothing: the next life will see what they have become.
func (s *Store) SaveRelations(ctx context.Context, relations []checkpoint.Relation) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save relations: %w", err)
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	err := s.commit(ctx, &checkpoint.Save{Sync: true}, func(*known) error { return s.putRelations(ctx, relations) })
	if err != nil {
		return fmt.Errorf("save relations: %w", explain(err))
	}
	return nil
}

func (s *Store) putRelations(ctx context.Context, relations []checkpoint.Relation) error {
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

func loadRelations(ctx context.Context, db querier) ([]checkpoint.Relation, error) {
	rows, err := db.QueryContext(ctx, `SELECT schema, name, oid, seen, record FROM relations ORDER BY schema, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var relations []checkpoint.Relation
	for rows.Next() {
		var r checkpoint.Relation
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

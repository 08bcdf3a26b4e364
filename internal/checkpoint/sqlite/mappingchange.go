package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// mappingChangeTable has what became of mappings between two lives.
const mappingChangeTable = `
CREATE TABLE mapping_change (  -- what became of mappings between two starts
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  schema  TEXT    NOT NULL,
  name    TEXT    NOT NULL,    -- of the table
  object  TEXT    NOT NULL,
  mapping TEXT    NOT NULL,
  at      TEXT    NOT NULL,
  change  TEXT    NOT NULL,
  remedy  TEXT    NOT NULL,
  reload  INTEGER NOT NULL     -- 1: all rows sent again mend it
);
`

// keptMappingChanges is how many are kept.
const keptMappingChanges = 200

// NoteMappings replaces all mappings that are known, as SaveMappings does, and
// keeps what has become of them. What is parked, and counted of deletions, of one
// that is called otherwise goes with it. It is durable, all or nothing.
func (s *Store) NoteMappings(ctx context.Context, news checkpoint.MappingNews) error {
	err := s.change(ctx, true, func(ctx context.Context) error {
		if err := s.putMappings(ctx, news.Known); err != nil {
			return err
		}
		for _, c := range news.Changes {
			_, err := s.write.ExecContext(ctx, `INSERT INTO mapping_change (schema, name, object, mapping, at, change, remedy, reload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				c.Schema, c.Table, c.Object, c.Mapping, formatTime(c.At), c.Text, c.Remedy, c.Reload)
			if err != nil {
				return err
			}
		}
		if _, err := s.write.ExecContext(ctx, `DELETE FROM mapping_change WHERE id NOT IN (SELECT id FROM mapping_change ORDER BY id DESC LIMIT ?)`, keptMappingChanges); err != nil {
			return err
		}
		return s.renameMappings(ctx, news.Renamed)
	})
	if err != nil {
		return fmt.Errorf("save mappings: %w", explain(err))
	}
	return nil
}

// renameMappings goes over names that nothing can have, as mappings may exchange
// theirs.
func (s *Store) renameMappings(ctx context.Context, all []checkpoint.Renamed) error {
	between := func(r checkpoint.Renamed) string { return "\x00" + r.To }
	for _, r := range all {
		if _, err := s.write.ExecContext(ctx, `UPDATE parked SET mapping = ? WHERE mapping = ? AND lower(object) = lower(?)`, r.To, r.From, r.Object); err != nil {
			return err
		}
		if _, err := s.write.ExecContext(ctx, `UPDATE OR REPLACE deletions SET mapping = ? WHERE mapping = ?`, between(r), r.From); err != nil {
			return err
		}
	}
	for _, r := range all {
		if _, err := s.write.ExecContext(ctx, `UPDATE OR REPLACE deletions SET mapping = ? WHERE mapping = ?`, r.To, between(r)); err != nil {
			return err
		}
	}
	return nil
}

// MappingChanges lists what became of mappings, the oldest first.
func (s *Store) MappingChanges(ctx context.Context) ([]checkpoint.MappingChange, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT schema, name, object, mapping, at, change, remedy, reload FROM mapping_change ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list changes of mappings: %w", explain(err))
	}
	defer rows.Close()
	var all []checkpoint.MappingChange
	for rows.Next() {
		var c checkpoint.MappingChange
		var at string
		err := rows.Scan(&c.Schema, &c.Table, &c.Object, &c.Mapping, &at, &c.Text, &c.Remedy, &c.Reload)
		if err == nil {
			c.At, err = parseTime(at)
		}
		if err != nil {
			return nil, fmt.Errorf("list changes of mappings: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

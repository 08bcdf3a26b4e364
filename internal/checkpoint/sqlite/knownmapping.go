package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// mappingsTable has the mappings as they were configured last. A row of an
// object type that no name can be stands for all that an older release had.
const mappingsTable = `
CREATE TABLE known_mapping (   -- mappings as they were configured last
  schema  TEXT    NOT NULL,
  name    TEXT    NOT NULL,    -- of the table
  object  TEXT    NOT NULL,    -- '*': whatever an older release was configured with
  mapping TEXT    NOT NULL,
  rules   TEXT    NOT NULL,    -- JSON
  loaded  INTEGER NOT NULL,    -- 1: the rows that its table had count as sent
  since   TEXT    NOT NULL,
  changed TEXT    NOT NULL,
  PRIMARY KEY (schema, name, object)
);
`

// ofOlderRelease is what a migration knows of mappings.
const ofOlderRelease = `INSERT INTO known_mapping VALUES ('*', '*', '*', '(all that were configured before)', '{}', 1, '', '');`

const olderObject = "*"

// SaveMappings replaces all mappings that are known, durably, but leaves Loaded
// set where it was.
func (s *Store) SaveMappings(ctx context.Context, all []checkpoint.KnownMapping) error {
	err := s.change(ctx, true, func(ctx context.Context) error { return s.putMappings(ctx, all) })
	if err != nil {
		return fmt.Errorf("save mappings: %w", explain(err))
	}
	return nil
}

func (s *Store) putMappings(ctx context.Context, all []checkpoint.KnownMapping) error {
	before, err := s.loadedMappings(ctx)
	if err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `DELETE FROM known_mapping`); err != nil {
		return err
	}
	for i := range all {
		m := &all[i]
		s.grown += len(m.Rules)
		_, err := s.write.ExecContext(ctx, `INSERT INTO known_mapping (schema, name, object, mapping, rules, loaded, since, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			m.Schema, m.Table, m.Object, m.Name, m.Rules, m.Loaded || before[m.MappingID], formatTime(m.Since), formatTime(m.Changed))
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) loadedMappings(ctx context.Context) (map[checkpoint.MappingID]bool, error) {
	known, _, err := loadMappings(ctx, s.write)
	loaded := make(map[checkpoint.MappingID]bool, len(known))
	for i := range known {
		loaded[known[i].MappingID] = known[i].Loaded
	}
	return loaded, err
}

// loadMappings tells whether the mappings are those of an older release, which
// recorded none.
func loadMappings(ctx context.Context, db querier) (all []checkpoint.KnownMapping, older bool, err error) {
	rows, err := db.QueryContext(ctx, `SELECT schema, name, object, mapping, rules, loaded, since, changed FROM known_mapping ORDER BY schema, name, object`)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m checkpoint.KnownMapping
		var since, changed string
		if err := rows.Scan(&m.Schema, &m.Table, &m.Object, &m.Name, &m.Rules, &m.Loaded, &since, &changed); err != nil {
			return nil, false, err
		}
		if m.Object == olderObject {
			older = true
			continue
		}
		if m.Since, err = parseTime(since); err != nil {
			return nil, false, err
		}
		if m.Changed, err = parseTime(changed); err != nil {
			return nil, false, err
		}
		all = append(all, m)
	}
	return all, older, rows.Err()
}

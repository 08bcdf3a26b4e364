package rowread

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

// Changes is how many rows of a table have been changed, by the server's
// statistics: those that were rolled back count, too, and TRUNCATE does not.
type Changes struct {
	Inserts int64 `json:"ins"`
	Updates int64 `json:"upd"`
	Deletes int64 `json:"del"`
}

// All is their sum.
func (c Changes) All() int64 { return c.Inserts + c.Updates + c.Deletes }

// Less is what came after an earlier count; never less than nothing, as statistics
// may be reset.
func (c Changes) Less(before Changes) Changes {
	return Changes{max(c.Inserts-before.Inserts, 0), max(c.Updates-before.Updates, 0), max(c.Deletes-before.Deletes, 0)}
}

// Statistics is what the server has counted of tables.
type Statistics struct {
	Tables map[catalog.TableName]Changes
	// Now is the server's clock, Since when it has counted from; zero where that is
	// not known, as it was never reset, or as a standby counts nothing.
	Now, Since time.Time
}

// CountChanges asks for the statistics of tables, with those of their partitions.
func (r *Session) CountChanges(ctx context.Context, tables []catalog.TableName) (Statistics, error) {
	s := Statistics{Tables: make(map[catalog.TableName]Changes)}
	var at struct {
		Now   time.Time  `json:"now"`
		Since *time.Time `json:"since"`
	}
	if err := r.JSON(ctx, &at, `SELECT jsonb_build_object('now', clock_timestamp(), 'since', CASE WHEN NOT pg_is_in_recovery() THEN
		(SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) END)`); err != nil {
		return s, fmt.Errorf("read statistics: %w", err)
	}
	if s.Now = at.Now; at.Since != nil {
		s.Since = *at.Since
	}
	for _, name := range tables {
		var c Changes
		if err := r.JSON(ctx, &c, `SELECT jsonb_build_object('ins', COALESCE(sum(s.n_tup_ins), 0), 'upd', COALESCE(sum(s.n_tup_upd), 0), 'del', COALESCE(sum(s.n_tup_del), 0))
			FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
			CROSS JOIN LATERAL (SELECT relid FROM pg_partition_tree(t.oid) WHERE isleaf UNION SELECT t.oid WHERE t.relkind = 'r') leaf
			JOIN pg_stat_all_tables s ON s.relid = leaf.relid WHERE n.nspname = $1 AND t.relname = $2`, name.Schema, name.Name); err != nil {
			return s, fmt.Errorf("read statistics of %s: %w", name, err)
		}
		s.Tables[name] = c
	}
	return s, nil
}

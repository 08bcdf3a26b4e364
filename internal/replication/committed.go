package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// committedJSON asks where the next record will be, what of the WAL is on disk,
// and how long PostgreSQL may take to write a commit that nobody waits for. A
// standby has what it has replayed.
const committedJSON = `SELECT jsonb_build_object(
	'next', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END,
	'flushed', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
	'delay', (SELECT setting::int FROM pg_settings WHERE name = 'wal_writer_delay'))`

// committedPoll is the time between two looks at what is on disk.
const committedPoll = 20 * time.Millisecond

// Committed returns a place in the WAL that is behind all that was committed
// before the call, those commits included that were not waited for
// (synchronous_commit = off): they are on disk, and so on their way into the
// stream, within three times wal_writer_delay. What else is behind it by then
// belongs to transactions that go on, and may stay in memory for long.
func (c *Catalog) Committed(ctx context.Context) (pgoutput.LSN, error) {
	var next pgoutput.LSN
	for until := (time.Time{}); ; {
		var now struct {
			Next    lsnText `json:"next"`
			Flushed lsnText `json:"flushed"`
			Delay   int64   `json:"delay"` // in milliseconds
		}
		if err := c.JSON(ctx, &now, committedJSON); err != nil {
			return 0, fmt.Errorf("ask where the WAL ends: %w", err)
		}
		if next == 0 {
			next, until = pgoutput.LSN(now.Next), time.Now().Add(3*time.Duration(now.Delay)*time.Millisecond)
		}
		switch flushed := pgoutput.LSN(now.Flushed); {
		case flushed >= next:
			return next, nil
		case time.Now().After(until):
			return flushed, nil
		}
		select {
		case <-time.After(committedPoll):
		case <-ctx.Done():
			return 0, fmt.Errorf("ask where the WAL ends: %w", ctx.Err())
		}
	}
}

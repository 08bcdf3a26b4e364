package rowread

import (
	"fmt"
	"strconv"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// ErrNotVisible says that a transaction which the stream has carried cannot be
// seen yet: PostgreSQL streams a commit as soon as it is in the WAL, and shows
// it to others only later, with synchronous standbys much later. What is read
// meanwhile is older than what was streamed. It passes.
var ErrNotVisible = &replication.Error{Reason: replication.Unavailable, Err: fmt.Errorf("the transaction of a streamed change is not visible yet")}

// flushedSQL asks how far the WAL is on disk, and how a file of it is called,
// which begins with the timeline; nothing in recovery, which knows neither.
const flushedSQL = "SELECT pg_catalog.pg_current_wal_flush_lsn(), pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_flush_lsn()) " +
	"WHERE NOT pg_catalog.pg_is_in_recovery()"

// onDisk takes the answer to flushedSQL.
func onDisk(t *pgoutput.Transactions, rows [][][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	lsn, err := pgoutput.ParseLSN(string(rows[0][0]))
	if err != nil {
		return fmt.Errorf("wal on disk: %w", err)
	}
	file := string(rows[0][1])
	timeline, err := strconv.ParseUint(file[:min(len(file), 8)], 16, 31)
	if err != nil {
		return fmt.Errorf("timeline of wal file %q: %w", file, err)
	}
	t.Flushed, t.Timeline = lsn, int32(timeline)
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// migrations holds what brings a store of version i+1 to version i+2.
var migrations = [schemaVersion - 1]func(context.Context, *sql.Tx) error{
	keepSentAndDiscarded,
	gatherState,
	renameDiscarded,
	versionFive,
	versionSix,
}

// migrate brings a store of an older version up to this one, all the way or
// not at all. A store that is damaged stays as it is.
func migrate(ctx context.Context, db *sql.Conn, version int64) error {
	return inTransaction(ctx, db, func(tx *sql.Tx) error {
		for _, step := range migrations[version-1:] {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	})
}

func keepSentAndDiscarded(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `ALTER TABLE life ADD COLUMN sent BLOB NOT NULL DEFAULT x'';
		CREATE TABLE discarded (key BLOB PRIMARY KEY)`)
	return err
}

func renameDiscarded(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `ALTER TABLE discarded RENAME TO lacking`)
	return err
}

// versionFive adds what mapped tables were when they were last looked at, which
// is not known yet, the gaps that were accepted, what mappings delete, what
// stands for very many settled changes, and the transactions of parked objects.
func versionFive(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, relationsTable+acceptedTable+deletionsTable+settledToTable+`ALTER TABLE parked ADD COLUMN xid INTEGER NOT NULL DEFAULT 0`)
	return err
}

// backfillTables are those of version 6.
const backfillTables = cursorsTable + refusedTable + backfillTable + mappingsTable

// controlTables are those of version 6 that have what somebody wants of mappings,
// and what became of them.
const controlTables = pausedTable + mappingChangeTable

// versionSix adds what identifies the latest transaction, which is not known yet,
// the object types that lag, of which there is none, what backfills need, and what is paused. The mappings of a
// store that an older release made count as loaded: an upgrade never sends a table.
func versionSix(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, latestColumn+stoppedColumn+lagsTable+backfillTables+controlTables+ofOlderRelease)
	return err
}

// gatherState moves what was in a table each into the table state.
func gatherState(ctx context.Context, tx *sql.Tx) error {
	var data []byte
	if err := tx.QueryRowContext(ctx, `SELECT sent FROM life`).Scan(&data); err != nil {
		return fmt.Errorf("life: %w", err)
	}
	sent, err := readSent(data)
	if err != nil {
		return fmt.Errorf("sent: %w", err)
	}
	ck, err := gatherCheckpoint(ctx, tx)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	calls, err := gatherCalls(ctx, tx)
	if err != nil {
		return fmt.Errorf("inflight: %w", err)
	}
	if err := checkStarts(ctx, tx); err != nil {
		return fmt.Errorf("quota: %w", err)
	}
	if _, err := loadSettled(ctx, tx, ck); err != nil {
		return err
	}
	var checksum any
	if ck != nil {
		checksum = storedChecksum(*ck)
	}
	if _, err := tx.ExecContext(ctx, stateTable); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO state (id, life, clean, boot, saves, saved_at, sent,
			system, timeline, database, slot, position, checksum,
			day, day_calls, exhausted, starts, inflight, calls)
		SELECT 1, number, clean, boot, saves, saved_at, ?1,
			system, timeline, database, slot, position, ?2,
			coalesce(day, ''), coalesce(calls, 0), coalesce(exhausted, 0), coalesce(starts, '[]'), ?3, ?4
		FROM life LEFT JOIN checkpoint LEFT JOIN quota;`,
		appendSent(nil, sent), checksum, len(calls.spans), calls.record)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE life; DROP TABLE checkpoint; DROP TABLE quota; DROP TABLE inflight`)
	return err
}

func gatherCheckpoint(ctx context.Context, tx *sql.Tx) (*checkpoint.Checkpoint, error) {
	var ck checkpoint.Checkpoint
	var position, sum int64
	err := tx.QueryRowContext(ctx, `SELECT system, timeline, database, slot, position, checksum FROM checkpoint`).
		Scan(&ck.System, &ck.Timeline, &ck.Database, &ck.Slot, &position, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ck.LSN = checkpoint.LSN(position)
	if sum != int64(checksum(ck)) {
		return nil, errDamaged
	}
	return &ck, nil
}

// gatherCalls makes one record of the calls that had a row each.
func gatherCalls(ctx context.Context, tx *sql.Tx) (*calls, error) {
	var all []checkpoint.Call
	err := eachBlob(ctx, tx, `SELECT id, data FROM inflight ORDER BY id`, func(id int64, data []byte) error {
		keys, err := readKeys(data)
		all = append(all, checkpoint.Call{ID: uint64(id), Keys: keys})
		return err
	})
	if err != nil {
		return nil, err
	}
	return writeCalls(all)
}

func checkStarts(ctx context.Context, tx *sql.Tx) error {
	var text string
	err := tx.QueryRowContext(ctx, `SELECT starts FROM quota`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = readStarts(text)
	}
	return err
}

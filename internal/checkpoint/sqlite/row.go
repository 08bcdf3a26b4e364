package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// updateSQL is what a save does to the row of the table state. A parameter that
// is NULL leaves its column as it is. The position never goes back, whatever
// this process remembers: then no row is changed.
const updateSQL = `UPDATE state SET life = ?1, clean = ?2, boot = ?3, saves = saves + 1, saved_at = ?4, sent = ?5,
	position = coalesce(?6, position), checksum = coalesce(?7, checksum),
	day = coalesce(?8, day), day_calls = coalesce(?9, day_calls),
	exhausted = coalesce(?10, exhausted), starts = coalesce(?11, starts),
	inflight = coalesce(?12, inflight), calls = coalesce(?13, calls), latest = coalesce(?14, latest)
	WHERE id = 1 AND (?6 IS NULL OR position <= ?6)`

// identifySQL gives the row a checkpoint of another identity. At another position
// no transaction is known.
const identifySQL = `UPDATE state SET system = ?1, timeline = ?2, database = ?3, slot = ?4, position = ?5, checksum = ?6,
	latest = CASE WHEN position = ?5 THEN latest ELSE x'' END`

// row is the row of the table state, read and found to be sound.
type row struct {
	life     int64
	clean    bool
	sameBoot bool
	sent     pgoutput.Position
	latest   checkpoint.Commit
	ck       *checkpoint.Checkpoint // nil for none
	quota    checkpoint.Quota
	calls    []checkpoint.Call
}

func loadRow(ctx context.Context, db querier, now string) (row, error) {
	var r row
	var saves int64
	var boot, starts string
	var sent, latest, calls []byte
	var ck nullCheckpoint
	err := db.QueryRowContext(ctx, `SELECT life, clean, boot, saves, sent, latest, system, timeline, database, slot, position, checksum,
		day, day_calls, exhausted, starts, calls FROM state`).
		Scan(&r.life, &r.clean, &boot, &saves, &sent, &latest, &ck.system, &ck.timeline, &ck.database, &ck.slot, &ck.position, &ck.checksum,
			&r.quota.Day, &r.quota.Calls, &r.quota.Exhausted, &starts, &calls)
	if err != nil {
		return row{}, err
	}
	r.sameBoot = saves == 0 || (boot != "" && boot == now)
	if r.ck, err = ck.value(); err != nil {
		return row{}, fmt.Errorf("checkpoint: %w", err)
	}
	if r.sent, err = readSent(sent); err != nil {
		return row{}, fmt.Errorf("sent: %w", err)
	}
	if r.latest, err = readLatest(latest); err != nil {
		return row{}, fmt.Errorf("latest: %w", err)
	}
	if r.quota.Starts, err = readStarts(starts); err != nil {
		return row{}, fmt.Errorf("quota: %w", err)
	}
	if r.calls, err = readCalls(calls); err != nil {
		return row{}, fmt.Errorf("inflight: %w", err)
	}
	return r, nil
}

// nullCheckpoint is a checkpoint as it is stored: all of it, or nothing.
type nullCheckpoint struct {
	system, database, slot       sql.NullString
	timeline, position, checksum sql.NullInt64
}

func (n nullCheckpoint) value() (*checkpoint.Checkpoint, error) {
	if n == (nullCheckpoint{}) {
		return nil, nil
	}
	ck := checkpoint.Checkpoint{System: n.system.String, Timeline: int32(n.timeline.Int64), Database: n.database.String,
		Slot: n.slot.String, LSN: checkpoint.LSN(n.position.Int64)}
	if !n.position.Valid || n.checksum.Int64 != storedChecksum(ck) {
		return nil, errDamaged
	}
	return &ck, nil
}

// storedChecksum has a sign: SQLite takes four bytes for nearly all of them
// then, and a row that keeps its size is written in place.
func storedChecksum(ck checkpoint.Checkpoint) int64 { return int64(int32(checksum(ck))) }

// appendStarts writes times as a JSON array of nanoseconds since 1970.
func appendStarts(b []byte, times []time.Time) []byte {
	b = append(b, '[')
	for i, t := range times {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, t.UnixNano(), 10)
	}
	return append(b, ']')
}

func readStarts(text string) ([]time.Time, error) {
	var starts []int64
	if err := json.Unmarshal([]byte(text), &starts); err != nil {
		return nil, errDamaged
	}
	var times []time.Time
	for _, ns := range starts {
		times = append(times, time.Unix(0, ns).UTC())
	}
	return times, nil
}

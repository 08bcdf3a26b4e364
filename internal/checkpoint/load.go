package checkpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// Load returns what the store holds, as of the last Save. It changes nothing:
// the life of a process begins, and the last one's Clean ends, with its first
// Save.
func (s *Store) Load(ctx context.Context) (State, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return State{}, fmt.Errorf("load state: %w", explain(err))
	}
	defer tx.Rollback()
	state, err := load(ctx, tx)
	if err != nil {
		return State{}, fmt.Errorf("load state: %w", explain(err))
	}
	return state, nil
}

func load(ctx context.Context, db querier) (State, error) {
	var state State
	var err error
	if state.Checkpoint, err = loadCheckpoint(ctx, db); err != nil {
		return State{}, err
	}
	if state.Clean, state.SameBoot, err = loadLife(ctx, db); err != nil {
		return State{}, err
	}
	if state.InFlight, err = loadCalls(ctx, db); err != nil {
		return State{}, err
	}
	if state.Settled, err = loadSettled(ctx, db, state.Checkpoint); err != nil {
		return State{}, err
	}
	if state.Parked, err = listParked(ctx, db, Filter{}); err != nil {
		return State{}, fmt.Errorf("parked: %w", err)
	}
	if state.Discarded, err = loadDiscarded(ctx, db); err != nil {
		return State{}, err
	}
	if state.Quota, err = loadQuota(ctx, db); err != nil {
		return State{}, err
	}
	if state.Sent, err = loadSent(ctx, db); err != nil {
		return State{}, err
	}
	return state, nil
}

// loadSent is zero in a store that no call has been saved in.
func loadSent(ctx context.Context, db querier) (replication.Position, error) {
	var data []byte
	if err := db.QueryRowContext(ctx, `SELECT sent FROM life`).Scan(&data); err != nil {
		return replication.Position{}, fmt.Errorf("sent: %w", err)
	}
	if len(data) == 0 {
		return replication.Position{}, nil
	}
	f := openRecord(data)
	sent := f.position()
	if f.err != nil {
		return sent, fmt.Errorf("sent: %w", f.err)
	}
	return sent, nil
}

func loadCheckpoint(ctx context.Context, db querier) (*Checkpoint, error) {
	var ck Checkpoint
	var position, checksum int64
	err := db.QueryRowContext(ctx, `SELECT system, timeline, database, slot, position, checksum FROM checkpoint`).
		Scan(&ck.System, &ck.Timeline, &ck.Database, &ck.Slot, &position, &checksum)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	ck.LSN = LSN(position)
	if checksum != ck.checksum() {
		return nil, fmt.Errorf("checkpoint: %w", errDamaged)
	}
	return &ck, nil
}

func loadLife(ctx context.Context, db querier) (clean, sameBoot bool, err error) {
	var saves int64
	var boot string
	if err := db.QueryRowContext(ctx, `SELECT clean, boot, saves FROM life`).Scan(&clean, &boot, &saves); err != nil {
		return false, false, fmt.Errorf("life: %w", err)
	}
	return clean, saves == 0 || (boot != "" && boot == bootID()), nil
}

func loadCalls(ctx context.Context, db querier) ([]Call, error) {
	var calls []Call
	err := eachBlob(ctx, db, `SELECT id, data FROM inflight ORDER BY id`, func(id int64, data []byte) error {
		keys, err := readKeys(data)
		calls = append(calls, Call{ID: uint64(id), Keys: keys})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("inflight: %w", err)
	}
	return calls, nil
}

// loadSettled merges the rows of many saves: the newest change of each key
// counts.
func loadSettled(ctx context.Context, db querier, ck *Checkpoint) ([]Settled, error) {
	var floor LSN
	if ck != nil {
		floor = ck.LSN
	}
	var settled []Settled
	index := map[string]int{}
	err := eachBlob(ctx, db, `SELECT id, data FROM settled ORDER BY id`, func(_ int64, data []byte) error {
		return readSettled(data, func(e Settled) {
			if e.Through.Commit < floor {
				return
			}
			if i, ok := index[e.Key]; !ok {
				index[e.Key] = len(settled)
				settled = append(settled, e)
			} else if settled[i].Through.Compare(e.Through) < 0 {
				settled[i].Through = e.Through
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("settled: %w", err)
	}
	return settled, nil
}

func loadDiscarded(ctx context.Context, db querier) ([]string, error) {
	var keys []string
	rows, err := db.QueryContext(ctx, `SELECT key FROM discarded ORDER BY key`)
	if err != nil {
		return nil, fmt.Errorf("discarded: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("discarded: %w", err)
		}
		keys = append(keys, string(key))
	}
	return keys, rows.Err()
}

func eachBlob(ctx context.Context, db querier, query string, each func(id int64, data []byte) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		if err := each(id, data); err != nil {
			return err
		}
	}
	return rows.Err()
}

func loadQuota(ctx context.Context, db querier) (Quota, error) {
	var q Quota
	var text string
	err := db.QueryRowContext(ctx, `SELECT day, calls, exhausted, starts FROM quota`).
		Scan(&q.Day, &q.Calls, &q.Exhausted, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return Quota{}, nil
	}
	if err != nil {
		return Quota{}, fmt.Errorf("quota: %w", err)
	}
	var starts []int64
	if err := json.Unmarshal([]byte(text), &starts); err != nil {
		return Quota{}, fmt.Errorf("quota: %w", errDamaged)
	}
	for _, ns := range starts {
		q.Starts = append(q.Starts, time.Unix(0, ns).UTC())
	}
	return q, nil
}

package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Load returns what the store holds, as of the last Save. It changes nothing:
// the life of a process begins, and the last one's Clean ends, with its first
// Save.
func (s *Store) Load(ctx context.Context) (checkpoint.State, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return checkpoint.State{}, fmt.Errorf("load state: %w", explain(err))
	}
	defer tx.Rollback()
	state, err := load(ctx, tx, s.boot)
	if err != nil {
		return checkpoint.State{}, fmt.Errorf("load state: %w", explain(err))
	}
	return state, nil
}

// Saves is how many saves the store has taken, of all lives. A copy that was made
// earlier has fewer.
func (s *Store) Saves(ctx context.Context) (uint64, error) {
	var n int64
	if err := s.read.QueryRowContext(ctx, `SELECT saves FROM state`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count saves: %w", explain(err))
	}
	return uint64(n), nil
}

func load(ctx context.Context, db querier, boot string) (checkpoint.State, error) {
	r, err := loadRow(ctx, db, boot)
	if err != nil {
		return checkpoint.State{}, err
	}
	state := checkpoint.State{Checkpoint: r.ck, Clean: r.clean, SameBoot: r.sameBoot, InFlight: r.calls, Quota: r.quota, Sent: r.sent, Latest: r.latest}
	slices.SortFunc(state.InFlight, func(a, b checkpoint.Call) int { return cmp.Compare(a.ID, b.ID) })
	if state.Settled, err = loadSettled(ctx, db, r.ck); err != nil {
		return checkpoint.State{}, err
	}
	if state.SettledTo, err = loadSettledTo(ctx, db, floorOf(r.ck)); err != nil {
		return checkpoint.State{}, fmt.Errorf("settled to: %w", err)
	}
	if state.Lags, err = loadLags(ctx, db); err != nil {
		return checkpoint.State{}, fmt.Errorf("lags: %w", err)
	}
	if state.Parked, err = listParked(ctx, db, checkpoint.Filter{}); err != nil {
		return checkpoint.State{}, fmt.Errorf("parked: %w", err)
	}
	if state.Lacking, err = loadLacking(ctx, db); err != nil {
		return checkpoint.State{}, err
	}
	if state.Accepted, err = loadAccepted(ctx, db); err != nil {
		return checkpoint.State{}, fmt.Errorf("accepted: %w", err)
	}
	if state.Deletions, err = loadDeletions(ctx, db); err != nil {
		return checkpoint.State{}, err
	}
	if state.Relations, err = loadRelations(ctx, db); err != nil {
		return checkpoint.State{}, fmt.Errorf("relations: %w", err)
	}
	return state, loadFeeds(ctx, db, &state)
}

// loadFeeds reads what is kept for the feeds beside the stream.
func loadFeeds(ctx context.Context, db querier, state *checkpoint.State) (err error) {
	if state.Cursors, err = loadCursors(ctx, db); err != nil {
		return fmt.Errorf("cursors: %w", err)
	}
	if state.Refused, err = countRefused(ctx, db); err != nil {
		return fmt.Errorf("refused rows: %w", err)
	}
	if state.Mappings, state.OlderMappings, err = loadMappings(ctx, db); err != nil {
		return fmt.Errorf("mappings: %w", err)
	}
	return nil
}

// loadSettled merges the rows of many saves: the newest change of each key
// counts.
func loadSettled(ctx context.Context, db querier, ck *checkpoint.Checkpoint) ([]checkpoint.Settled, error) {
	floor := floorOf(ck)
	var settled []checkpoint.Settled
	index := map[string]int{}
	err := eachBlob(ctx, db, `SELECT id, data FROM settled ORDER BY id`, func(_ int64, data []byte) error {
		return readSettled(data, func(e checkpoint.Settled) {
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

// floorOf is from where on changes may come again.
func floorOf(ck *checkpoint.Checkpoint) checkpoint.LSN {
	if ck == nil {
		return 0
	}
	return ck.LSN
}

func loadLacking(ctx context.Context, db querier) ([]string, error) {
	var keys []string
	rows, err := db.QueryContext(ctx, `SELECT key FROM lacking ORDER BY key`)
	if err != nil {
		return nil, fmt.Errorf("lacking: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("lacking: %w", err)
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

package sqlite

import (
	"context"
	"encoding/json"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// lagsTable has the object types of mappings that were stopped while others went
// on, and stoppedColumn says so of what stands for settled changes.
const (
	lagsTable = `
CREATE TABLE lags (            -- object types that lag behind others
  object TEXT PRIMARY KEY,
  sent   BLOB NOT NULL         -- the newest change of it that a call has carried
);
`
	stoppedColumn = `
ALTER TABLE settled_to ADD COLUMN stopped TEXT NOT NULL DEFAULT ''; -- JSON: not of these object types, from a change on
`
)

// saveLags puts lags in the place of all that were.
func (s *Store) saveLags(ctx context.Context, lags []checkpoint.Lag) error {
	if lags == nil {
		return nil
	}
	s.grown += pageSize
	if _, err := s.stmts.dropLags.ExecContext(ctx); err != nil {
		return err
	}
	for _, l := range lags {
		if _, err := s.stmts.setLag.ExecContext(ctx, l.Object, appendSent(nil, l.Sent)); err != nil {
			return err
		}
	}
	return nil
}

func loadLags(ctx context.Context, db querier) ([]checkpoint.Lag, error) {
	rows, err := db.QueryContext(ctx, `SELECT object, sent FROM lags ORDER BY object`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Lag
	for rows.Next() {
		var l checkpoint.Lag
		var sent []byte
		if err := rows.Scan(&l.Object, &sent); err != nil {
			return nil, err
		}
		if l.Sent, err = readSent(sent); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// stoppedAt is a checkpoint.Stopped as it is stored.
type stoppedAt struct {
	Object string `json:"object"`
	Commit uint64 `json:"commit"`
	Seq    uint64 `json:"seq"`
}

// stoppedText writes what is stopped; "" for nothing.
func stoppedText(all []checkpoint.Stopped) (string, error) {
	if len(all) == 0 {
		return "", nil
	}
	var list []stoppedAt
	for _, s := range all {
		list = append(list, stoppedAt{s.Object, uint64(s.From.Commit), s.From.Seq})
	}
	text, err := json.Marshal(list)
	return string(text), err
}

func readStopped(text string) ([]checkpoint.Stopped, error) {
	if text == "" {
		return nil, nil
	}
	var list []stoppedAt
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, errDamaged
	}
	var all []checkpoint.Stopped
	for _, s := range list {
		all = append(all, checkpoint.Stopped{Object: s.Object, From: pgoutput.Position{Commit: checkpoint.LSN(s.Commit), Seq: s.Seq}})
	}
	return all, nil
}

package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// acceptedTable has what somebody has decided to go on without.
const acceptedTable = `
CREATE TABLE accepted (        -- gaps that were accepted: changes that were not delivered
  id     INTEGER PRIMARY KEY,
  at     TEXT    NOT NULL,
  span   TEXT    NOT NULL,     -- FROM..TO, as it was given
  code   TEXT    NOT NULL,     -- of the refusal; "change" for a place in the stream
  reason TEXT    NOT NULL
);
`

// Accept records, durably, that delivery goes on at c without what a gives up.
// The position may go back, and c may be an intention. Nothing that was known of
// the stream before suppresses anything afterwards: not what was settled, nor
// what was sent, nor where parked objects stood.
func (s *Store) Accept(ctx context.Context, c checkpoint.Checkpoint, a checkpoint.Accepted) error {
	if err := s.accept(ctx, c, a); err != nil {
		return fmt.Errorf("accept gap: %w", explain(err))
	}
	return nil
}

func (s *Store) accept(ctx context.Context, c checkpoint.Checkpoint, a checkpoint.Accepted) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(ctx, &checkpoint.Save{Sync: true}, func(next *known) error {
		next.ck, next.sent, next.oldest, next.settledTo = &c, pgoutput.Position{}, noneSettled, noneSettled
		if err := s.saveAccepted(ctx, []checkpoint.Accepted{a}); err != nil {
			return err
		}
		if err := s.identify(ctx, c); err != nil {
			return err
		}
		_, err := s.write.ExecContext(ctx, `UPDATE state SET sent = x'', latest = x''; DELETE FROM settled; DELETE FROM settled_to; DELETE FROM lags; UPDATE parked SET position = 0, seq = 0`)
		return err
	})
}

func (s *Store) saveAccepted(ctx context.Context, all []checkpoint.Accepted) error {
	for _, a := range all {
		s.grown += pageSize
		_, err := s.write.ExecContext(ctx, `INSERT INTO accepted (at, span, code, reason) VALUES (?, ?, ?, ?)`,
			formatTime(a.At), a.Span, a.Code, a.Reason)
		if err != nil {
			return err
		}
	}
	return nil
}

func loadAccepted(ctx context.Context, db querier) ([]checkpoint.Accepted, error) {
	rows, err := db.QueryContext(ctx, `SELECT at, span, code, reason FROM accepted ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint.Accepted
	for rows.Next() {
		var a checkpoint.Accepted
		var at string
		if err := rows.Scan(&at, &a.Span, &a.Code, &a.Reason); err != nil {
			return nil, err
		}
		if a.At, err = parseTime(at); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

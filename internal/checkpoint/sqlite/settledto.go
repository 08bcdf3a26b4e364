package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// settledToTable has, in one row at most, what stands for very many settled
// changes: those of a transaction that is larger than what may be kept one by
// one, or of many that an older change holds back.
const settledToTable = `
CREATE TABLE settled_to (      -- all is settled up to here, but for some keys
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  position INTEGER NOT NULL,
  excepted INTEGER NOT NULL,   -- number of those keys
  data     BLOB    NOT NULL,
  lsn      TEXT AS (printf('%X/%X', position >> 32, position & 4294967295))
);
`

// appendSettledTo writes to as a record over b. Keys are packed.
func appendSettledTo(b []byte, to *checkpoint.SettledTo) []byte {
	b = appendPosition(startRecord(b), to.Through)
	b = binary.AppendUvarint(b, uint64(len(to.Rules)))
	for _, rules := range to.Rules {
		b = binary.BigEndian.AppendUint64(b, rules)
	}
	var before checkpoint.Unsettled
	for i := range to.Except {
		e := &to.Except[i]
		b = appendShared(b, before.Key, e.Key)
		b = binary.AppendVarint(b, int64(e.From.Commit-before.From.Commit))
		b = binary.AppendUvarint(b, e.From.Seq)
		before = *e
	}
	return sealRecord(b)
}

func readSettledTo(b []byte) (*checkpoint.SettledTo, error) {
	f := openRecord(b)
	to := checkpoint.SettledTo{Through: f.position()}
	for n := f.number(); n > 0 && f.err == nil; n-- {
		to.Rules = append(to.Rules, f.fixed())
	}
	var e checkpoint.Unsettled
	for f.more() {
		e.Key = f.shared(e.Key)
		e.From.Commit += checkpoint.LSN(f.signed())
		e.From.Seq = f.number()
		to.Except = append(to.Except, e)
	}
	if f.err != nil {
		return nil, f.err
	}
	return &to, nil
}

// fixed reads a number of eight bytes.
func (f *fields) fixed() uint64 {
	if f.err != nil || len(f.b) < 8 {
		f.err = errDamaged
		return 0
	}
	n := binary.BigEndian.Uint64(f.b)
	f.b = f.b[8:]
	return n
}

// loadSettledTo returns nil where there is none, or the position has passed it.
func loadSettledTo(ctx context.Context, db querier, floor checkpoint.LSN) (*checkpoint.SettledTo, error) {
	var data []byte
	var stopped string
	err := db.QueryRowContext(ctx, `SELECT data, stopped FROM settled_to`).Scan(&data, &stopped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	to, err := readSettledTo(data)
	if err != nil || to.Through.Commit < floor {
		return nil, err
	}
	to.Stopped, err = readStopped(stopped)
	return to, err
}

// saveSettledTo puts to in the place of all that was saved as settled before.
func (s *Store) saveSettledTo(ctx context.Context, to *checkpoint.SettledTo, next *known) error {
	stopped, err := stoppedText(to.Stopped)
	if err != nil {
		return err
	}
	s.buf = appendSettledTo(s.buf, to)
	s.grown += 4*pageSize + len(s.buf)
	if _, err := s.stmts.unsettle.ExecContext(ctx); err != nil {
		return err
	}
	next.oldest, next.settledTo = noneSettled, int64(to.Through.Commit)
	_, err = s.stmts.settleTo.ExecContext(ctx, int64(to.Through.Commit), len(to.Except), s.buf, stopped)
	return err
}

// behindOf returns the entries that to does not stand for.
func behindOf(entries []checkpoint.Settled, to *checkpoint.SettledTo) []checkpoint.Settled {
	return slices.DeleteFunc(slices.Clone(entries), func(e checkpoint.Settled) bool { return e.Through.Compare(to.Through) <= 0 })
}

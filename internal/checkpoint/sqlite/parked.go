package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

const parkedColumns = `key, mapping, object, fields, payload, operation, position, seq,
	committed, code, message, waits, next, attempts, first, last, xid`

const briefColumns = `key, mapping, code, waits, first, last`

const parkSQL = `REPLACE INTO parked (` + parkedColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Parked lists parked entries, those that were parked first at first. It may
// be called while saves run, and sees the last one that had ended.
func (s *Store) Parked(ctx context.Context, filter checkpoint.Filter) ([]checkpoint.Parked, error) {
	parked, err := listParked(ctx, s.read, filter)
	if err != nil {
		return nil, fmt.Errorf("list parked objects: %w", explain(err))
	}
	return parked, nil
}

// EachParked calls visit with the entries that Parked would list, one after
// the other, all of one moment. It holds no more than one of them.
func (s *Store) EachParked(ctx context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
	if err := eachParked(ctx, s.read, filter, visit); err != nil {
		return fmt.Errorf("list parked objects: %w", explain(err))
	}
	return nil
}

// CountParked returns the number of parked entries of each mapping that has
// any.
func (s *Store) CountParked(ctx context.Context) (map[string]int, error) {
	counts, err := countParked(ctx, s.read)
	if err != nil {
		return nil, fmt.Errorf("count parked objects: %w", explain(err))
	}
	return counts, nil
}

func countParked(ctx context.Context, db *sql.DB) (map[string]int, error) {
	rows, err := db.QueryContext(ctx, `SELECT mapping, count(*) FROM parked GROUP BY mapping`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var mapping string
		var n int
		if err := rows.Scan(&mapping, &n); err != nil {
			return nil, err
		}
		counts[mapping] = n
	}
	return counts, rows.Err()
}

func (s *Store) saveParked(ctx context.Context, sv *checkpoint.Save) error {
	eachKey := func(keys []string, statements ...*sql.Stmt) error {
		for _, key := range keys {
			for _, stmt := range statements {
				if _, err := stmt.ExecContext(ctx, []byte(key)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := eachKey(sv.Resolved, s.stmts.resolve, s.stmts.regain); err != nil {
		return fmt.Errorf("resolve parked object: %w", err)
	}
	if err := eachKey(sv.Lacking, s.stmts.resolve, s.stmts.lack); err != nil {
		return fmt.Errorf("note lacking object: %w", err)
	}
	for i := range sv.Parked {
		p := &sv.Parked[i]
		if err := eachKey([]string{p.Key}, s.stmts.regain); err != nil {
			return fmt.Errorf("park object: %w", err)
		}
		s.grown += len(p.Payload) + pageSize
		_, err := s.stmts.park.ExecContext(ctx, []byte(p.Key), p.Mapping, p.Object,
			p.Fields, p.Payload, p.Operation, int64(p.At.Commit), int64(p.At.Seq),
			formatTime(p.Committed), p.Code, p.Message, p.Waits, formatTime(p.Next), p.Attempts,
			formatTime(p.First), formatTime(p.Last), p.XID)
		if err != nil {
			return fmt.Errorf("park object: %w", err)
		}
	}
	return nil
}

// querier is a database, or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func listParked(ctx context.Context, db querier, filter checkpoint.Filter) ([]checkpoint.Parked, error) {
	var parked []checkpoint.Parked
	err := eachParked(ctx, db, filter, func(p checkpoint.Parked) { parked = append(parked, p) })
	return parked, err
}

func eachParked(ctx context.Context, db querier, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
	limit := filter.Limit
	if limit <= 0 {
		limit = -1
	}
	columns, order, scan := parkedColumns, "ORDER BY first, key", scanParked
	if filter.Brief {
		columns, order, scan = briefColumns, "", scanBrief
	}
	where := "WHERE (?1 = '' OR mapping = ?1)"
	if filter.Key != "" {
		where += " AND key = ?2" // a condition by itself: the index is used
	}
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM parked `+where+` `+order+` LIMIT ?3 OFFSET ?4`,
		filter.Mapping, []byte(filter.Key), limit, filter.Offset)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		p, err := scan(rows)
		if err != nil {
			return err
		}
		visit(p)
	}
	return rows.Err()
}

func scanParked(rows *sql.Rows) (checkpoint.Parked, error) {
	var p checkpoint.Parked
	var key []byte
	var commit, seq int64
	var committed, next, first, last string
	err := rows.Scan(&key, &p.Mapping, &p.Object, &p.Fields, &p.Payload, &p.Operation, &commit, &seq,
		&committed, &p.Code, &p.Message, &p.Waits, &next, &p.Attempts, &first, &last, &p.XID)
	if err != nil {
		return checkpoint.Parked{}, err
	}
	p.Key, p.At.Commit, p.At.Seq = string(key), checkpoint.LSN(commit), uint64(seq)
	return p, parseTimes(moment{&p.Committed, committed}, moment{&p.Next, next}, moment{&p.First, first}, moment{&p.Last, last})
}

func scanBrief(rows *sql.Rows) (checkpoint.Parked, error) {
	var p checkpoint.Parked
	var key []byte
	var first, last string
	if err := rows.Scan(&key, &p.Mapping, &p.Code, &p.Waits, &first, &last); err != nil {
		return checkpoint.Parked{}, err
	}
	p.Key = string(key)
	return p, parseTimes(moment{&p.First, first}, moment{&p.Last, last})
}

// moment is a time as it is stored, and where it goes.
type moment struct {
	to   *time.Time
	text string
}

func parseTimes(moments ...moment) (err error) {
	for _, m := range moments {
		if *m.to, err = parseTime(m.text); err != nil {
			return err
		}
	}
	return nil
}

// timeLayout has a fixed width, so that text sorts as time does.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// formatTime writes the zero time as "".
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	b := t.UTC().AppendFormat(make([]byte, 0, len(timeLayout)), time.RFC3339) // which package time is fast at
	b = append(b[:len(b)-1], '.')
	for unit, rest := 100_000_000, t.Nanosecond(); unit > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return string(append(b, 'Z'))
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, s) // the same, which package time is fast at
}

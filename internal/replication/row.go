package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrSharedKey says that several rows have a key.
var ErrSharedKey = errors.New("more than one row has this key; choose key columns that are unique")

// RowReader is a session that reads single rows of tables. It is not for
// several goroutines at once. Close ends it.
type RowReader struct{ conn *pgconn.PgConn }

// RowReader opens a session to read rows over.
func (s *Source) RowReader(ctx context.Context) (*RowReader, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return &RowReader{conn}, nil
}

// Close ends the session.
func (r *RowReader) Close(ctx context.Context) { closeQuietly(ctx, r.conn) }

// Snapshot is a table as of one moment, to read rows of. It must have ended
// before its RowReader begins another.
type Snapshot struct {
	Table Table
	// Relation is Table's.
	Relation *Relation

	conn *pgconn.PgConn
	keys int
	// transactions says which of them can be seen.
	transactions string
	// broken is set when the server has ended it.
	broken bool
}

// Snapshot looks at a table and prepares to read rows by the values of the key
// columns. Row filters and column lists of a publication are not looked at.
// Reading fails where row security would hide rows.
func (r *RowReader) Snapshot(ctx context.Context, name TableName, key []string) (*Snapshot, error) {
	s := &Snapshot{conn: r.conn, keys: len(key)}
	if err := s.begin(ctx, name, key); err != nil {
		return nil, errors.Join(fmt.Errorf("read rows of %s.%s: %w", name.Schema, name.Name, err), s.End(ctx))
	}
	return s, nil
}

func (s *Snapshot) begin(ctx context.Context, name TableName, key []string) error {
	if len(key) == 0 {
		return errors.New("no key columns")
	}
	if err := s.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").Close(); err != nil {
		return err
	}
	result := s.conn.ExecParams(ctx, "SELECT pg_current_snapshot()::text", nil, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	s.transactions = string(result.Rows[0][0])
	tables, err := describe(ctx, s.conn, []TableName{name})
	if err != nil {
		return err
	}
	s.Table = tables[0]
	s.Relation = s.Table.Relation()
	if len(s.Relation.Columns) == 0 {
		return problem(TableMissing, "the table does not exist or has no columns")
	}
	_, err = s.conn.Prepare(ctx, "", rowQuery(s.Relation, key), nil)
	return err
}

// Row reads the row whose key columns have these values, given as text, and
// returns nil when there is none: otherwise a Null or Text for every column of
// Relation, in the text form of the stream. It owns its memory. A key that is no
// value of its columns' types, which have changed then, is that of no row.
//
// A snapshot taken before the transaction xid could be seen does not tell:
// ErrNotVisible. A zero xid asks for any snapshot. More than one row:
// ErrSharedKey. Where the server has refused something, Broken is set.
func (s *Snapshot) Row(ctx context.Context, xid uint32, key []string) ([]Value, error) {
	row, err := s.row(ctx, xid, key)
	if err != nil {
		return nil, fmt.Errorf("read row of %s.%s: %w", s.Table.Schema, s.Table.Name, err)
	}
	return row, nil
}

func (s *Snapshot) row(ctx context.Context, xid uint32, key []string) ([]Value, error) {
	if s.broken {
		return nil, errors.New("an earlier row has ended the snapshot")
	}
	if len(key) != s.keys {
		return nil, fmt.Errorf("%d key columns and %d values", s.keys, len(key))
	}
	if xid != 0 {
		visible, err := visibleIn(s.transactions, xid)
		if err != nil {
			return nil, err
		}
		if !visible {
			return nil, ErrNotVisible
		}
	}
	result := s.conn.ExecPrepared(ctx, "", texts(key), nil, nil).Read()
	if result.Err != nil {
		s.broken = true
		if isDataError(result.Err) {
			return nil, nil
		}
		return nil, result.Err
	}
	switch len(result.Rows) {
	case 0:
		return nil, nil
	case 1:
		return rowValues(result.Rows[0]), nil
	}
	return nil, ErrSharedKey
}

// Broken reports whether the server has ended the snapshot: what was not read
// yet takes another.
func (s *Snapshot) Broken() bool { return s.broken }

// End ends the snapshot.
func (s *Snapshot) End(ctx context.Context) error {
	if s.conn.IsClosed() {
		return nil
	}
	return s.conn.Exec(ctx, "ROLLBACK").Close()
}

// rowQuery compares the key in the columns' own types, and asks for a second
// row to notice a key that is not unique.
func rowQuery(relation *Relation, key []string) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, column := range relation.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(pgx.Identifier{column.Name}.Sanitize())
	}
	b.WriteString(" FROM " + pgx.Identifier{relation.Schema, relation.Name}.Sanitize() + " WHERE ")
	for i, column := range key {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(pgx.Identifier{column}.Sanitize() + " = $" + strconv.Itoa(i+1))
	}
	b.WriteString(" LIMIT 2")
	return b.String()
}

func texts(values []string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = []byte(v)
	}
	return out
}

func rowValues(row [][]byte) []Value {
	values := make([]Value, len(row))
	for i, text := range row {
		if text != nil {
			values[i] = Value{Kind: Text, Text: text}
		}
	}
	return values
}

// isDataError reports whether the server could not read a value (SQLSTATE class
// 22). Its words may repeat the value.
func isDataError(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && strings.HasPrefix(server.Code, "22")
}

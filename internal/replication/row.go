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

// Row is one row read from its table, in the shape of the stream.
type Row struct {
	// Relation has the table's columns in their order, generated ones
	// included. Its ID is the table's OID; key columns are not marked.
	Relation *Relation
	// Values has a Null or Text for every column. It owns its memory.
	Values []Value
}

// Row reads the row whose key columns have these values, given as text, and
// returns nil when there is none. The values come in the same text form as the
// stream's. More than one such row is an error, as is a missing table or
// column. Row filters and column lists of a publication are not looked at.
// Reading fails where row security would hide rows.
func (s *Source) Row(ctx context.Context, table TableName, key []string, values []string) (*Row, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("read row: %w", err)
	}
	defer closeQuietly(ctx, conn)
	return ReadRow(ctx, conn, table, key, values)
}

// ReadRow is Source.Row on a session of Source.Connect, for reading many.
func ReadRow(ctx context.Context, conn *pgconn.PgConn, table TableName, key []string, values []string) (*Row, error) {
	if len(key) == 0 || len(key) != len(values) {
		return nil, fmt.Errorf("read row of %s.%s: %d key columns and %d values", table.Schema, table.Name, len(key), len(values))
	}
	relation, err := DescribeRelation(ctx, conn, table)
	if err != nil {
		return nil, err
	}
	result := conn.ExecParams(ctx, rowQuery(relation, key), texts(values), nil, nil, nil).Read()
	if result.Err != nil {
		return nil, fmt.Errorf("read row of %s.%s: %w", table.Schema, table.Name, withoutValues(result.Err))
	}
	switch len(result.Rows) {
	case 0:
		return nil, nil
	case 1:
		return &Row{Relation: relation, Values: rowValues(result.Rows[0])}, nil
	}
	return nil, fmt.Errorf("read row of %s.%s: more than one row has this key; choose key columns that are unique", table.Schema, table.Name)
}

// DescribeRelation returns a table as a Relation on a session of
// Source.Connect, generated columns included; key columns are not marked.
func DescribeRelation(ctx context.Context, conn *pgconn.PgConn, table TableName) (*Relation, error) {
	var found struct {
		ID       uint32
		Identity string
		Columns  []Column
	}
	err := queryJSON(ctx, conn, &found, `SELECT COALESCE((SELECT jsonb_build_object('id', c.oid::bigint, 'identity', c.relreplident,
			'columns', (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', a.atttypid::bigint, 'modifier', a.atttypmod)
				ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2), '{}')`,
		table.Schema, table.Name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("describe table %s.%s: %w", table.Schema, table.Name, err)
	case found.ID == 0 || len(found.Identity) != 1 || len(found.Columns) == 0:
		return nil, problem(TableMissing, "table %s.%s does not exist or has no columns", table.Schema, table.Name)
	}
	return &Relation{
		ID: found.ID, Schema: table.Schema, Name: table.Name,
		Identity: Identity(found.Identity[0]), Columns: found.Columns,
	}, nil
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

// withoutValues drops the server's words where they may repeat a value, which
// those about data (SQLSTATE class 22) do.
func withoutValues(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && strings.HasPrefix(server.Code, "22") {
		return fmt.Errorf("a key value is not one of its column's type (SQLSTATE %s)", server.Code)
	}
	return err
}

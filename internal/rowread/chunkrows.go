package rowread

import (
	"context"
	"strconv"
	"strings"
)

// Rows reads the rows that have one of these keys in the columns, which may be
// others than those of Key. Each comes once, however often the keys name it. A key
// that is no value of its columns' types is that of no row. Of a row that cannot be
// read, unreadable is told the number of its key.
func (c *Chunk) Rows(ctx context.Context, columns []string, keys [][]string, found func(Row) bool, unreadable func(key int, err *RowError)) error {
	own, err := c.session.keyColumns(ctx, &c.Table, columns)
	if err != nil {
		return c.wrong(err)
	}
	r := keyedRows{chunk: c, columns: own, keys: keys, seen: map[string]bool{}, found: found, unreadable: unreadable}
	r.prepare()
	these := make([]int, len(keys))
	for i := range these {
		these[i] = i
	}
	return c.wrong(r.read(ctx, these))
}

// keyedRows are rows that are read by keys which somebody has given.
type keyedRows struct {
	chunk   *Chunk
	columns []keyColumn
	keys    [][]string
	sql     string
	// seen are the rows that found has been told, enough says that it wants no more.
	seen       map[string]bool
	enough     bool
	found      func(Row) bool
	unreadable func(int, *RowError)
}

func (r *keyedRows) prepare() {
	var arrays, names, conditions []string
	for i := range r.columns {
		arrays = append(arrays, "pg_catalog.unnest($"+strconv.Itoa(i+1)+"::pg_catalog.text[])")
		names = append(names, "k"+strconv.Itoa(i+1))
		conditions = append(conditions, r.columns[i].exactly(i))
	}
	from := "ROWS FROM (" + strings.Join(arrays, ", ") + ") AS k(" + strings.Join(names, ", ") + ") JOIN "
	r.sql = r.chunk.selectRows(from, "") + " ON " + strings.Join(conditions, " AND ")
}

// read reads the rows of the keys numbered in these. What is wrong with one of them
// keeps the others from being read with it: then each half is read by itself.
func (r *keyedRows) read(ctx context.Context, these []int) error {
	if len(these) == 0 || r.enough {
		return nil
	}
	conn := r.chunk.session.conn
	if err := conn.Exec(ctx, "CLOSE ALL; SAVEPOINT row").Close(); err != nil {
		return err
	}
	err := r.fetch(ctx, these)
	if err == nil || !ofRow(err) {
		return err
	}
	if err := conn.Exec(ctx, "ROLLBACK TO SAVEPOINT row").Close(); err != nil {
		return err
	}
	if len(these) == 1 {
		return r.diagnose(ctx, these[0], err)
	}
	half := len(these) / 2
	if err := r.read(ctx, these[:half]); err != nil {
		return err
	}
	return r.read(ctx, these[half:])
}

func (r *keyedRows) fetch(ctx context.Context, these []int) error {
	declare := statement{sql: "DECLARE chunk NO SCROLL CURSOR FOR " + r.sql, parameters: make([][]byte, len(r.columns)), formats: make([]int16, len(r.columns))}
	for i := range r.columns {
		texts := make([]string, len(these))
		for j, key := range these {
			texts[j] = r.keys[key][i]
		}
		declare.parameters[i], declare.formats[i] = arrayOf(texts), 1
	}
	next := func(_ []string, rows int) statement {
		return statement{sql: "FETCH " + strconv.Itoa(rows) + " FROM chunk"}
	}
	_, _, err := r.chunk.fetch(ctx, query{begin: declare, part: next}, func(row Row) bool {
		if !r.seen[row.Key] {
			r.seen[row.Key] = true
			r.enough = !r.found(row)
		}
		return !r.enough
	})
	return err
}

// diagnose deals with a key whose row cannot be read: is it the row, or the key?
func (r *keyedRows) diagnose(ctx context.Context, key int, cause error) error {
	conn := r.chunk.session.conn
	casts, values := make([]string, len(r.columns)), make([][]byte, len(r.columns))
	for i := range r.columns {
		casts[i], values[i] = r.columns[i].cast(i), []byte(r.keys[key][i])
	}
	err := conn.ExecParams(ctx, "SELECT "+strings.Join(casts, ", "), values, nil, nil, nil).Read().Err
	switch {
	case err == nil:
		r.unreadable(key, &RowError{sqlState(cause)})
		return nil
	case !ofRow(err):
		return err
	case !ofValue(err):
		r.unreadable(key, &RowError{sqlState(err)})
	}
	return conn.Exec(ctx, "ROLLBACK TO SAVEPOINT row").Close()
}

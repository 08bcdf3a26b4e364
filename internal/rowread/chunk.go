package rowread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// chunkTime is how long rows of a chunk are read, and fetchTime how long one
	// fetch of them may take: together they bound the age of the snapshot.
	chunkTime = 700 * time.Millisecond
	fetchTime = time.Second
	// fetchRows is how many rows are fetched at once.
	fetchRows = 500
)

// ErrSlow says that the server did not find rows of a chunk within a second, as
// where many that were deleted are in the way. Trying again goes on behind them.
var ErrSlow = &replication.Error{Reason: replication.ServerError, Err: errors.New("the rows were not found within a second")}

// Chunk is a part of a table as of one moment. Its table is locked as weakly as
// that of a Snapshot, until End.
type Chunk struct {
	Table catalog.Table
	// Key names the columns that rows are told apart by, and in the order of
	// which they are read.
	Key []string
	// Relation describes the rows: the columns asked for and those of Key, in the
	// table's order, generated ones among them.
	Relation *pgoutput.Relation
	// Snapshot says which transactions the rows have.
	Snapshot backfill.Snapshot
	// Patience is how long one fetch of rows may take; BeginChunk sets a second.
	Patience time.Duration
	// KeysOnly leaves out everything that may fail for a row: the publication's
	// row filter is taken to have all rows.
	KeysOnly bool

	session *Session
	key     chunkKey
	filter  string
	places  []int
}

// BeginChunk looks at a table and prepares to read rows in the order of a key.
// The rows have these columns beside those of the key. The lock comes before the
// snapshot, for the reason given at Snapshot. Row security that would hide rows
// is an error, and so is a table without a key to read it by, with what would do.
func (r *Session) BeginChunk(ctx context.Context, name catalog.TableName, columns []string) (*Chunk, error) {
	c := &Chunk{session: r, Patience: fetchTime}
	if err := c.begin(ctx, name, columns); err != nil {
		return nil, errors.Join(fmt.Errorf("read rows of %s: %w", name, withRemedy(err)), c.End(ctx))
	}
	return c, nil
}

func (c *Chunk) begin(ctx context.Context, name catalog.TableName, columns []string) error {
	r := c.session
	kind, err := r.kindOf(ctx, name)
	if err != nil {
		return err
	}
	if err := r.replayed(ctx, &c.Snapshot); err != nil {
		return err
	}
	results, err := r.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "+
		"LOCK TABLE "+rowsOf(name, kind)+" IN ACCESS SHARE MODE; "+
		"SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text; "+flushedSQL).ReadAll()
	if err != nil {
		return err
	}
	if c.Snapshot.Transactions, err = pgoutput.ParseTransactions(string(results[2].Rows[0][0])); err != nil {
		return err
	}
	if err := onDisk(&c.Snapshot.Transactions, results[3].Rows); err != nil {
		return err
	}
	tables, err := r.Describe(ctx, []catalog.TableName{name})
	if err != nil {
		return err
	}
	c.Table = tables[0]
	switch {
	case c.Table.Kind != kind:
		return problem(replication.Unavailable, "the table has just been replaced by another")
	case c.Table.RowSecurityActive:
		return problem(replication.Privileges, "row security hides rows of the table from this role, and it would seem that they are not there; "+
			"as a superuser, run: ALTER ROLE … BYPASSRLS, or read as the owner of the table")
	}
	if c.key, err = r.chunkKey(ctx, &c.Table); err != nil {
		return err
	}
	c.Key = c.key.names()
	c.Relation = c.Table.Relation()
	c.Relation.Columns = slices.DeleteFunc(c.Relation.Columns, func(col pgoutput.Column) bool {
		return !slices.Contains(columns, col.Name) && !slices.Contains(c.Key, col.Name)
	})
	for _, name := range c.Key {
		c.places = append(c.places, slices.IndexFunc(c.Relation.Columns, func(col pgoutput.Column) bool { return col.Name == name }))
	}
	return r.JSON(ctx, &c.filter, filterJSON, r.Source.Publication, name.Schema, name.Name)
}

// replayed asks a standby how far it is, before its snapshot is taken.
func (r *Session) replayed(ctx context.Context, s *backfill.Snapshot) error {
	var lsn *string
	if err := r.JSON(ctx, &lsn, "SELECT COALESCE(to_jsonb(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END), 'null')"); err != nil {
		return fmt.Errorf("ask for the place of the standby: %w", err)
	}
	if lsn == nil {
		return nil
	}
	var err error
	s.Standby = true
	s.Replayed, err = pgoutput.ParseLSN(*lsn)
	return err
}

// Row is one row of a chunk.
type Row struct {
	// Key is that of the row, as backfill.Follower knows it.
	Key string
	// Values are those of Relation, Null or Text. They are valid until the next
	// row.
	Values []pgoutput.Value
}

// Next reads rows in the order of the key, behind the key after, or from the
// first one when it is nil, up to most of them. It ends sooner when found
// returns false, or time is up. last is the key of the last row that was looked
// at, with those that the publication's row filter leaves out; done says that
// there are no more.
func (c *Chunk) Next(ctx context.Context, after []string, most int, found func(Row) bool) (last []string, done bool, err error) {
	where := ""
	if after != nil {
		if len(after) != len(c.Key) {
			return nil, false, c.wrong(problem(replication.Unreadable, "the key of the table has other columns now (%s); cancel the backfill and start it again", strings.Join(c.Key, ", ")))
		}
		where = " WHERE " + c.key.after()
	}
	parameters := make([][]byte, len(after))
	for i, text := range after {
		parameters[i] = []byte(text)
	}
	seen, last, ended, err := c.fetch(ctx, byIndex, c.selectRows("")+where+" ORDER BY "+c.key.order()+" LIMIT "+strconv.Itoa(most), parameters, nil, found)
	if last == nil {
		last = after
	}
	return last, err == nil && ended && seen < most, c.wrong(err)
}

// Rows reads the rows that have one of these keys in the columns, which may be
// others than those of Key.
func (c *Chunk) Rows(ctx context.Context, columns []string, keys [][]string, found func(Row) bool) error {
	own, err := c.session.keyColumns(ctx, &c.Table, columns)
	if err != nil {
		return c.wrong(err)
	}
	var arrays, names, conditions []string
	parameters, formats := make([][]byte, len(columns)), make([]int16, len(columns))
	for i := range own {
		arrays = append(arrays, "pg_catalog.unnest($"+strconv.Itoa(i+1)+"::pg_catalog.text[])")
		names = append(names, "k"+strconv.Itoa(i+1))
		conditions = append(conditions, own[i].exactly(i))
		texts := make([]string, len(keys))
		for j, key := range keys {
			texts[j] = key[i]
		}
		parameters[i], formats[i] = arrayOf(texts), 1
	}
	from := "ROWS FROM (" + strings.Join(arrays, ", ") + ") AS k(" + strings.Join(names, ", ") + ") JOIN "
	_, _, _, err = c.fetch(ctx, "", c.selectRows(from)+" ON "+strings.Join(conditions, " AND "), parameters, formats, found)
	return c.wrong(err)
}

// selectRows begins a query: whether the publication's row filter has the row
// first. It is a column and no condition: one that matched nothing would have
// the whole table looked at under one snapshot.
func (c *Chunk) selectRows(from string) string {
	columns := []string{"true"}
	if c.filter != "" && !c.KeysOnly {
		columns[0] = "(" + c.filter + ") IS TRUE"
	}
	for _, col := range c.Relation.Columns {
		columns = append(columns, "t."+pgx.Identifier{col.Name}.Sanitize())
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + from +
		rowsOf(catalog.TableName{Schema: c.Table.Schema, Name: c.Table.Name}, c.Table.Kind) + " AS t"
}

// byIndex has the server go by the index: a plan that sorts the table would take
// minutes where the rows that are wanted are a few.
const byIndex = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; " +
	"SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; "

// fetch reads what a query finds, a part at a time. ended says that it has all.
func (c *Chunk) fetch(ctx context.Context, settings, sql string, parameters [][]byte, formats []int16, found func(Row) bool) (seen int, last []string, ended bool, err error) {
	conn := c.session.conn
	limit := "SET LOCAL statement_timeout = " + strconv.FormatInt(c.Patience.Milliseconds(), 10)
	if err := conn.Exec(ctx, settings+limit).Close(); err != nil {
		return 0, nil, false, err
	}
	began := time.Now()
	if err := conn.ExecParams(ctx, "DECLARE chunk NO SCROLL CURSOR FOR "+sql, parameters, nil, formats, nil).Read().Err; err != nil {
		return 0, nil, false, err
	}
	values := make([]pgoutput.Value, len(c.Relation.Columns))
	for more := true; more && time.Since(began) < chunkTime; {
		rows := conn.ExecParams(ctx, "FETCH "+strconv.Itoa(fetchRows)+" FROM chunk", nil, nil, nil, nil)
		n := 0
		for ; rows.NextRow(); n++ {
			row := rows.Values()
			if !more {
				continue
			}
			read(values, row[1:])
			last = c.keyOf(values)
			seen++
			if row[0][0] == 't' {
				more = found(Row{Key: backfill.Key(last...), Values: values})
			}
		}
		if _, err := rows.Close(); err != nil {
			return seen, last, false, err
		}
		if n < fetchRows {
			return seen, last, more, nil
		}
	}
	return seen, last, false, nil
}

// read takes a row's values, which stay the server's.
func read(values []pgoutput.Value, row [][]byte) {
	for i, text := range row {
		values[i] = pgoutput.Value{}
		if text != nil {
			values[i] = pgoutput.Value{Kind: pgoutput.Text, Text: text}
		}
	}
}

func (c *Chunk) keyOf(values []pgoutput.Value) []string {
	key := make([]string, len(c.places))
	for i, at := range c.places {
		key[i] = string(values[at].Text)
	}
	return key
}

// wrong says where an error of reading comes from.
func (c *Chunk) wrong(err error) error {
	if err == nil {
		return nil
	}
	if sqlState(err) == "57014" { // a statement timeout
		err = errors.Join(ErrSlow, err)
	}
	return fmt.Errorf("read rows of %s.%s: %w", c.Table.Schema, c.Table.Name, withRemedy(err))
}

// End ends the snapshot and lets go of the lock.
func (c *Chunk) End(ctx context.Context) error {
	if c.session.conn.IsClosed() {
		return nil
	}
	return c.session.conn.Exec(ctx, "ROLLBACK").Close()
}

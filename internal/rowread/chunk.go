package rowread

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
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
	// Room is how many rows are wanted: beyond them none are fetched in vain, but for
	// those in the place of others that found has no use for. Zero means any number.
	Room int
	// Until is the key of the last row that is wanted; nil for no end.
	Until []string
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
		r.forget()
		return nil, errors.Join(fmt.Errorf("read rows of %s: %w", name, withRemedy(err)), c.End(ctx))
	}
	return c, nil
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
// there are no more up to Until.
func (c *Chunk) Next(ctx context.Context, after []string, most int, found func(Row) bool) (last []string, done bool, err error) {
	for _, key := range [][]string{after, c.Until} {
		if key != nil && len(key) != len(c.Key) {
			return nil, false, c.wrong(problem(replication.Unreadable, "the key of the table has other columns now (%s); cancel the backfill and start it again", strings.Join(c.Key, ", ")))
		}
	}
	part := func(last []string, rows int) statement {
		if last == nil {
			last = after
		}
		return c.behind(last, rows)
	}
	last, ended, err := c.fetch(ctx, query{byIndex: true, part: part, most: most, time: chunkTime}, found)
	if last == nil {
		last = after
	}
	return last, err == nil && ended, c.wrong(err)
}

// behind is the query for so many rows behind the one of a key. The server begins
// with it anew for each part: a cursor would have it gather all rows of a part before
// it sends the first.
func (c *Chunk) behind(key []string, rows int) statement {
	var where, beyond string
	var s statement
	if key != nil {
		where, s.parameters = " WHERE "+c.key.after(0), texts(key)
	}
	if c.Until != nil {
		beyond = c.key.after(len(s.parameters))
		s.parameters = append(s.parameters, texts(c.Until)...)
	}
	s.sql = c.selectRows("", beyond) + where + " ORDER BY " + c.key.order(false) + " LIMIT " + strconv.Itoa(rows)
	return s
}

// texts are values as parameters.
func texts(values []string) [][]byte {
	parameters := make([][]byte, len(values))
	for i, value := range values {
		parameters[i] = []byte(value)
	}
	return parameters
}

// Last returns the key of the last row; nil where there is none.
func (c *Chunk) Last(ctx context.Context) (last []string, err error) {
	var columns []string
	for _, name := range c.Key {
		columns = append(columns, "t."+pgx.Identifier{name}.Sanitize())
	}
	results, err := c.session.conn.Exec(ctx, settingsSQL(c.Patience, true)+"; SELECT "+strings.Join(columns, ", ")+" FROM "+c.rows()+" ORDER BY "+c.key.order(true)+" LIMIT 1").ReadAll()
	if err != nil {
		return nil, c.wrong(err)
	}
	for _, row := range results[1].Rows {
		for _, text := range row {
			last = append(last, string(text))
		}
	}
	return last, nil
}

// rows is the table, as t.
func (c *Chunk) rows() string {
	return rowsOf(catalog.TableName{Schema: c.Table.Schema, Name: c.Table.Name}, c.Table.Kind) + " AS t"
}

// What the first column says of a row.
const (
	wantedRow   = 'w'
	filteredRow = 'f' // the publication's row filter does not have it
	beyondRow   = 'b' // it comes behind Until
)

// selectRows begins a query: what a row is to us first. Its conditions are a column
// and not of the query: one that matched nothing would have the whole table looked at
// under one snapshot.
func (c *Chunk) selectRows(from, beyond string) string {
	what := "'w'"
	if c.filter != "" && !c.KeysOnly {
		what = "CASE WHEN " + c.filter + " THEN 'w' ELSE 'f' END"
	}
	if beyond != "" {
		what = "CASE WHEN " + beyond + " THEN 'b' ELSE " + what + " END"
	}
	columns := []string{what}
	for _, col := range c.Relation.Columns {
		columns = append(columns, "t."+pgx.Identifier{col.Name}.Sanitize())
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + from + c.rows()
}

// wrong says where an error of reading comes from.
func (c *Chunk) wrong(err error) error {
	if err == nil {
		return nil
	}
	c.session.forget()            // what was known of the table may be what is wrong
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

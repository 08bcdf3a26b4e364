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
		r.looked = looked{}
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
	seen, last, ended, err := c.fetch(ctx, true, c.selectRows("")+where+" ORDER BY "+c.key.order()+" LIMIT "+strconv.Itoa(most), parameters, nil, found)
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
	_, _, _, err = c.fetch(ctx, false, c.selectRows(from)+" ON "+strings.Join(conditions, " AND "), parameters, formats, found)
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

// wrong says where an error of reading comes from.
func (c *Chunk) wrong(err error) error {
	if err == nil {
		return nil
	}
	c.session.looked = looked{}   // what was known of the table may be what is wrong
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

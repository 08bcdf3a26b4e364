package rowread

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

const (
	// chunkTime is how long rows of a chunk are read, and fetchTime how long one
	// fetch of them may take: together they bound the age of the snapshot.
	chunkTime = 700 * time.Millisecond
	fetchTime = time.Second
	// fetchRows is how many rows are fetched at once, at first: what comes within
	// fetchSoon is followed by twice as many, in the next chunk of the table, too.
	fetchRows = 500
	mostRows  = 16 * fetchRows
	fetchSoon = 50 * time.Millisecond
)

// fetch is how rows of a chunk are read: a part at a time, so that the snapshot
// does not get old where the server is slow.
type fetch struct {
	chunk *Chunk
	query query
	found func(Row) bool
	// most is how many rows the next part has.
	most int
	// seen counts the rows that were looked at, at is the key of the last one; more is
	// set until found wants no more.
	seen int
	at   string
	more bool
	// beyond is set once a row came that is behind those that are wanted.
	beyond bool
	values []pgoutput.Value
}

// query is what is fetched.
type query struct {
	byIndex bool
	// begin comes before the first part; it may be empty.
	begin statement
	// part brings the next rows, so many of them; last is the key of the last row that
	// came, nil for none.
	part func(last []string, rows int) statement
	// most is how many rows are looked at, zero for any number; time after how long
	// nothing more is fetched, zero for all there is.
	most int
	time time.Duration
}

// statement is one of SQL, with its parameters and their formats.
type statement struct {
	sql        string
	parameters [][]byte
	formats    []int16
}

// fetch reads what a query finds. ended says that it has all.
func (c *Chunk) fetch(ctx context.Context, q query, found func(Row) bool) (last []string, ended bool, err error) {
	f := &fetch{chunk: c, query: q, found: found, most: cmp.Or(c.session.looked.atATime, fetchRows), more: true}
	ended, err = f.all(ctx)
	return f.last(), ended, err
}

// last is the key of the last row that was looked at; nil for none.
func (f *fetch) last() []string {
	if f.seen == 0 {
		return nil
	}
	return strings.Split(f.at, "\x00")
}

func (f *fetch) all(ctx context.Context) (ended bool, err error) {
	began := time.Now()
	want := f.want()
	n, err := f.first(ctx, want)
	for before := began; err == nil; {
		if n < want || f.beyond {
			return f.more, nil
		}
		now := time.Now()
		f.paced(now.Sub(before))
		before = now
		if !f.more || f.seen == f.query.most || f.query.time > 0 && now.Sub(began) >= f.query.time {
			return false, nil
		}
		want = f.want()
		part := f.query.part(f.last(), want)
		n, err = f.rows(f.chunk.session.conn.ExecParams(ctx, part.sql, part.parameters, nil, part.formats, nil))
	}
	return false, err
}

// first begins to read: all that it takes goes to the server at once.
func (f *fetch) first(ctx context.Context, want int) (n int, err error) {
	var batch pgconn.Batch
	statements := []statement{{sql: settingsSQL(f.chunk.Patience, f.query.byIndex)}}
	if f.query.begin.sql != "" {
		statements = append(statements, f.query.begin)
	}
	statements = append(statements, f.query.part(nil, want))
	for _, s := range statements {
		batch.ExecParams(s.sql, s.parameters, nil, s.formats, nil)
	}
	results := f.chunk.session.conn.ExecBatch(ctx, &batch)
	for i := 1; results.NextResult() && err == nil; i++ {
		if result := results.ResultReader(); i == len(statements) {
			n, err = f.rows(result)
		} else {
			_, err = result.Close()
		}
	}
	return n, cmp.Or(err, results.Close())
}

// settingsSQL bounds how long a fetch may take. By an index, the server must not
// choose a plan that sorts the table: it would take minutes where the rows that are
// wanted are a few.
func settingsSQL(patience time.Duration, byIndex bool) string {
	settings := []string{"'statement_timeout', '" + strconv.FormatInt(patience.Milliseconds(), 10) + "'"}
	if byIndex {
		for _, name := range []string{"enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit"} {
			settings = append(settings, "'"+name+"', 'off'")
		}
		settings = append(settings, "'max_parallel_workers_per_gather', '0'")
	}
	return "SELECT pg_catalog.set_config(" + strings.Join(settings, ", true), pg_catalog.set_config(") + ", true)"
}

// want is how many rows are fetched next.
func (f *fetch) want() int {
	want := f.most
	if room := f.chunk.Room - f.seen; room > 0 {
		want = min(want, room)
	}
	if f.query.most > 0 {
		want = min(want, f.query.most-f.seen)
	}
	return want
}

// paced has the next part be as large as the time says that the last one took, and
// the next chunk begin with what this one had use for.
func (f *fetch) paced(took time.Duration) {
	if took < fetchSoon {
		f.most = min(2*f.most, mostRows)
	} else {
		f.most = max(fetchRows, f.most/2)
	}
	known := &f.chunk.session.looked
	known.atATime = f.most
	if !f.more {
		known.atATime = min(f.most, f.seen)
	}
}

// rows takes the rows of one part. More of them come meanwhile: the server does not
// wait for what is made of a row.
func (f *fetch) rows(result *pgconn.ResultReader) (n int, err error) {
	for ; result.NextRow(); n++ {
		f.values = f.values[:0]
		for _, text := range result.Values() {
			value := pgoutput.Value{}
			if text != nil {
				value = pgoutput.Value{Kind: pgoutput.Text, Text: text}
			}
			f.values = append(f.values, value)
		}
		f.row(f.values)
	}
	_, err = result.Close()
	return n, err
}

// row takes one row, whose first value says what it is to us.
func (f *fetch) row(row []pgoutput.Value) {
	what := row[0].Text[0]
	if f.beyond = f.beyond || what == beyondRow; f.beyond || !f.more {
		return
	}
	f.at = f.chunk.keyOf(row[1:])
	f.seen++
	if what == wantedRow {
		f.more = f.found(Row{Key: f.at, Values: row[1:]})
	}
}

// keyOf is backfill.Key of a row.
func (c *Chunk) keyOf(values []pgoutput.Value) string {
	if len(c.places) == 1 {
		return string(values[c.places[0]].Text)
	}
	var key []byte
	for i, at := range c.places {
		if i > 0 {
			key = append(key, 0)
		}
		key = append(key, values[at].Text...)
	}
	return string(key)
}

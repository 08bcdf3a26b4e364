package rowread

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// mostSessions is the most sessions that read rows from their tables: each
	// takes a connection of the database that others need too.
	mostSessions = 4
	// rowsAtOnce is the most rows that are read as of one moment: the server
	// keeps what is older than that for so long.
	rowsAtOnce = 100
	// keysAtOnce is the same where it is asked whether some row holds a key: few
	// do, and to find another spelling of one the server reads the whole table.
	keysAtOnce = 1000
	// readPatience bounds the reading of so many: a search for other spellings of
	// keys looks at the whole table, but a server that does not answer, and does
	// not end the connection either, must not hold the rows for ever.
	readPatience = 5 * time.Minute
	// sessionIdle is how long a session is kept for rows to come.
	sessionIdle = time.Second
)

// Reader answers Reads with what the tables have. Run must run for it to do so.
type Reader struct {
	source   *replication.Source
	mappings *mapping.Set
	queue    queue
	answers  chan delivery.RowRead
	// start asks for one more goroutine that reads.
	start chan struct{}
	log   *slog.Logger
	// patience is readPatience, but for tests.
	patience time.Duration
	// searching has the mappings of which it was told that their tables are
	// searched.
	searching sync.Map
}

// New makes a Reader of the tables of these mappings.
func New(source *replication.Source, mappings *mapping.Set, log *slog.Logger) *Reader {
	return &Reader{
		source: source, mappings: mappings, log: log,
		patience: readPatience,
		queue:    queue{more: make(chan struct{}, mostSessions)},
		answers:  make(chan delivery.RowRead, 16),
		start:    make(chan struct{}, mostSessions),
	}
}

// Ask asks for a row. It does not wait.
func (r *Reader) Ask(read delivery.Read) {
	if r.queue.put(read) {
		r.start <- struct{}{} // has room for every session
	}
}

// Answers brings what came of each Read, in any order.
func (r *Reader) Answers() <-chan delivery.RowRead { return r.answers }

// Run reads what is asked for until life ends, and leaves nothing behind.
func (r *Reader) Run(life context.Context) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		select {
		case <-r.start:
			sessions.Go(func() { r.read(life) })
		case <-life.Done():
			return nil
		}
	}
}

// read reads rows over a session of its own until none are left to be read.
func (r *Reader) read(life context.Context) {
	var session *Session
	defer func() {
		if session != nil {
			session.Close(life)
		}
	}()
	for {
		// More rows may come together while a session is opened.
		var err error
		if session == nil {
			session, err = Open(life, r.source)
		}
		var reads []delivery.Read
		if session == nil {
			reads, _ = r.queue.take(false)
		} else {
			reads = r.queue.next(life)
		}
		if reads == nil || life.Err() != nil {
			return
		}
		for len(reads) > 0 && err == nil {
			reads, err = r.readBatch(life, session, reads)
		}
		if err != nil {
			for _, e := range reads {
				r.answer(life, delivery.RowRead{Read: e.Read, Err: err, SetUp: ofSetUp(err)})
			}
			if session != nil {
				session.Close(life)
				session = nil
			}
		}
	}
}

// readBatch reads rows of one mapping as of one moment, and returns those that
// are not answered.
func (r *Reader) readBatch(life context.Context, session *Session, reads []delivery.Read) ([]delivery.Read, error) {
	ctx, cancel := context.WithTimeout(life, r.patience)
	defer cancel()
	index := reads[0].Mapping
	d := r.mappings.Definition(index)
	key, err := keyColumns(d)
	if err != nil {
		return reads, err
	}
	table := catalog.TableName{Schema: d.Schema, Name: d.Table}
	snapshot, err := session.Snapshot(ctx, table, key, r.columns(d))
	if err != nil {
		return reads, err
	}
	if err := r.mappings.Bind(snapshot.Relation, snapshot.Table.Facts()); err != nil {
		return reads, errors.Join(fmt.Errorf("read rows of %s.%s: %w", d.Schema, d.Table, err), snapshot.End(ctx))
	}
	defer r.mappings.Unbind(snapshot.Relation)
	keys := make([]Key, len(reads))
	for i, e := range reads {
		reads[i].Folded = e.Folded && r.mappings.Spellings(index, snapshot.Relation)
		keys[i] = Key{Values: keyValues(d, e.Object), XID: e.XID, Folded: reads[i].Folded}
	}
	snapshot.Several = d.Where != ""
	b := batch{reads: reads, answered: make([]bool, len(reads))}
	err = snapshot.Rows(ctx, keys, func(i int, rows [][]pgoutput.Value, err error) {
		result := delivery.RowRead{Read: reads[i].Read, Seen: &snapshot.Seen}
		found(&result, r.mappings, snapshot.Relation, &reads[i], rows, err)
		if result.Write.Sought != nil {
			b.seeking, b.numbers = append(b.seeking, result), append(b.numbers, i)
			return
		}
		b.answered[i] = true
		r.answer(life, result)
	})
	r.tellSearch(index, snapshot)
	if err = errors.Join(err, snapshot.End(ctx)); err == nil {
		err = r.complete(ctx, life, session, &b)
	}
	return b.left(), err
}

// batch is what came of reads of one mapping.
type batch struct {
	reads    []delivery.Read
	answered []bool
	// seeking are the rows that take values from other tables, numbers those of
	// their reads.
	seeking []delivery.RowRead
	numbers []int
}

// left returns the reads that are not answered.
func (b *batch) left() []delivery.Read {
	left := make([]delivery.Read, 0, len(b.reads))
	for i, e := range b.reads {
		if !b.answered[i] {
			left = append(left, e)
		}
	}
	return left
}

// complete answers rows that take values from other tables. These are looked up
// behind the rows, and not as of their moment: a table is locked before the
// snapshot that it is read in.
func (r *Reader) complete(ctx, life context.Context, session *Session, b *batch) error {
	if b.seeking == nil {
		return nil
	}
	writes := make([]*mapping.Write, len(b.seeking))
	for i := range b.seeking {
		writes[i] = &b.seeking[i].Write
	}
	if err := session.LookUp(ctx, r.mappings, writes, nil); err != nil {
		return err
	}
	for i, row := range b.seeking {
		b.answered[b.numbers[i]] = true
		r.answer(life, row)
	}
	return nil
}

func (r *Reader) answer(life context.Context, row delivery.RowRead) {
	select {
	case r.answers <- row:
	case <-life.Done():
	}
}

// ofSetUp reports whether an error of reading rows stays until somebody acts.
func ofSetUp(err error) bool {
	var mistakes mapping.Mistakes
	return errors.As(err, &mistakes) || errors.Is(err, ErrNoKeyColumn) || replication.Classify(err) == replication.Fatal
}

var ErrNoKeyColumn = errors.New("no key attribute is a column; map one to find rows by")

// columns are those that the mappings of d's table use: what nobody uses is not
// read.
func (r *Reader) columns(d mapping.Definition) []string {
	var columns []string
	for _, i := range r.mappings.Mappings(mapping.Table{Schema: d.Schema, Name: d.Table}) {
		columns = append(columns, r.mappings.Columns(i)...)
	}
	return columns
}

// keyColumns returns the columns that make an object's key.
func keyColumns(d mapping.Definition) ([]string, error) {
	columns := d.KeyColumns()
	if len(columns) == 0 {
		return nil, fmt.Errorf("read rows of %s.%s: %w", d.Schema, d.Table, ErrNoKeyColumn)
	}
	return columns, nil
}

// keyValues returns what an object has for the columns of keyColumns.
func keyValues(d mapping.Definition, o marketo.Object) []string {
	var values []string
	for i, rule := range d.Key {
		if rule.Column != "" {
			values = append(values, o.Value(i).Text)
		}
	}
	return values
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// rowReaders is the most sessions that read rows from their tables: each
	// takes a connection of the database that others need too.
	rowReaders = 4
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
	// readerIdle is how long a session is kept for rows to come.
	readerIdle = time.Second
)

// readRows reads rows until none are left to be read.
func (r *Runner) readRows(life context.Context) error {
	var session *replication.RowReader
	defer func() {
		if session != nil {
			session.Close(life)
		}
	}()
	for {
		// More rows may come together while a session is opened.
		var err error
		if session == nil {
			session, err = r.Source.RowReader(life)
		}
		var reads []delivery.Read
		if session == nil {
			reads, _ = r.wanted.take(false)
		} else {
			reads = r.wanted.next(life)
		}
		if reads == nil || life.Err() != nil {
			return nil
		}
		for len(reads) > 0 && err == nil {
			reads, err = r.readBatch(life, session, reads)
		}
		if err != nil {
			for _, e := range reads {
				r.answerRow(life, delivery.RowRead{Read: e.Read, Err: err, SetUp: ofSetUp(err)})
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
func (r *Runner) readBatch(life context.Context, session *replication.RowReader, reads []delivery.Read) ([]delivery.Read, error) {
	ctx, cancel := context.WithTimeout(life, readPatience)
	defer cancel()
	index := reads[0].Mapping
	d := r.Mappings.Definition(index)
	key, err := keyColumns(d)
	if err != nil {
		return reads, err
	}
	table := catalog.TableName{Schema: d.Schema, Name: d.Table}
	snapshot, err := session.Snapshot(ctx, table, key, r.columns(d))
	if err != nil {
		return reads, err
	}
	if err := r.Mappings.Bind(snapshot.Relation, snapshot.Table.Facts()); err != nil {
		return reads, errors.Join(fmt.Errorf("read rows of %s.%s: %w", d.Schema, d.Table, err), snapshot.End(ctx))
	}
	defer r.Mappings.Unbind(snapshot.Relation)
	keys := make([]replication.RowKey, len(reads))
	for i, e := range reads {
		reads[i].Folded = e.Folded && r.Mappings.Spellings(index, snapshot.Relation)
		keys[i] = replication.RowKey{Values: keyValues(d, e.Object), XID: e.XID, Folded: reads[i].Folded}
	}
	snapshot.Several = d.Where != ""
	answered := make([]bool, len(reads))
	seen := &snapshot.Seen
	err = snapshot.Rows(ctx, keys, func(i int, rows [][]pgoutput.Value, err error) {
		answered[i] = true
		result := delivery.RowRead{Read: reads[i].Read, Seen: seen}
		found(&result, r.Mappings, snapshot.Relation, &reads[i], rows, err)
		r.answerRow(life, result)
	})
	left := make([]delivery.Read, 0, len(reads))
	for i, e := range reads {
		if !answered[i] {
			left = append(left, e)
		}
	}
	return left, errors.Join(err, snapshot.End(ctx))
}

// ofSetUp reports whether an error of reading rows stays until somebody acts.
func ofSetUp(err error) bool {
	var mistakes mapping.Mistakes
	return errors.As(err, &mistakes) || errors.Is(err, errNoKeyColumn) || replication.Classify(err) == replication.Fatal
}

var errNoKeyColumn = errors.New("no key attribute is a column; map one to find rows by")

// columns are those that the mappings of d's table use: what nobody uses is not
// read.
func (r *Runner) columns(d mapping.Definition) []string {
	var columns []string
	for _, i := range r.Mappings.Mappings(mapping.Table{Schema: d.Schema, Name: d.Table}) {
		columns = append(columns, r.Mappings.Columns(i)...)
	}
	return columns
}

// found says what the rows that were found for e are to its mapping.
func found(row *delivery.RowRead, set *mapping.Set, relation *pgoutput.Relation, e *delivery.Read, rows [][]pgoutput.Value, err error) {
	var unreadable *replication.RowError
	if errors.As(err, &unreadable) {
		row.Problem = &mapping.Problem{Code: "unreadable", Message: unreadable.Error() + "; mend the row, then retry"}
		return
	}
	row.Unseen = errors.Is(err, replication.ErrNotVisible)
	if row.Err = err; err != nil {
		return
	}
	matching, exact := 0, false
	for _, values := range rows {
		w, matches, err := set.Row(e.Mapping, relation, values)
		if err != nil {
			row.Err = err
			return
		}
		same := sameKey(e.Object, w.Object)
		if e.Folded && !same && !sameFolded(e.Object, w.Object) {
			continue
		}
		switch {
		case matches && same && !exact:
			// Another spelling counts only where nothing has this one.
			matching, exact = 1, true
		case matches && same == exact:
			matching++
		case matches || matching > 0:
			continue
		default:
			row.State = delivery.RowDiffers
			row.Write, row.Removes = set.Gone(w)
			continue
		}
		row.State, row.Write, row.Removes = delivery.RowMatches, w, false
	}
	switch {
	case matching > 1:
		row.State = delivery.RowShared
	case matching == 0 && len(rows) >= replication.MostRows:
		// There may be more, which were not read.
		*row = delivery.RowRead{Read: row.Read, Seen: row.Seen, State: delivery.RowShared}
	}
}

// sameKey reports whether two objects have one key.
func sameKey(a, b marketo.Object) bool {
	for i := range a.Shape.Key {
		if a.Value(i).Text != b.Value(i).Text {
			return false
		}
	}
	return true
}

// sameFolded reports whether two objects may be one to Marketo, by their keys.
func sameFolded(a, b marketo.Object) bool {
	for i := range a.Shape.Key {
		if mapping.Fold(a.Value(i).Text) != mapping.Fold(b.Value(i).Text) {
			return false
		}
	}
	return true
}

func (r *Runner) answerRow(life context.Context, row delivery.RowRead) {
	select {
	case r.rows <- row:
	case <-life.Done():
	}
}

// keyColumns returns the columns that make an object's key.
func keyColumns(d mapping.Definition) ([]string, error) {
	columns := d.KeyColumns()
	if len(columns) == 0 {
		return nil, fmt.Errorf("read rows of %s.%s: %w", d.Schema, d.Table, errNoKeyColumn)
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

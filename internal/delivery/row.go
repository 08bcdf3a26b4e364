package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// rowReaders is the most sessions that read rows from their tables: each
	// takes a connection of the database that others need too.
	rowReaders = 4
	// rowsAtOnce is the most rows that are read as of one moment: the server
	// keeps what is older than that for so long.
	rowsAtOnce = 100
)

// rowQueue holds the rows that are to be read.
type rowQueue struct {
	mu      sync.Mutex
	waiting []Read
	readers int
}

// put adds a row, and reports whether one more reader is to be started.
func (q *rowQueue) put(e Read) (start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, e)
	if start = q.readers < rowReaders; start {
		q.readers++
	}
	return start
}

// take returns rows of one mapping, the oldest first; none when none are left,
// and then the reader has ended.
func (q *rowQueue) take() []Read {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.readers--
		return nil
	}
	var taken []Read
	mapping, kept := q.waiting[0].Mapping, q.waiting[:0]
	for _, e := range q.waiting {
		if e.Mapping == mapping && len(taken) < rowsAtOnce {
			taken = append(taken, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	return taken
}

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
		reads := r.wanted.take()
		if reads == nil || life.Err() != nil {
			return nil
		}
		for len(reads) > 0 && err == nil {
			reads, err = r.readBatch(life, session, reads)
		}
		if err != nil {
			for _, e := range reads {
				r.answerRow(life, RowRead{Read: e.Read, Err: err})
			}
			if session != nil {
				session.Close(life)
				session = nil
			}
		}
	}
}

// readBatch reads rows of one mapping as of one moment, and returns those that
// it came not to.
func (r *Runner) readBatch(life context.Context, session *replication.RowReader, reads []Read) ([]Read, error) {
	index := reads[0].Mapping
	d := r.Mappings.Definition(index)
	columns, err := keyColumns(d)
	if err != nil {
		return reads, err
	}
	snapshot, err := session.Snapshot(life, replication.TableName{Schema: d.Schema, Name: d.Table}, columns)
	if err != nil {
		return reads, err
	}
	if err := r.Mappings.Bind(snapshot.Relation, snapshot.Table.Facts()); err != nil {
		return reads, fmt.Errorf("read rows of %s.%s: %w", d.Schema, d.Table, err)
	}
	defer r.Mappings.Unbind(snapshot.Relation)
	for len(reads) > 0 && !snapshot.Broken() {
		e := reads[0]
		reads = reads[1:]
		result := RowRead{Read: e.Read}
		values, err := snapshot.Row(life, e.XID, keyValues(d, e.Object))
		switch {
		case errors.Is(err, replication.ErrSharedKey):
			result.State = RowShared
		case err != nil:
			result.Err = err
		case values != nil:
			result.found(r.Mappings, index, snapshot.Relation, values)
		}
		r.answerRow(life, result)
	}
	return reads, snapshot.End(life)
}

// found says what the row that has the key is to the mapping.
func (row *RowRead) found(set *mapping.Set, index int, relation *replication.Relation, values []replication.Value) {
	w, matches, err := set.Row(index, relation, values)
	switch {
	case err != nil:
		row.Err = err
	case matches:
		row.State, row.Write = RowMatches, w
	default:
		row.State = RowDiffers
		row.Write, row.Removes = set.Gone(w)
	}
}

func (r *Runner) answerRow(life context.Context, row RowRead) {
	select {
	case r.rows <- row:
	case <-life.Done():
	}
}

// keyColumns returns the columns that make an object's key.
func keyColumns(d mapping.Definition) ([]string, error) {
	var columns []string
	for _, rule := range d.Key {
		if rule.Column != "" {
			columns = append(columns, rule.Column)
		}
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("read row of %s.%s: no key attribute of mapping %s is a column; map one to find rows by", d.Schema, d.Table, d.Name)
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

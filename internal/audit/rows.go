package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// row is a row of a table, and what its mapping makes of it.
type row struct {
	mapping.Write
	// matches is set where it is to be an object, by where.
	matches bool
	// columns are the values of the key columns.
	columns []string
}

const (
	// rowsAtOnce and bytesAtOnce bound what is read as of one moment: nothing is
	// asked of Marketo while a snapshot is held.
	rowsAtOnce  = 3000
	bytesAtOnce = 4 << 20
	// rowPatience is how long a part of a table may take to be found.
	rowPatience = 30 * time.Second
)

// table reads the rows of one mapping.
type table struct {
	set     *mapping.Set
	index   int
	name    catalog.TableName
	session *rowread.Session
	columns []string
}

func (a *Audit) open(ctx context.Context, index int) (*table, error) {
	session, err := rowread.Open(ctx, a.Source)
	if err != nil {
		return nil, err
	}
	d := a.Set.Definition(index)
	return &table{
		set: a.Set, index: index, name: catalog.TableName{Schema: d.Schema, Name: d.Table},
		session: session, columns: a.Set.Columns(index),
	}, nil
}

func (t *table) close(ctx context.Context) { t.session.Close(context.WithoutCancel(ctx)) }

// each visits all rows, some at once and in no snapshot.
func (t *table) each(ctx context.Context, visit func([]row) error) error {
	var after []string
	for {
		var rows []row
		var done bool
		err := t.chunk(ctx, func(c *rowread.Chunk, take func(rowread.Row) bool) (err error) {
			after, done, err = c.Next(ctx, after, rowsAtOnce, take)
			return err
		}, &rows)
		if err != nil {
			return err
		}
		if err := visit(rows); err != nil || done {
			return err
		}
	}
}

// some returns the rows of each key; folded says of which keys those in another
// spelling count where none has it exactly.
func (t *table) some(ctx context.Context, keys [][]string, folded []bool) ([][]row, error) {
	d := t.set.Definition(t.index)
	s, err := t.session.Snapshot(ctx, t.name, d.KeyColumns(), t.columns)
	if err != nil {
		return nil, err
	}
	found := make([][]row, len(keys))
	if err = t.set.BindOne(t.index, s.Relation, s.Table.Facts()); err == nil {
		spellings := t.set.Spellings(t.index, s.Relation)
		asked := make([]rowread.Key, len(keys))
		for i, key := range keys {
			asked[i] = rowread.Key{Values: key, Folded: folded[i] && spellings}
		}
		var wrong error
		err = s.Rows(ctx, asked, func(i int, rows [][]pgoutput.Value, err error) {
			var unreadable *rowread.RowError
			if errors.As(err, &unreadable) {
				found[i] = []row{{Write: mapping.Write{Problem: &mapping.Problem{Code: "unreadable"}}, matches: true}}
				return
			}
			for _, values := range rows {
				w, matches, failed := t.set.Row(t.index, s.Relation, values)
				err = errors.Join(err, failed)
				found[i] = append(found[i], row{Write: w, matches: matches, columns: keys[i]})
			}
			wrong = errors.Join(wrong, err)
		})
		err = errors.Join(err, wrong)
		t.set.Unbind(s.Relation)
	}
	if err := errors.Join(err, s.End(ctx)); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var all []*row
	for i := range found {
		for j := range found[i] {
			all = append(all, &found[i][j])
		}
	}
	return found, t.lookUp(ctx, all)
}

// lookUp completes rows with what they take from other tables.
func (t *table) lookUp(ctx context.Context, rows []*row) error {
	var seeking []*mapping.Write
	for _, r := range rows {
		if r.Sought != nil {
			seeking = append(seeking, &r.Write)
		}
	}
	if seeking == nil {
		return nil
	}
	return t.session.LookUp(ctx, t.set, seeking, nil)
}

// chunk reads rows as of one moment, and then what they take from other tables.
func (t *table) chunk(ctx context.Context, read func(*rowread.Chunk, func(rowread.Row) bool) error, rows *[]row) (err error) {
	c, err := t.session.BeginChunk(ctx, t.name, t.columns)
	if err != nil {
		return err
	}
	c.Patience = rowPatience
	bytes := 0
	var wrong error
	if err = t.set.BindOne(t.index, c.Relation, c.Table.Facts()); err == nil {
		keys := places(c.Relation, t.set.Definition(t.index).KeyColumns())
		err = read(c, func(r rowread.Row) bool {
			w, matches, err := t.set.Row(t.index, c.Relation, r.Values)
			if wrong = err; err != nil {
				return false
			}
			made := row{Write: w, matches: matches}
			for _, at := range keys {
				made.columns = append(made.columns, string(r.Values[at].Text))
			}
			*rows = append(*rows, made)
			bytes += w.Bytes
			return bytes < bytesAtOnce
		})
		t.set.Unbind(c.Relation)
	}
	if err := errors.Join(err, wrong, c.End(ctx)); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	all := make([]*row, len(*rows))
	for i := range *rows {
		all[i] = &(*rows)[i]
	}
	return t.lookUp(ctx, all)
}

// places returns where columns are in a relation.
func places(rel *pgoutput.Relation, columns []string) []int {
	var at []int
	for _, name := range columns {
		if i := rel.Place(name); i >= 0 {
			at = append(at, i)
		}
	}
	return at
}

// bare is what a row would be that has a key and nothing else: its mapping's Write
// with the key alone.
func (t *table) bare(ctx context.Context, keys [][]string) ([]mapping.Write, error) {
	c, err := t.session.BeginChunk(ctx, t.name, t.columns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.End(ctx) }()
	if err := t.set.BindOne(t.index, c.Relation, c.Table.Facts()); err != nil {
		return nil, err
	}
	defer t.set.Unbind(c.Relation)
	columns := t.set.Definition(t.index).KeyColumns()
	writes := make([]mapping.Write, len(keys))
	for n, key := range keys {
		if writes[n], _, err = t.set.Row(t.index, c.Relation, c.Relation.Bare(columns, key)); err != nil {
			return nil, err
		}
	}
	return writes, nil
}

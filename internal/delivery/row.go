package delivery

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// rowReaders is the most rows that are read from their tables at once: each
// takes a connection of the database that others need too.
const rowReaders = 4

// row reads the row behind an object's key from its table, as it is now.
func (r *Runner) row(ctx context.Context, e Read) RowRead {
	result := RowRead{Read: e.Read}
	select {
	case r.rowReaders <- struct{}{}:
		defer func() { <-r.rowReaders }()
	case <-ctx.Done():
		result.Err = ctx.Err()
		return result
	}
	result.Write, result.Found, result.Err = r.readRow(ctx, e)
	return result
}

func (r *Runner) readRow(ctx context.Context, e Read) (mapping.Write, bool, error) {
	d := r.Mappings.Definition(e.Mapping)
	columns, values, err := keyColumns(d, e.Object)
	if err != nil {
		return mapping.Write{}, false, err
	}
	name := replication.TableName{Schema: d.Schema, Name: d.Table}
	table, err := r.Source.Describe(ctx, d.Schema, d.Table)
	if err != nil {
		return mapping.Write{}, false, err
	}
	row, err := r.Source.RowSince(ctx, e.XID, name, columns, values)
	if err != nil || row == nil {
		return mapping.Write{}, false, err
	}
	// What describes the row does not know which columns are the replica
	// identity's, as the stream does.
	for i := range row.Relation.Columns {
		c := &row.Relation.Columns[i]
		c.Key = slices.Contains(table.IdentityColumns, c.Name)
	}
	if err := r.Mappings.Bind(row.Relation, table.TypeName); err != nil {
		return mapping.Write{}, false, fmt.Errorf("read row of %s.%s: %w", d.Schema, d.Table, err)
	}
	defer r.Mappings.Unbind(row.Relation)
	return r.Mappings.Row(e.Mapping, row.Relation, row.Values)
}

// keyColumns returns the columns that make an object's key, and their values.
func keyColumns(d mapping.Definition, o marketo.Object) (columns, values []string, err error) {
	for i, rule := range d.Key {
		if rule.Column == "" {
			continue
		}
		columns = append(columns, rule.Column)
		values = append(values, o.Values[i].Text)
	}
	if len(columns) == 0 {
		return nil, nil, fmt.Errorf("read row of %s.%s: no key attribute of mapping %s is a column; map one to find rows by", d.Schema, d.Table, d.Name)
	}
	return columns, values, nil
}

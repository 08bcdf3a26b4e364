package mapping

import "github.com/cdcsync/cdcsync/internal/pgoutput"

// view is a row as far as the stream shows it.
type view struct {
	columns []pgoutput.Column
	values  []pgoutput.Value
	// keyOnly is set when only the columns of the replica identity mean
	// anything.
	keyOnly bool
	// before is the row before an update; it has what the update left alone.
	before *view
}

// absent stands for the place of a column that the stream's description of the
// table lacks, and the table has.
const absent = -1

// at returns the value of column i; Unchanged when the stream does not say.
func (v *view) at(i int) pgoutput.Value {
	if i < 0 || i >= len(v.values) || v.keyOnly && !v.columns[i].Key {
		return pgoutput.Value{Kind: pgoutput.Unchanged}
	}
	if value := v.values[i]; value.Kind != pgoutput.Unchanged || v.before == nil {
		return value
	}
	return v.before.at(i)
}

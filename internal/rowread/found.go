package rowread

import (
	"errors"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// found says what the rows that were found for e are to its mapping.
func found(row *delivery.RowRead, set *mapping.Set, relation *pgoutput.Relation, e *delivery.Read, rows [][]pgoutput.Value, err error) {
	var unreadable *RowError
	if errors.As(err, &unreadable) {
		row.Problem = &mapping.Problem{Code: "unreadable", Message: unreadable.Error() + "; fix the row, then retry"}
		return
	}
	row.Unseen = errors.Is(err, ErrNotVisible)
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
	case matching == 0 && len(rows) >= MostRows:
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

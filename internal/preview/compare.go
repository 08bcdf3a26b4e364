package preview

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// Querier is a client that can say what Marketo has of objects.
type Querier interface {
	// MostKeys is how many keys a Query may have.
	MostKeys() int
	Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error)
}

// Judge holds the values of a sample against Marketo's description of the object
// type.
func (s *Sample) Judge(description marketo.Description) {
	if description.Learnt {
		return
	}
	for i := range s.rows {
		row := &s.rows[i]
		if s.writes[i] == nil || row.Verdict == Rejected {
			continue
		}
		for j := range row.Attributes {
			a := &row.Attributes[j]
			f := description.Field(a.Name)
			switch {
			case a.Value == nil || a.Value.Omitted:
				continue
			case f == nil:
				a.Problem = "there is no such field"
			default:
				a.Problem = preflight.CompareValue(s.writes[i].Object.Value(j), f)
			}
			if a.Problem != "" {
				row.Verdict, row.Reason = Rejected, a.Name+": "+a.Problem
			}
		}
	}
}

// Calls is how many calls Compare takes.
func (s *Sample) Calls(q Querier) int {
	return (len(s.asked()) + q.MostKeys() - 1) / q.MostKeys()
}

// asked are the numbers of the rows that Marketo is asked for.
func (s *Sample) asked() (all []int) {
	for i := range s.rows {
		if s.writes[i] != nil && s.writes[i].Problem == nil {
			all = append(all, i)
		}
	}
	return all
}

// Compare asks what Marketo has of the objects, and says what would become of them.
// A description of no fields compares by what values look like.
func (s *Sample) Compare(ctx context.Context, q Querier, description marketo.Description) error {
	for some := range slices.Chunk(s.asked(), q.MostKeys()) {
		object := &s.writes[some[0]].Object
		ask := marketo.Query{Type: object.Shape.Type, Key: object.Shape.Key, Fields: object.Shape.Attributes}
		for _, i := range some {
			ask.Keys = append(ask.Keys, s.writes[i].Object.Values()[:len(ask.Key)])
		}
		found, err := q.Query(ctx, ask)
		if err != nil {
			return fmt.Errorf("ask for objects of %s: %w", ask.Type, err)
		}
		for j, i := range some {
			s.rows[i].compare(s.writes[i], description.Of(&ask, found, ask.Keys[j]), description)
		}
	}
	return nil
}

// compare says what would become of a row beside what Marketo has of it.
func (r *Row) compare(w *mapping.Write, found []marketo.Stored, d marketo.Description) {
	is, reason := Created, ""
	if len(found) > 0 {
		r.GUID, r.Updated = found[0].GUID, found[0].Updated
		is = Unchanged
		for at, differs := range d.Differ(w.Object, found[0]) {
			r.note(at, found[0].Values[at], differs)
			if differs {
				is = Changed
			}
		}
		if len(found) > 1 {
			reason = fmt.Sprintf("Marketo has %d objects of this key", len(found))
		}
	}
	switch {
	case w.Operation == marketo.Insert && len(found) > 0:
		is, reason = Skipped, "operation is insert, and Marketo has the object"
	case w.Operation == marketo.Update && len(found) == 0:
		is, reason = Skipped, "operation is update, and Marketo has no such object"
	}
	if r.Verdict != Rejected {
		r.Verdict, r.Reason = is, reason
	}
}

// note says what Marketo has of the value at a place of the object.
func (r *Row) note(at int, v marketo.Value, differs bool) {
	if at < len(r.Attributes) {
		a := &r.Attributes[at]
		a.Marketo, a.Changes = &Value{Text: v.Text, Null: v.Kind == marketo.Null}, differs
	}
}

// Rows returns what is known of the rows.
func (s *Sample) Rows() []Row { return s.rows }

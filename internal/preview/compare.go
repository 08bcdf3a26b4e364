package preview

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
			f := fieldOf(description, a.Name)
			switch {
			case a.Value == nil || a.Value.Omitted:
				continue
			case f == nil:
				a.Problem = "there is no such field"
			default:
				a.Problem = preflight.CompareValue(valueOf(a, s.writes[i]), f)
			}
			if a.Problem != "" {
				row.Verdict, row.Reason = Rejected, a.Name+": "+a.Problem
			}
		}
	}
}

// fieldOf finds a field by its name, without case.
func fieldOf(d marketo.Description, name string) *marketo.Field {
	i := slices.IndexFunc(d.Fields, func(f marketo.Field) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return nil
	}
	return &d.Fields[i]
}

// valueOf is the value of an attribute as it is sent.
func valueOf(a *Attribute, w *mapping.Write) marketo.Value {
	for i := range w.Object.Len() {
		if strings.EqualFold(w.Object.Shape.Name(i), a.Name) {
			return w.Object.Value(i)
		}
	}
	return marketo.Value{}
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
			s.rows[i].compare(s.writes[i], Of(ask, found, ask.Keys[j], description), description)
		}
	}
	return nil
}

// Of returns what was found of a key; keys are compared by the types of their
// fields.
func Of(q marketo.Query, found []marketo.Stored, key []marketo.Value, d marketo.Description) (all []marketo.Stored) {
	for _, s := range found {
		same := true
		for i, name := range q.Key {
			dataType := ""
			if f := fieldOf(d, name); f != nil {
				dataType = f.DataType
			}
			same = same && marketo.Same(key[i], s.Values[i], dataType)
		}
		if same {
			all = append(all, s)
		}
	}
	return all
}

// compare says what would become of a row beside what Marketo has of it.
func (r *Row) compare(w *mapping.Write, found []marketo.Stored, d marketo.Description) {
	is, reason := Created, ""
	if len(found) > 0 {
		r.GUID, r.Updated = found[0].GUID, found[0].Updated
		is = Unchanged
		for at, differs := range Differ(w.Object, found[0], d) {
			r.note(w.Object.Shape.Name(at), found[0].Values[at], differs)
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

// Differ says of each value of an object whether Marketo has another one.
func Differ(o marketo.Object, s marketo.Stored, d marketo.Description) []bool {
	differs := make([]bool, o.Len())
	for at := range differs {
		dataType := ""
		if f := fieldOf(d, o.Shape.Name(at)); f != nil {
			dataType = f.DataType
		}
		differs[at] = !marketo.Same(o.Value(at), s.Values[at], dataType)
	}
	return differs
}

// note says what Marketo has of an attribute.
func (r *Row) note(name string, v marketo.Value, differs bool) {
	for i := range r.Attributes {
		if a := &r.Attributes[i]; strings.EqualFold(a.Name, name) {
			a.Marketo, a.Changes = &Value{Text: v.Text, Null: v.Kind == marketo.Null}, differs
		}
	}
}

// Rows returns what is known of the rows.
func (s *Sample) Rows() []Row { return s.rows }

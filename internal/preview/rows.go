package preview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// Sample is rows of the table of a mapping, and what they become.
type Sample struct {
	Table catalog.Table
	rows  []Row
	// writes are those of rows, nil for one that where leaves out.
	writes []*mapping.Write
}

// Read reads up to most rows of the table of mapping i, those with the lowest keys,
// as of one moment, and makes objects of them as delivery does. Values of other
// tables are looked up right behind that.
func Read(ctx context.Context, session *rowread.Session, set *mapping.Set, i, most int) (*Sample, error) {
	d := set.Definition(i)
	name := catalog.TableName{Schema: d.Schema, Name: d.Table}
	chunk, err := session.BeginChunk(ctx, name, set.Columns(i))
	if err != nil {
		return nil, err
	}
	s := &Sample{Table: chunk.Table}
	if err := errors.Join(s.read(ctx, chunk, set, i, most), chunk.End(ctx)); err != nil {
		return nil, fmt.Errorf("read rows of %s: %w", name, err)
	}
	var seeking []*mapping.Write
	for _, w := range s.writes {
		if w != nil && w.Sought != nil {
			seeking = append(seeking, w)
		}
	}
	if err := session.LookUp(ctx, set, seeking, nil); err != nil {
		return nil, err
	}
	for j, w := range s.writes {
		s.rows[j].finish(w)
	}
	return s, nil
}

func (s *Sample) read(ctx context.Context, chunk *rowread.Chunk, set *mapping.Set, i, most int) error {
	if err := set.BindOne(i, chunk.Relation, chunk.Table.Facts()); err != nil {
		return err
	}
	defer set.Unbind(chunk.Relation)
	var wrong error
	var after []string
	for len(s.rows) < most {
		last, done, err := chunk.Next(ctx, after, most-len(s.rows), func(row rowread.Row) bool {
			wrong = s.add(set, i, chunk.Relation, row.Values)
			return wrong == nil
		})
		if err = errors.Join(err, wrong); err != nil || done || slices.Equal(last, after) {
			return err
		}
		after = last
		// A second part would be of the same snapshot, which is held for so long only.
		if len(s.rows) > 0 {
			return nil
		}
	}
	return nil
}

// add takes one row.
func (s *Sample) add(set *mapping.Set, i int, relation *pgoutput.Relation, values []pgoutput.Value) error {
	w, matches, err := set.Row(i, relation, values)
	if err != nil {
		return err
	}
	row := Row{Verdict: Sent, Attributes: attributes(set.Definition(i), relation, values)}
	s.rows, s.writes = append(s.rows, row), append(s.writes, &w)
	if !matches {
		s.rows[len(s.rows)-1].Verdict, s.rows[len(s.rows)-1].Reason = LeftOut, "where is not true of it"
		s.writes[len(s.writes)-1] = nil
	}
	return nil
}

// attributes are those of a mapping with where they come from. They have the places
// that they have in its objects: the key first, and what on_delete alone sets is behind
// them.
func attributes(d mapping.Definition, relation *pgoutput.Relation, values []pgoutput.Value) (all []Attribute) {
	for _, rule := range slices.Concat(d.Key, d.Attributes) {
		a := Attribute{Name: rule.Attribute, From: from(rule)}
		if rule.Column != "" {
			if at := relation.Place(rule.Column); at >= 0 {
				a.Column = &Value{Text: string(values[at].Text), Null: values[at].Kind == pgoutput.Null}
			}
		}
		all = append(all, a)
	}
	return all
}

// from says what a value is made of.
func from(r mapping.Rule) string {
	switch {
	case r.Column != "":
		return r.Column
	case r.Lookup != nil:
		return "lookup " + r.Lookup.Schema + "." + r.Lookup.Table + "." + r.Lookup.Column
	case r.Expr != "":
		return "expr"
	}
	return "constant"
}

// finish says what the row has become.
func (r *Row) finish(w *mapping.Write) {
	switch {
	case w == nil:
		return
	case w.Problem != nil:
		r.Verdict, r.Reason = Rejected, w.Problem.Message
		return
	}
	for i := range r.Attributes {
		v := w.Object.Value(i)
		r.Attributes[i].Value = &Value{Text: strings.Clone(v.Text), Null: v.Kind == marketo.Null, Omitted: v.Kind == marketo.Omitted}
	}
}

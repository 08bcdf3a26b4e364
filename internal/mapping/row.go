package mapping

import (
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Row builds the write of a row that was read from the table: values are in
// the order of rel.Columns, all of them known, in the text formats of the
// stream. rel must be bound. When the row does not match the mapping's where,
// matches is false and w carries its key alone: Gone says what becomes of the
// object. An error means that rel is not bound to the mapping.
func (s *Set) Row(mapping int, rel *pgoutput.Relation, values []pgoutput.Value) (w Write, matches bool, err error) {
	p, err := s.plan(mapping, rel)
	if err != nil {
		return Write{}, false, err
	}
	sc := scratches.Get().(*scratch)
	defer scratches.Put(sc)
	v := view{columns: p.columns, values: values}
	is, problem := p.match(sc, &v)
	if is != differs {
		p.write(&w, sc, &v, is, problem, true)
		return w, true, nil
	}
	sc.begin(p)
	keyed := sc.keys(&v)
	sc.finish(&w, &v, keyed, p.definition.Operation)
	return w, false, nil
}

// Gone returns what on_delete asks for when the row of w turns out to be
// gone, or no longer to match where, as a row that was read again may. It
// returns false when nothing is to be done: on_delete is ignore, or w never
// had a key to write.
func (s *Set) Gone(w Write) (Write, bool) {
	m := s.mappings[w.Mapping]
	if m.definition.OnDelete.Ignores() {
		return Write{}, false
	}
	values := make([]marketo.Value, m.shape.Len())
	for i := range m.shape.Key {
		if values[i] = w.Object.Value(i); values[i].Text == "" {
			return Write{}, false
		}
	}
	for _, s := range m.set {
		values[s.at] = s.value
	}
	w.Operation, w.Problem, w.Reread = m.removal(), nil, false
	w.Object = marketo.NewObject(m.shape, values)
	return w, true
}

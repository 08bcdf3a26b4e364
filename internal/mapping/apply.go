package mapping

import (
	"bytes"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Apply is Fitted.Apply of the change's relation.
func (s *Set) Apply(c *pgoutput.Change, out []Write) []Write { return s.Of(c.Relation).Apply(c, out) }

// Apply appends the writes that c asks for, in order, and returns the longer
// slice. A change of a relation that is not bound asks for none. The writes
// own their memory; c may be reused.
func (f *Fitted) Apply(c *pgoutput.Change, out []Write) []Write {
	if f == nil {
		return out
	}
	sc := scratches.Get().(*scratch)
	defer scratches.Put(sc)
	for _, p := range f.plans {
		switch c.Operation {
		case pgoutput.Insert:
			out = p.insert(sc, c, out)
		case pgoutput.Update:
			out = p.update(sc, c, out)
		case pgoutput.Delete:
			out = p.delete(sc, c, out)
		}
	}
	return out
}

// verdict is what a mapping's where says of a row.
type verdict uint8

const (
	matches verdict = iota
	differs
	// unknown: the stream lacks a value that where needs.
	unknown
	// broken: where fails for this row.
	broken
)

// match evaluates where. The problem is set when the verdict is broken.
func (p *plan) match(sc *scratch, v *view) (verdict, *Problem) {
	if p.where == nil {
		return matches, nil
	}
	if p.where.missing(v) {
		return unknown, nil
	}
	result, problem := p.where.run(sc, v)
	if problem != nil {
		problem.Message = "where: " + problem.Message
		return broken, problem
	}
	switch result {
	case true:
		return matches, nil
	case false, nil:
		return differs, nil
	}
	return broken, &Problem{"expression", "where: the expression is neither true nor false for this row; make it a comparison"}
}

func (p *plan) insert(sc *scratch, c *pgoutput.Change, out []Write) []Write {
	now := view{columns: p.columns, values: c.New}
	is, problem := p.match(sc, &now)
	if is == differs {
		return out
	}
	out, w := more(out)
	p.write(w, sc, &now, is, problem, true)
	return out
}

func (p *plan) update(sc *scratch, c *pgoutput.Change, out []Write) []Write {
	now := view{columns: p.columns, values: c.New}
	was, moved := matches, false
	respelled := false
	var before view
	if c.Old != nil {
		before = view{columns: p.columns, values: c.Old, keyOnly: c.OldIsKey}
		now.before = &before
		was, _ = p.match(sc, &before)
		moved = p.moved(sc, &before, &now)
		respelled = moved && p.respelled(&before, &now)
	} else if p.where != nil {
		was = unknown
	}
	if moved && !respelled && was != differs && !p.weak {
		out = p.remove(sc, &before, out)
	}
	is, problem := p.match(sc, &now)
	if is == differs {
		switch {
		case was == differs:
		case respelled:
			out = p.remove(sc, &before, out)
		case !moved:
			out = p.remove(sc, &now, out)
		}
		return out
	}
	// Where the object may not exist yet under this key, an attribute left
	// out would be missing for good. An insert has no effect but there.
	complete := moved || p.weak || was != matches || p.definition.Operation == marketo.Insert
	out, w := more(out)
	p.write(w, sc, &now, is, problem, complete)
	w.Respelled = respelled && was != differs
	return out
}

func (p *plan) delete(sc *scratch, c *pgoutput.Change, out []Write) []Write {
	before := view{columns: p.columns, values: c.Old, keyOnly: c.OldIsKey}
	if was, _ := p.match(sc, &before); was == differs {
		return out
	}
	return p.remove(sc, &before, out)
}

// moved reports whether the key differs between two states of a row: in what
// is written, not in how PostgreSQL writes it.
func (p *plan) moved(sc *scratch, before, now *view) bool {
	for i := range p.key {
		a, b := before.at(p.key[i].column), now.at(p.key[i].column)
		switch {
		case a.Kind == pgoutput.Unchanged || b.Kind == pgoutput.Unchanged:
		case a.Kind != b.Kind:
			return true
		case bytes.Equal(a.Text, b.Text):
		case p.key[i].differ(sc, a.Text, b.Text):
			return true
		}
	}
	return false
}

// differ reports whether two texts of a key column make different keys.
func (f *field) differ(sc *scratch, a, b []byte) bool {
	first, _, reason := f.format.append(sc.buf[:0], a)
	if reason != "" {
		return true
	}
	n := len(first)
	both, _, reason := f.format.append(first, b)
	sc.buf = both
	return reason != "" || !bytes.Equal(both[:n], both[n:])
}

// write makes w the write of a whole row. complete asks that no attribute be
// left out for want of a value in the stream.
func (p *plan) write(w *Write, sc *scratch, v *view, is verdict, problem *Problem, complete bool) {
	sc.begin(p)
	sc.problem = problem
	keyed := sc.keys(v)
	lacks := sc.fields(v)
	sc.finish(w, v, keyed, p.definition.Operation)
	if w.Problem == nil {
		w.Reread = is == unknown || lacks == lacksInput || complete && lacks == lacksColumn
		w.Partial = lacks == lacksColumn && !w.Reread
		w.Unsure = is == unknown
		w.Sought = sc.sought
	}
}

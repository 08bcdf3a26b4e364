package mapping

import (
	"slices"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Holders says how many rows of a table may hold a key of its mapping. The zero
// value knows nothing: then the table is asked before anything is removed.
type Holders struct {
	// One is set when a unique index, which is checked at once, has no columns
	// but those of the key, since before the oldest change that is still to
	// come.
	One bool
	// OneSpelling is set when that holds for all spellings of a key together.
	OneSpelling bool
	// Exact is set when only the very key may be asked for, as the table is too
	// large to be searched for spellings.
	Exact bool
}

// knownHolders is what is known of them, and how often that was doubted.
type knownHolders struct {
	Holders
	doubts int
}

// Doubts counts the calls of Doubt for mapping i.
func (s *Set) Doubts(i int) int { return s.mappings[i].known().doubts }

// SetHolders says what is known of the rows that may hold a key of mapping i,
// from the next Apply on. What was looked at before the last Doubt is not taken:
// doubts is what Doubts said before the look.
func (s *Set) SetHolders(i, doubts int, h Holders) {
	m := s.mappings[i]
	for known := m.holders.Load(); doubts == m.known().doubts; known = m.holders.Load() {
		if m.holders.CompareAndSwap(known, &knownHolders{h, doubts}) {
			return
		}
	}
}

// Doubt forgets what is known of the rows of a table: its description in the
// stream is a new one, and so may its indexes be.
func (s *Set) Doubt(t Table) {
	for _, i := range s.Mappings(t) {
		m := s.mappings[i]
		m.holders.Store(&knownHolders{doubts: m.known().doubts + 1})
	}
}

func (m *compiled) known() knownHolders {
	if h := m.holders.Load(); h != nil {
		return *h
	}
	return knownHolders{}
}

// ask reports whether only the table can tell if a row holds a key that is to
// be removed.
func (p *plan) ask() bool {
	h := p.known()
	return !h.One || !h.OneSpelling && p.spellings()
}

// Spellings reports whether a row holds a key of mapping i, which rel must be
// bound to, also when it has the key in another spelling: without case and
// trailing blanks, it is the same to Marketo, or may be.
func (s *Set) Spellings(i int, rel *pgoutput.Relation) bool {
	p, err := s.plan(i, rel)
	return err == nil && p.spellings()
}

// spellings reports whether a row that has a key in another spelling holds it.
func (p *plan) spellings() bool { return p.folds() && !p.known().Exact }

// folds reports whether keys may differ in their spelling alone.
func (p *plan) folds() bool {
	return slices.ContainsFunc(p.key, func(f field) bool {
		if f.format.kind != asText && f.format.kind != asBlankPadded {
			return false
		}
		// Other built-in types, such as uuid, write each value in one way.
		oid := p.columns[f.column].Type
		return oid >= firstUserOID || slices.Contains(spelledOIDs, oid)
	})
}

// firstUserOID is the lowest OID of what is not built in (FirstNormalObjectId in
// PostgreSQL's access/transam.h).
const firstUserOID = 16384

// spelledOIDs are "char", name, text, char(n) and varchar.
var spelledOIDs = []uint32{18, 19, 25, 1042, 1043}

// respelled reports whether the keys of two states of a row, which differ as they
// are written, are one to PostgreSQL, or without case and trailing blanks.
func (p *plan) respelled(before, now *view) bool {
	return !slices.ContainsFunc(p.key, func(f field) bool {
		a, b := before.at(f.column), now.at(f.column)
		if a.Kind == pgoutput.Unchanged || b.Kind == pgoutput.Unchanged {
			return false
		}
		return a.Kind != pgoutput.Text || b.Kind != pgoutput.Text ||
			!f.format.same(a.Text, b.Text) && !f.format.sameFolded(a.Text, b.Text)
	})
}

// sameFolded reports whether two texts make keys that are one without case and
// trailing blanks.
func (f *format) sameFolded(a, b []byte) bool {
	first, _, reason := f.append(nil, a)
	if reason != "" {
		return false
	}
	second, _, reason := f.append(nil, b)
	return reason == "" && Fold(string(first)) == Fold(string(second))
}

// remove appends what on_delete asks for when the row of v goes. A key that
// cannot be rendered was never an object, so that nothing is asked for then.
func (p *plan) remove(sc *scratch, v *view, out []Write) []Write {
	if p.definition.OnDelete.Ignores() {
		return out
	}
	sc.begin(p)
	if !sc.keys(v) {
		if sc.problem.Code != UnchangedKey {
			return out
		}
		out, w := more(out)
		sc.finish(w, v, false, p.removal())
		w.Removal = true
		return out
	}
	for _, s := range p.set {
		sc.buf = sc.buf.Add(s.at, s.value)
	}
	out, w := more(out)
	sc.finish(w, v, true, p.removal())
	w.Removal, w.Ask = true, p.ask()
	return out
}

// removal is the operation of on_delete.
func (m *compiled) removal() marketo.Operation {
	if m.definition.OnDelete.Delete {
		return marketo.Delete
	}
	return marketo.Update
}

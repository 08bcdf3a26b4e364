// Package mapping turns row changes into custom objects.
//
// Compile checks definitions as far as that goes without a database; Bind
// fits them to a table as the replication stream describes it; Apply then
// turns each change into the writes it asks for. Apply has no effects and
// knows neither clock nor chance: the same change always gives the same
// writes, so that a change delivered twice ends in the same state.
//
// A value is rendered exactly or not at all. What Marketo cannot hold (a
// numeric NaN, a date before the year 1, a character that XML cannot carry)
// becomes a Problem of that one object; what can be known from the table's
// description (a column that is missing, a type without a text form) is an
// error of Bind.
package mapping

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Table names a source table.
type Table struct{ Schema, Name string }

// Set is all mappings of a configuration, compiled. Its methods may be called
// from several goroutines at once.
type Set struct {
	mappings []*compiled

	binding sync.Mutex
	bound   atomic.Pointer[map[*pgoutput.Relation]*Fitted]
}

// compiled is one definition with all that is known without the table.
type compiled struct {
	index      int
	definition Definition
	shape      *marketo.Shape
	// prefix opens the keys of all objects of the type. It comes from the
	// object type and not from the mapping's index or name: keys are kept
	// across restarts, and a changed configuration must not make the key of
	// one object that of another.
	prefix string
	// where and expressions are nil where there is none; expressions are in
	// the order of Attributes.
	where       *expression
	expressions []*expression
	// lookups are in the order of Attributes, nil for those that are none.
	lookups []*lookup
	// set holds the constants of on_delete with their places in an Object.
	set []placed
	// wants is what the fields of the shape want, nil where it is not known.
	wants []want
	// holders is what is known of the rows that may hold a key; nil for nothing.
	holders atomic.Pointer[knownHolders]
}

// placed is a constant and the index of its value in an Object.
type placed struct {
	at    int
	value marketo.Value
}

// Compile checks defs and compiles what needs no database. The error is a
// Mistakes with everything that is wrong.
func Compile(defs []Definition) (*Set, error) {
	c := &checker{names: map[string]string{}, objects: map[string]string{}}
	s := &Set{}
	for i, d := range defs {
		s.mappings = append(s.mappings, c.compile(i, d))
	}
	if err := c.mistakes.err(); err != nil {
		return nil, err
	}
	s.bound.Store(&map[*pgoutput.Relation]*Fitted{})
	return s, nil
}

// Len returns the number of mappings.
func (s *Set) Len() int { return len(s.mappings) }

// Definition returns the definition of mapping i.
func (s *Set) Definition(i int) Definition { return s.mappings[i].definition }

// Shape returns what all objects of mapping i have in common. Its attributes
// are those of the definition, then those that only on_delete sets.
func (s *Set) Shape(i int) *marketo.Shape { return s.mappings[i].shape }

// Tables returns the source tables, each once, in the order of the mappings.
func (s *Set) Tables() []Table {
	var tables []Table
	for _, m := range s.mappings {
		t := Table{m.definition.Schema, m.definition.Table}
		if !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	return tables
}

// TableNames is Tables in the words of the catalog.
func (s *Set) TableNames() []catalog.TableName {
	var names []catalog.TableName
	for _, t := range s.Tables() {
		names = append(names, catalog.TableName(t))
	}
	return names
}

// Named returns the number of a mapping by its name.
func (s *Set) Named(name string) (i int, ok bool) {
	i = slices.IndexFunc(s.mappings, func(m *compiled) bool { return m.definition.Name == name })
	return i, i >= 0
}

// Mappings returns the indexes of the mappings of a table.
func (s *Set) Mappings(t Table) []int {
	var found []int
	for i, m := range s.mappings {
		if m.definition.Schema == t.Schema && m.definition.Table == t.Name {
			found = append(found, i)
		}
	}
	return found
}

// Columns returns the columns that mapping i reads, each once: those of the
// key, then those of the attributes, expressions and lookups.
func (s *Set) Columns(i int) []string {
	m := s.mappings[i]
	var columns []string
	add := func(name string) {
		if name != "" && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	for _, r := range m.definition.Key {
		add(r.Column)
	}
	for j, r := range m.definition.Attributes {
		add(r.Column)
		for _, name := range m.expressions[j].columnNames() {
			add(name)
		}
		for _, name := range r.matched() {
			add(name)
		}
	}
	for _, name := range m.where.columnNames() {
		add(name)
	}
	return columns
}

// Needs reports whether a mapping of t reads a column, under this name or a
// former one.
func (s *Set) Needs(t Table, column string) bool {
	for _, i := range s.Mappings(t) {
		if slices.Contains(s.Columns(i), column) || s.mappings[i].definition.hadColumn(column) {
			return true
		}
	}
	return false
}

// Bind fits the mappings of rel's table to it, before the first Apply or Row
// with rel. A relation of another table binds nothing and is no error.
// facts knows the types of rel that are not built in. The error is a Mistakes;
// then nothing of rel is bound and its changes must not be passed over: the
// caller stops.
func (s *Set) Bind(rel *pgoutput.Relation, facts *catalog.Facts) error {
	return s.bind(binder{table: Table{rel.Schema, rel.Name}, relation: rel, facts: facts})
}

// BindOne is Bind for mapping i alone, of a relation that has the columns of this
// mapping, and perhaps none of another one of the same table.
func (s *Set) BindOne(i int, rel *pgoutput.Relation, facts *catalog.Facts) error {
	return s.fit([]int{i}, binder{table: Table{rel.Schema, rel.Name}, relation: rel, facts: facts})
}

// Past says what a description in the stream is held against: it may be older
// than the table, which may have had another name then, and columns other names.
type Past struct {
	Table Table
	// Now is the table as the catalog describes it; nil when Lacks says that
	// nothing is lacking.
	Now *catalog.Table
	// Before is the description that the new one replaces; nil for none.
	Before *pgoutput.Relation
	// Without are mappings of the table that are not bound, whatever it is like.
	Without []int
}

// BindPast is Bind for a description in the stream. A column that it lacks and
// the table has is absent from all its changes, which then ask for their rows
// to be read.
func (s *Set) BindPast(past Past, rel *pgoutput.Relation, facts *catalog.Facts) error {
	return s.bind(binder{table: past.Table, relation: rel, past: &past, facts: facts})
}

// Lacks reports whether a description of t lacks a column that its mappings
// read, under all of its names.
func (s *Set) Lacks(t Table, rel *pgoutput.Relation) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(rel.Columns, func(c pgoutput.Column) bool { return c.Name == name })
	}
	for _, i := range s.Mappings(t) {
		m := s.mappings[i]
		for _, rules := range [][]Rule{m.definition.Key, m.definition.Attributes} {
			for _, r := range rules {
				if r.Column != "" && !has(r.Column) && !slices.ContainsFunc(r.Former, has) ||
					slices.ContainsFunc(r.matched(), func(name string) bool { return !has(name) }) {
					return true
				}
			}
		}
		for _, e := range slices.Concat(m.expressions, []*expression{m.where}) {
			for _, name := range e.columnNames() {
				if !has(name) {
					return true
				}
			}
		}
	}
	return false
}

// Fitted are the mappings that a description of a table is bound to.
type Fitted struct {
	plans []*plan
	// mappings are theirs, weak those of WithoutOldKey.
	mappings, weak []int
}

// Of returns what rel is bound to; nil, which has no mappings, where it is not.
func (s *Set) Of(rel *pgoutput.Relation) *Fitted { return (*s.bound.Load())[rel] }

// Mappings returns the mappings of the table. The list is not to be changed.
func (f *Fitted) Mappings() []int {
	if f == nil {
		return nil
	}
	return f.mappings
}

// WithoutOldKey returns the mappings whose key is not whole in the replica identity:
// an update does not tell the key that the row had, nor a delete the key of the row
// that went. The list is not to be changed.
func (f *Fitted) WithoutOldKey() []int {
	if f == nil {
		return nil
	}
	return f.weak
}

// bind fits the mappings of fit's table.
func (s *Set) bind(fit binder) error { return s.fit(s.Mappings(fit.table), fit) }

func (s *Set) fit(mappings []int, fit binder) error {
	rel := fit.relation
	to := new(Fitted)
	var mistakes Mistakes
	for _, i := range mappings {
		if fit.past != nil && slices.Contains(fit.past.Without, i) {
			continue
		}
		b := fit
		b.compiled = s.mappings[i]
		to.add(b.bind())
		mistakes = append(mistakes, b.mistakes...)
	}
	if err := mistakes.err(); err != nil {
		return err
	}
	if to.plans != nil {
		s.replace(func(all map[*pgoutput.Relation]*Fitted) { all[rel] = to })
	}
	return nil
}

func (f *Fitted) add(p *plan) {
	f.plans, f.mappings = append(f.plans, p), append(f.mappings, p.index)
	if p.weak {
		f.weak = append(f.weak, p.index)
	}
}

// Unbind forgets a relation that a newer one has replaced. Without it the old
// descriptions of a table stay in memory.
func (s *Set) Unbind(rel *pgoutput.Relation) {
	s.replace(func(all map[*pgoutput.Relation]*Fitted) { delete(all, rel) })
}

// Bound reports whether Apply knows rel.
func (s *Set) Bound(rel *pgoutput.Relation) bool { return (*s.bound.Load())[rel] != nil }

// replace puts an edited copy in place of the table of plans, so that readers
// need no lock.
func (s *Set) replace(edit func(map[*pgoutput.Relation]*Fitted)) {
	s.binding.Lock()
	defer s.binding.Unlock()
	all := maps.Clone(*s.bound.Load())
	edit(all)
	s.bound.Store(&all)
}

// plan returns the plan of mapping i for rel.
func (s *Set) plan(i int, rel *pgoutput.Relation) (*plan, error) {
	if b := (*s.bound.Load())[rel]; b != nil {
		for _, p := range b.plans {
			if p.index == i {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("mapping %d: the relation is not bound to it", i)
}

package mapping

import (
	"strconv"
	"strings"

	"github.com/expr-lang/expr/types"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// Lookup says that an attribute's value comes from a row of another table: the
// one that has, in columns of its own, what the mapped row has in columns of
// its. Where no row has it, or the mapped row has a null, the value is null.
// Several rows that have it are a Problem.
type Lookup struct {
	Schema, Table string
	// Column has the value.
	Column string
	// Match holds the columns that say which row it is; at least one.
	Match []Match
}

// Match is a column of the other table and the mapped table's column that it has
// to be equal to, by the equality of the other column's type.
type Match struct{ Theirs, Ours string }

// Theirs returns the other table's columns of Match.
func (l *Lookup) Theirs() []string {
	columns := make([]string, len(l.Match))
	for i, m := range l.Match {
		columns[i] = m.Theirs
	}
	return columns
}

// matched returns the mapped table's columns that a rule looks up by.
func (r *Rule) matched() (columns []string) {
	if r.Lookup != nil {
		for _, m := range r.Lookup.Match {
			columns = append(columns, m.Ours)
		}
	}
	return columns
}

// Sought is a value of another table that a Write lacks.
type Sought struct {
	// Attribute is the place of the rule among the definition's Attributes.
	Attribute int
	// Values are those of the rule's Match, in its order, as PostgreSQL writes
	// them. Nil when one is null, which no row is equal to.
	Values []string
}

// Found is what was found for a Sought.
type Found struct {
	// Column is the looked-up column as its table is described.
	Column *LookupColumn
	// Value is Null where no row has what was sought.
	Value pgoutput.Value
	// Several is set when more than one row has it.
	Several bool
	// Broken, when not "", says why the row that has it can never be read.
	Broken string
}

// LookupColumn is a looked-up column, fit to the description of its table.
type LookupColumn struct{ field field }

// FitLookup fits a lookup to its table as the catalog describes it. attribute is
// the place of the rule among the definition's Attributes. The error is a
// Mistakes.
func (s *Set) FitLookup(i, attribute int, t *catalog.Table) (*LookupColumn, error) {
	m := s.mappings[i]
	r := m.definition.Attributes[attribute]
	path := "attributes." + r.Attribute + ".lookup"
	b := binder{compiled: m, table: Table{t.Schema, t.Name}, relation: t.Relation(), facts: t.Facts()}
	f := field{label: "column " + strconv.Quote(r.Lookup.Column) + " of " + quoteTable(b.table) + " ", omitNull: r.OmitNull}
	at := b.ofLookup(path+".column", r.Lookup.Column)
	for _, match := range r.Lookup.Match {
		b.ofLookup(path+".match."+match.Theirs, match.Theirs)
	}
	if at >= 0 {
		f.format, _ = b.format(path+".column", at)
		f.want = b.wanted(len(m.shape.Key) + attribute)
		if e := m.lookups[attribute].expression; e != nil && len(b.mistakes) == 0 {
			f.label = "attribute " + strconv.Quote(r.Attribute) + ": "
			f.program = b.lookupProgram("attributes."+r.Attribute+".expr", e, f.format.kind)
		}
	}
	if err := b.mistakes.err(); err != nil {
		return nil, err
	}
	return &LookupColumn{f}, nil
}

// ofLookup finds a column of a table that is looked up in; -1 for none.
func (b *binder) ofLookup(path, name string) int {
	at, ok := b.find(name, nil)
	if !ok {
		b.wrong(path, "column %q is not in %s%s; it has %s. Correct the name in the mapping, or add the column to the table",
			name, quoteTable(b.table), spelling.Hint(name, b.names()), strings.Join(b.names(), ", "))
		return -1
	}
	return at
}

// lookupProgram compiles an expression over the value that was looked up.
func (b *binder) lookupProgram(path string, e *expression, kind formatKind) *program {
	columns := types.Map{}
	p := &program{}
	for _, name := range e.columns {
		columns[name] = inputType(kind)
		p.inputs = append(p.inputs, input{name: name, kind: kind})
	}
	code, err := e.compile(columns, false)
	if err != nil {
		b.wrong(path, "%v", err)
	}
	p.code = code
	return p
}

// lookup is a compiled Lookup; its expression is nil where the value goes as it
// is.
type lookup struct{ expression *expression }

// checkLookup looks at what can be known of a lookup without the tables.
func (c *checker) checkLookup(path string, r Rule) *lookup {
	l := r.Lookup
	path += ".lookup"
	switch {
	case l.Table == "" || l.Schema == "":
		c.wrong(path+".table", "is missing; write schema.table, of the table that has the value")
	case l.Column == "":
		c.wrong(path+".column", "is missing; name the column of the table that has the value")
	case len(l.Match) == 0:
		c.wrong(path+".match", "is missing; say which row it is, as {column of %s: column of this mapping's table}", l.Table)
	}
	if r.Expr == "" {
		return &lookup{}
	}
	e := c.expression("attributes."+r.Attribute+".expr", r.Expr)
	for _, name := range e.columnNames() {
		if name != l.Column {
			c.wrong("attributes."+r.Attribute+".expr", "uses %s; beside a lookup an expression has the column that is looked up alone: %s", name, l.Column)
		}
	}
	return &lookup{e}
}

// seeking is a lookup bound to the mapped table.
type seeking struct {
	inputs []input
	// computes is set when an expression takes what is found, also null.
	computes bool
}

// seeks binds the mapped table's columns of a lookup.
func (b *binder) seeks(path string, r Rule) *seeking {
	s := &seeking{computes: r.Expr != ""}
	for _, match := range r.Lookup.Match {
		in := input{name: match.Ours}
		if at, ok := b.column(path+".lookup.match."+match.Theirs, match.Ours); ok {
			if in.column = at; at != absent {
				f, _ := b.format(path+".lookup.match."+match.Theirs, at)
				in.kind = f.kind
			}
		}
		s.inputs = append(s.inputs, in)
	}
	return s
}

// seek notes that the value at is to be looked up. What an update left alone in
// the columns that say where leaves the value alone, too.
func (sc *scratch) seek(f *field, at int, v *view) lack {
	lacks := lacksNothing
	for _, in := range f.seeking.inputs {
		switch value := v.at(in.column); value.Kind {
		case pgoutput.Null:
			if f.seeking.computes {
				sc.sought = append(sc.sought, Sought{Attribute: at - len(sc.plan.key)})
			} else {
				sc.buf.Set(at, marketo.Null, 0, 0, false)
			}
			return lacksNothing
		case pgoutput.Unchanged:
			lacks = max(lacks, (&field{column: in.column}).lack())
		}
	}
	if lacks != lacksNothing {
		return lacks
	}
	values := make([]string, len(f.seeking.inputs))
	for i, in := range f.seeking.inputs {
		text := v.at(in.column).Text
		if in.kind == asBlankPadded {
			text, _, _ = (&format{kind: in.kind}).append(nil, text)
		}
		values[i] = string(text)
	}
	sc.sought = append(sc.sought, Sought{Attribute: at - len(sc.plan.key), Values: values})
	return lacksNothing
}

// Supply completes a write with what was found, one for each of its Sought. What
// cannot be rendered, or is not one row, becomes the write's Problem.
func (s *Set) Supply(w *Write, found []Found) {
	m := s.mappings[w.Mapping]
	sc := scratches.Get().(*scratch)
	defer scratches.Put(sc)
	sc.begin(&plan{compiled: m})
	for i := range m.shape.Len() {
		kind, text, plain := w.Object.Read(i)
		from := len(sc.buf)
		sc.buf = append(sc.buf, text...)
		sc.buf.Set(i, kind, from, len(sc.buf), plain)
		if i < len(m.shape.Key) {
			sc.buf = append(sc.buf, 0)
			sc.keyEnd = len(sc.buf)
		}
	}
	for i, sought := range w.Sought {
		sc.supply(&found[i], len(m.shape.Key)+sought.Attribute)
	}
	sc.finish(w, nil, true, w.Operation)
	if w.Problem != nil {
		w.Reread, w.Partial, w.Unsure = false, false, false
	}
	w.Sought = nil
}

// supply renders a value that was looked up into place at.
func (sc *scratch) supply(found *Found, at int) {
	f := &found.Column.field
	switch {
	case found.Several:
		sc.fail("lookup", f.label+"is in several rows that match; choose columns for match that are unique there, or remove the rows that are too many, then retry")
		return
	case found.Broken != "":
		sc.fail("lookup", f.label+found.Broken+"; fix the row, then retry")
		return
	case f.program != nil:
		sc.computed(f, at, &view{values: []pgoutput.Value{found.Value}})
	default:
		sc.copied(f, at, found.Value)
	}
	if f.omitNull && sc.buf.Kind(at) == marketo.Null {
		sc.buf.Set(at, marketo.Omitted, 0, 0, false)
	}
}

// Looks reports whether any attribute of the set is looked up.
func (s *Set) Looks() bool { return len(s.Lookups()) > 0 }

// AttributeLookup is a lookup with the attribute that it is for: the place of the
// rule among the Attributes of mapping number Mapping.
type AttributeLookup struct {
	*Lookup
	Mapping, Attribute int
}

// Lookups returns all lookups, in the order of the mappings.
func (s *Set) Lookups() (all []AttributeLookup) {
	for i, m := range s.mappings {
		for j, r := range m.definition.Attributes {
			if r.Lookup != nil {
				all = append(all, AttributeLookup{r.Lookup, i, j})
			}
		}
	}
	return all
}

package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/types"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// plan is a mapping bound to one description of its table.
type plan struct {
	*compiled
	columns    []pgoutput.Column
	key        []field
	attributes []field
	where      *program
	// weak is set when a part of the key is outside the replica identity.
	weak bool
}

// field is one value of an object: from a column, an expression, a constant or a
// lookup.
type field struct {
	// label opens a Problem's message: `column "city" `.
	label string
	// column is its place in the description, or absent.
	column   int
	format   format
	program  *program
	seeking  *seeking
	constant *marketo.Value
	omitNull bool
	want     want
}

// binder fits one mapping to a relation.
type binder struct {
	*compiled
	table    Table
	relation *pgoutput.Relation
	// past is nil when the description is that of the table as it is now.
	past     *Past
	facts    *catalog.Facts
	mistakes Mistakes
}

func (b *binder) wrong(path, format string, args ...any) {
	b.mistakes = append(b.mistakes, Mistake{b.index, b.definition.Name, path, fmt.Sprintf(format, args...)})
}

func (b *binder) bind() *plan {
	p := &plan{compiled: b.compiled, columns: b.relation.Columns}
	for _, r := range b.definition.Key {
		f := b.keyField(r)
		f.want = b.wanted(len(p.key))
		p.key = append(p.key, f)
		p.weak = p.weak || len(p.columns) > 0 && !p.columns[f.column].Key
	}
	for i, r := range b.definition.Attributes {
		f := b.attributeField(r, b.expressions[i])
		f.want = b.wanted(len(p.key) + i)
		if f.constant != nil {
			v := f.want.value(*f.constant)
			f.constant = &v
		}
		p.attributes = append(p.attributes, f)
	}
	if b.compiled.where != nil {
		p.where = b.program("where", b.compiled.where, true)
	}
	return p
}

func (b *binder) keyField(r Rule) field {
	path := "key." + r.Attribute
	f := field{label: "key column " + strconv.Quote(r.Column) + " "}
	at, ok := b.keyColumn(path, r)
	if !ok {
		return f
	}
	f.column = at
	fm, name := b.format(path, at)
	if fm.refusal() == "" && !fm.key {
		b.wrong(path, "column %q has type %s, which is not fit for a key: equal keys need equal texts; choose a column of an integer, text, uuid or date type", r.Column, name)
	}
	fm.inKey = true
	if locale := b.facts.Locale(r.Column); locale != "" {
		fm.loosely = equalIn(locale)
	}
	f.format = fm
	return f
}

func (b *binder) attributeField(r Rule, e *expression) field {
	path := "attributes." + r.Attribute
	f := field{label: "column " + strconv.Quote(r.Column) + " ", constant: r.Constant, omitNull: r.OmitNull}
	switch {
	case e != nil:
		f.label = "attribute " + strconv.Quote(r.Attribute) + ": "
		f.program = b.program(path+".expr", e, false)
	case r.Lookup != nil:
		f.seeking = b.seeks(path, r)
	case r.Constant == nil:
		at, ok := b.column(path, r.Column, r.Former...)
		f.column = at
		if ok && at != absent {
			f.format, _ = b.format(path, at)
		}
	}
	return f
}

// format returns how column at is rendered, and its type's name.
func (b *binder) format(path string, at int) (format, string) {
	c := b.relation.Columns[at]
	f, name, ok := formatOf(c.Type, b.facts)
	if name == "" {
		name = "OID " + strconv.FormatUint(uint64(c.Type), 10)
	}
	if !ok {
		b.wrong(path, "column %q has a type that is not known (%s); restart, and report it if it stays", c.Name, name)
	}
	if refusal := f.refusal(); refusal != "" {
		b.wrong(path, "column %q has type %s: %s", c.Name, name, refusal)
	}
	return f, name
}

// program compiles an expression against the types of the columns it uses.
func (b *binder) program(path string, e *expression, condition bool) *program {
	p := &program{}
	columns, found := types.Map{}, true
	for _, name := range e.columns {
		if _, is := b.find(name, nil); !is && strings.EqualFold(name, "null") {
			b.wrong(path, "uses %s, which is no column; write nil for null", name)
			found = false
			continue
		}
		at, ok := b.column(path, name)
		if !ok || at == absent {
			// It is never run for this description.
			found = false
			p.inputs = append(p.inputs, input{column: at, name: name})
			continue
		}
		f, _ := b.format(path, at)
		columns[name] = inputType(f.kind)
		p.inputs = append(p.inputs, input{column: at, name: name, kind: f.kind})
	}
	if !found {
		return p
	}
	code, err := e.compile(columns, condition)
	if err != nil {
		b.wrong(path, "%v", err)
	}
	p.code = code
	return p
}

func quoteTable(t Table) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	return quote(t.Schema) + "." + quote(t.Name)
}

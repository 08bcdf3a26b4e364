package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/types"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// plan is a mapping bound to one description of its table.
type plan struct {
	*compiled
	columns    []replication.Column
	key        []field
	attributes []field
	where      *program
}

// field is one value of an object: from a column, an expression or a constant.
type field struct {
	// label opens a Problem's message: `column "city" `.
	label    string
	column   int
	format   format
	program  *program
	constant *marketo.Value
	omitNull bool
}

// binder fits one mapping to a relation.
type binder struct {
	*compiled
	relation *replication.Relation
	facts    *replication.Facts
	mistakes Mistakes
}

func (b *binder) wrong(path, format string, args ...any) {
	b.mistakes = append(b.mistakes, Mistake{b.index, b.definition.Name, path, fmt.Sprintf(format, args...)})
}

func (b *binder) bind() *plan {
	p := &plan{compiled: b.compiled, columns: b.relation.Columns}
	for _, r := range b.definition.Key {
		p.key = append(p.key, b.keyField(r))
	}
	for i, r := range b.definition.Attributes {
		p.attributes = append(p.attributes, b.attributeField(r, b.expressions[i]))
	}
	if b.compiled.where != nil {
		p.where = b.program("where", b.compiled.where, true)
	}
	return p
}

func (b *binder) keyField(r Rule) field {
	path := "key." + r.Attribute
	f := field{label: "key column " + strconv.Quote(r.Column) + " "}
	at, ok := b.column(path, r.Column)
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
	if !b.relation.Columns[at].Key && b.relation.Identity != replication.IdentityNothing {
		b.wrong(path, "column %q is not part of the table's replica identity (%s), so that deletes and key changes would not carry it; key the object by the identity's columns (%s), or run: ALTER TABLE %s REPLICA IDENTITY FULL",
			r.Column, b.relation.Identity, b.identity(), quoteTable(b.relation))
	}
	return f
}

func (b *binder) attributeField(r Rule, e *expression) field {
	path := "attributes." + r.Attribute
	f := field{label: "column " + strconv.Quote(r.Column) + " ", constant: r.Constant, omitNull: r.OmitNull}
	switch {
	case e != nil:
		f.label = "attribute " + strconv.Quote(r.Attribute) + ": "
		f.program = b.program(path+".expr", e, false)
	case r.Constant == nil:
		if at, ok := b.column(path, r.Column); ok {
			f.column = at
			f.format, _ = b.format(path, at)
		}
	}
	return f
}

// column finds a column by its exact name.
func (b *binder) column(path, name string) (int, bool) {
	for i := range b.relation.Columns {
		if b.relation.Columns[i].Name == name {
			return i, true
		}
	}
	b.wrong(path, "column %q is not in what the stream sends of %s%s; it has %s. Correct the name, or add the column to the table or to the publication's column list",
		name, quoteTable(b.relation), spelling.Hint(name, b.names()), strings.Join(b.names(), ", "))
	return 0, false
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
		at, ok := b.column(path, name)
		if !ok {
			found = false
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

func (b *binder) names() []string {
	names := make([]string, len(b.relation.Columns))
	for i, c := range b.relation.Columns {
		names[i] = c.Name
	}
	return names
}

// identity lists the columns of the replica identity.
func (b *binder) identity() string {
	var names []string
	for _, c := range b.relation.Columns {
		if c.Key {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

func quoteTable(rel *replication.Relation) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	return quote(rel.Schema) + "." + quote(rel.Name)
}

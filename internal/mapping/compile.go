package mapping

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Marketo's limits for a custom object type.
const (
	maxDedupeFields = 3
	maxFields       = 50
)

// systemFields are set by Marketo itself, in lower case.
var systemFields = map[string]bool{"marketoguid": true, "createdat": true, "updatedat": true}

// checker compiles definitions one after the other and collects what is wrong.
type checker struct {
	mistakes Mistakes
	// names and objects map what is taken, in lower case, to the mapping that
	// has it.
	names, objects map[string]string

	index      int
	name       string
	beyond     BeyondPolicy
	attributes map[string]string
}

func (c *checker) wrong(path, format string, args ...any) {
	c.mistakes = append(c.mistakes, Mistake{c.index, c.name, path, fmt.Sprintf(format, args...)})
}

func (c *checker) compile(index int, d Definition) *compiled {
	c.index, c.name, c.beyond, c.attributes = index, d.Name, d.BeyondBMP, map[string]string{}
	m := &compiled{
		index:      index,
		definition: d,
		shape:      &marketo.Shape{Type: d.Object},
		prefix:     strings.ToLower(d.Object) + "\x00",
	}
	c.checkNames(d)
	if d.Operation > marketo.Update {
		c.wrong("operation", "is %d; allowed are UPSERT, INSERT and UPDATE", d.Operation)
	}
	if d.Where != "" {
		m.where = c.expression("where", d.Where)
	}
	c.checkKey(m)
	c.checkAttributes(m)
	c.checkDelete(m)
	if n := m.shape.Len(); n > maxFields {
		c.wrong("attributes", "makes %d fields with the key; Marketo allows %d in one custom object type", n, maxFields)
	}
	return m
}

func (c *checker) checkNames(d Definition) {
	switch {
	case d.Name == "" && d.Table == "":
		// The name follows from the table, which is missing.
	case !validName(d.Name, "-."):
		c.wrong("name", "is %q; allowed are letters, digits and _ - . up to 100, so set a name where the table's does not fit", d.Name)
	case c.names[strings.ToLower(d.Name)] != "":
		c.wrong("name", "is already the name of another mapping; each needs its own")
	default:
		c.names[strings.ToLower(d.Name)] = d.Name
	}
	if d.Table == "" || d.Schema == "" {
		c.wrong("table", "is missing; write schema.table")
	}
	switch other := c.objects[strings.ToLower(d.Object)]; {
	case d.Object == "":
		c.wrong("object", "is missing; give the API name of the custom object type")
	case !validName(d.Object, ""):
		c.wrong("object", "is %q; an API name has letters, digits and underscores only", d.Object)
	case other != "":
		c.wrong("object", "is already written by mapping %q; one custom object type belongs to one mapping, or the two would overwrite each other", other)
	default:
		c.objects[strings.ToLower(d.Object)] = d.Name
	}
}

func (c *checker) checkKey(m *compiled) {
	rules := m.definition.Key
	if len(rules) == 0 {
		c.wrong("key", "is missing; give at least one dedupe field and its column")
	}
	if len(rules) > maxDedupeFields {
		c.wrong("key", "has %d fields; Marketo allows %d dedupe fields", len(rules), maxDedupeFields)
	}
	for _, r := range rules {
		path := "key." + r.Attribute
		c.checkAttribute(path, r.Attribute)
		switch {
		case r.Lookup != nil:
			c.wrong(path, "is a lookup; when a row goes, or its key changes, the other table may have changed before, so that nobody would know which object that is; a key comes from a column of the replica identity")
		case r.Column == "" || r.Expr != "" || r.Constant != nil:
			c.wrong(path, "is not a column; a key comes from a column of the replica identity")
		}
		if r.OmitNull {
			c.wrong(path, `has "null: omit"; an object without its key cannot be written`)
		}
		m.shape.Key = append(m.shape.Key, r.Attribute)
	}
}

func (c *checker) checkAttributes(m *compiled) {
	for _, r := range m.definition.Attributes {
		path := "attributes." + r.Attribute
		c.checkAttribute(path, r.Attribute)
		var e *expression
		var l *lookup
		switch sources := count(r.Column != "", r.Expr != "" && r.Lookup == nil, r.Constant != nil, r.Lookup != nil); {
		case sources != 1:
			c.wrong(path, "has %d sources; give exactly one of column, expr, value and lookup", sources)
		case r.Lookup != nil:
			l = c.checkLookup(path, r)
		case r.Expr != "":
			e = c.expression(path+".expr", r.Expr)
		case r.Constant != nil:
			c.checkConstant(path, *r.Constant)
		}
		m.expressions = append(m.expressions, e)
		m.lookups = append(m.lookups, l)
		m.shape.Attributes = append(m.shape.Attributes, r.Attribute)
	}
}

func (c *checker) checkDelete(m *compiled) {
	policy := m.definition.OnDelete
	if policy.Delete && len(policy.Set) > 0 {
		c.wrong("on_delete", "both deletes and sets; choose one")
	}
	seen := map[string]bool{}
	for _, r := range policy.Set {
		path, lower := "on_delete.set."+r.Attribute, strings.ToLower(r.Attribute)
		if seen[lower] {
			c.wrong(path, "is set twice")
			continue
		}
		seen[lower] = true
		if r.Constant == nil || r.Column != "" || r.Expr != "" || r.Lookup != nil {
			c.wrong(path, "is not a constant; the row is gone, so only constants can be set")
			continue
		}
		c.checkConstant(path, *r.Constant)
		if at, ok := c.place(m, path, r.Attribute); ok {
			m.set = append(m.set, placed{at, *r.Constant})
		}
	}
}

// place finds the attribute in the shape of m, or adds it there.
func (c *checker) place(m *compiled, path, attribute string) (int, bool) {
	for _, name := range m.shape.Key {
		if strings.EqualFold(name, attribute) {
			c.wrong(path, "is part of the key, which cannot be changed")
			return 0, false
		}
	}
	for i, name := range m.shape.Attributes {
		if strings.EqualFold(name, attribute) {
			return len(m.shape.Key) + i, true
		}
	}
	c.checkAttribute(path, attribute)
	m.shape.Attributes = append(m.shape.Attributes, attribute)
	return m.shape.Len() - 1, true
}

func (c *checker) checkAttribute(path, name string) {
	lower := strings.ToLower(name)
	switch {
	case !validName(name, ""):
		c.wrong(path, "is no field name; API names have letters, digits and underscores only")
	case systemFields[lower]:
		c.wrong(path, "is set by Marketo itself and cannot be written; leave it out")
	case c.attributes[lower] != "":
		c.wrong(path, "is given twice (also as %s; Marketo does not tell upper from lower case)", c.attributes[lower])
	default:
		c.attributes[lower] = path
	}
}

func (c *checker) checkConstant(path string, v marketo.Value) {
	ok := true
	switch v.Kind {
	case marketo.Null, marketo.String:
		ok = firstBad([]byte(v.Text)) < 0
		if c.beyond != BeyondKeep && firstBeyond([]byte(v.Text)) >= 0 {
			c.wrong(path, "is a constant with a character beyond U+FFFF, which beyond_bmp keeps from Marketo; write another text, or set beyond_bmp: keep")
		}
	case marketo.Number:
		ok = isNumber([]byte(v.Text))
	case marketo.Boolean:
		ok = v.Text == "true" || v.Text == "false"
	default:
		ok = false
	}
	if !ok {
		c.wrong(path, "is a constant that Marketo cannot hold; allowed are text, decimal numbers, true, false and null")
	}
}

func (c *checker) expression(path, source string) *expression {
	e, err := parseExpression(source)
	if err != nil {
		c.wrong(path, "%v", err)
	}
	return e
}

// validName reports whether name has 1 to 100 letters, digits, underscores
// and characters of extra.
func validName(name, extra string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
		case !strings.ContainsRune(extra, r):
			return false
		}
	}
	return true
}

func count(given ...bool) int {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	return n
}

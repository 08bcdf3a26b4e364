package simulator

import (
	"strings"
	"time"
)

// schema is a Type compiled for lookups. A schema never changes: a learnt
// type that grows gets a new one whose first columns are the old ones, so a
// row written by an older schema stays readable.
type schema struct {
	name    string
	fields  []Field // a field's index is its column in rows
	columns map[string]int
	key     []int // columns of the dedupe fields
	open    bool  // unknown attributes are added
	folds   bool  // keys are compared without case and trailing blanks
	link    Link
	assets  []Asset
	made    time.Time
}

func newSchema(t Type, open bool) *schema {
	s := &schema{name: t.Name, open: open, folds: t.Keys == FoldKeys, link: t.Link, assets: t.Assets, made: t.Created, columns: map[string]int{}}
	if s.made.IsZero() {
		s.made = time.Now()
	}
	for _, field := range t.Fields {
		s.columns[field.Name] = len(s.fields)
		s.fields = append(s.fields, field)
	}
	for _, name := range t.Dedupe {
		if _, ok := s.columns[name]; !ok {
			s.columns[name] = len(s.fields)
			s.fields = append(s.fields, Field{Name: name, Type: anything})
		}
		s.key = append(s.key, s.columns[name])
	}
	return s
}

// with returns a schema that has one more field.
func (s *schema) with(name string) *schema {
	grown := &schema{name: s.name, key: s.key, open: s.open, folds: s.folds, link: s.link, assets: s.assets, made: s.made, columns: make(map[string]int, len(s.columns)+1)}
	for other, column := range s.columns {
		grown.columns[other] = column
	}
	grown.columns[name] = len(s.fields)
	grown.fields = append(s.fields[:len(s.fields):len(s.fields)], Field{Name: name, Type: anything})
	return grown
}

// keyOf returns the Key of an object with these values of the dedupe fields.
func (s *schema) keyOf(values ...string) string {
	if !s.folds {
		return Key(values...)
	}
	folded := make([]string, len(values))
	for i, value := range values {
		folded[i] = foldKey(value)
	}
	return Key(folded...)
}

func foldKey(value string) string {
	return strings.ToLower(strings.ToUpper(strings.TrimRight(value, " ")))
}

// same reports whether two values of a column are one to the instance.
func (s *schema) same(column int, a, b string) bool {
	return a == b || s.folds && s.isKey(column) && foldKey(a) == foldKey(b)
}

func (s *schema) isKey(column int) bool {
	for _, key := range s.key {
		if key == column {
			return true
		}
	}
	return false
}

func (s *schema) dedupe() []string {
	names := make([]string, len(s.key))
	for i, column := range s.key {
		names[i] = s.fields[column].Name
	}
	return names
}

var keyEscaper = strings.NewReplacer(`\`, `\\`, `|`, `\|`)

// Key returns the text by which objects are named in Objects, in the call log
// and in the control API: the values of the dedupe fields, in the order of
// the type, joined by "|". A "|" or "\" inside a value is escaped by "\".
func Key(values ...string) string {
	if len(values) == 1 && !strings.ContainsAny(values[0], `|\`) {
		return values[0]
	}
	var b strings.Builder
	for i, value := range values {
		if i > 0 {
			b.WriteByte('|')
		}
		if strings.ContainsAny(value, `|\`) {
			value = keyEscaper.Replace(value)
		}
		b.WriteString(value)
	}
	return b.String()
}

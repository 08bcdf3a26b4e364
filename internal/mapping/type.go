package mapping

import (
	"bytes"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

const reasonGone = "has a type that the database no longer has, so that a list cannot be told from a text that begins with a brace; " +
	"retry the object, so that its row is read from the table"

// typeReader finds out how values of a type are rendered.
type typeReader struct {
	facts *catalog.Facts
	// depth ends a chain of types that the catalog cannot have.
	depth int
}

// deepest is the longest chain of domains and arrays that is followed.
const deepest = 100

// formatOf returns the format and the name of a type; false when nothing is
// known of it.
func formatOf(oid uint32, facts *catalog.Facts) (f format, name string, ok bool) {
	r := typeReader{facts: facts}
	return r.format(oid)
}

func (r *typeReader) format(oid uint32) (format, string, bool) {
	for _, t := range builtins {
		if t.oid == oid || t.array == oid {
			f, name := t.format(t.array == oid)
			return f, name, true
		}
	}
	if t, ok := r.facts.Type(oid); ok && r.depth < deepest {
		r.depth++
		return r.described(t)
	}
	if n, ok := r.facts.Name(oid); ok {
		f, name := formatNamed(n)
		return f, name, true
	}
	return format{kind: asText}, "", oid < pgoutput.FixedOIDs
}

// described returns the format of a type that the catalog describes.
func (r *typeReader) described(t catalog.TypeFacts) (format, string, bool) {
	switch {
	case t.Base != 0:
		f, _, ok := r.format(t.Base)
		return f, t.Name, ok
	case t.Element != 0:
		element, name, ok := r.format(t.Element)
		if len(t.Delimiter) != 1 {
			return format{}, t.Name, false
		}
		return format{kind: asArray, element: &element, delimiter: t.Delimiter[0]}, name + "[]", ok
	}
	f := format{kind: asText}
	switch t.Kind {
	case catalog.BaseType, catalog.EnumType:
		f.key = true
	}
	if t.Citext {
		f.loosely = equalCitext
	}
	return f, t.Name, true
}

// formatNamed returns the format of a type that only the stream knows, by its
// name: the base type of a domain, or a type that is gone meanwhile. An empty
// schema stands for pg_catalog.
func formatNamed(n pgoutput.TypeName) (format, string) {
	if n.Schema == "" || n.Schema == "pg_catalog" {
		name, array := strings.CutPrefix(n.Name, "_")
		for _, t := range builtins {
			if t.name == name {
				return t.format(array)
			}
		}
	}
	if strings.HasPrefix(n.Name, "_") {
		// PostgreSQL names the array type of t _t. Others may begin so, too.
		return format{kind: asTextOrArray}, n.Name
	}
	return format{kind: asText, key: true}, n.Name
}

// mayBeArray reports whether text is what an array may look like.
func mayBeArray(text []byte) bool {
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// same reports whether PostgreSQL takes two texts of the column for equal, or
// they make the same key: then the key has not changed.
func (f *format) same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if f.loosely != nil && f.loosely(a, b) {
		return true
	}
	first, _, reason := f.append(nil, a)
	if reason != "" {
		return false
	}
	second, _, reason := f.append(nil, b)
	return reason == "" && bytes.Equal(first, second)
}

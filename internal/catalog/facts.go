package catalog

import "github.com/cdcsync/cdcsync/internal/pgoutput"

// TypeKind is pg_type.typtype.
type TypeKind string

const (
	BaseType       TypeKind = "b"
	CompositeType  TypeKind = "c"
	DomainType     TypeKind = "d"
	EnumType       TypeKind = "e"
	MultirangeType TypeKind = "m"
	RangeType      TypeKind = "r"
)

// TypeFacts is a type as the catalog describes it. Arrays are told by what writes
// their text, not by their names: a type may be called _mood and be none.
type TypeFacts struct {
	OID    uint32   `json:"oid"`
	Schema string   `json:"schema"`
	Name   string   `json:"name"`
	Kind   TypeKind `json:"kind"`
	// Base is the type that a domain is made from, 0 for all others.
	Base uint32 `json:"base"`
	// Element is the type of an array's elements, 0 for all others, and
	// Delimiter what stands between them.
	Element   uint32 `json:"element"`
	Delimiter string `json:"delimiter"`
	// Citext is set for the type of the extension of that name.
	Citext bool `json:"citext"`
}

// Facts is what is known of a relation beyond what describes it in the stream.
// The zero value and nil know the types that are the same in every database,
// and nothing else.
type Facts struct {
	// Types holds the other types of the columns, and all they are made from.
	Types map[uint32]TypeFacts
	// Named holds types that the catalog has no more, by the names that the
	// stream gave them; see TypeName.
	Named map[uint32]pgoutput.TypeName
	// Locales holds the columns whose collation takes texts for equal that
	// are not the same, with the locale that says which: ICU's.
	Locales map[string]string
}

// Type returns a type by its OID.
func (f *Facts) Type(oid uint32) (TypeFacts, bool) {
	if f == nil {
		return TypeFacts{}, false
	}
	t, ok := f.Types[oid]
	return t, ok
}

// Name returns the name of a type that only the stream knows.
func (f *Facts) Name(oid uint32) (pgoutput.TypeName, bool) {
	if f == nil {
		return pgoutput.TypeName{}, false
	}
	n, ok := f.Named[oid]
	return n, ok
}

// Locale returns the locale of a column that compares loosely, "" for others.
func (f *Facts) Locale(column string) string {
	if f == nil {
		return ""
	}
	return f.Locales[column]
}

// Package agreement compares the rows of mapped tables with the custom objects
// that were made from them.
//
// Compare reads every mapped table in one REPEATABLE READ transaction, renders
// the rows as delivery does, and holds the objects against them. It promises
// that a row without its object, an object that no row and no on_delete
// explains, and an attribute that differs are each found and named.
//
// It compares what should be equal at quiet: while changes are on their way,
// differences are no mistakes. It holds every row in memory, so it is for
// tests and the demo, and it takes the key columns of a mapping to be unique.
package agreement

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Compare holds the objects against the rows. objects returns those of a
// custom object type under any key of its own, each as its fields with null
// fields left out, dedupe fields included, as simulator.Simulator.Objects
// does; it is called after all tables were read. An error means that there was
// nothing to compare: the database did not answer, or a table does not fit its
// mapping.
func Compare(ctx context.Context, source *replication.Source, set *mapping.Set, objects func(typeName string) map[string]map[string]string) (Report, error) {
	c := newComparison(set)
	if err := c.readTables(ctx, source); err != nil {
		return Report{}, err
	}
	return c.conclude(objects), nil
}

// Report is the result of a comparison.
type Report struct {
	// Mappings holds a Tally for each mapping, in their order.
	Mappings []Tally
	// Findings are the first disagreements of each mapping and kind, at most
	// MaxFindings, ordered by mapping, kind and key.
	Findings []Finding
}

// MaxFindings is the most findings of one kind that a Report names for a
// mapping; its Tally counts all of them.
const MaxFindings = 10

// Tally counts the rows and objects of one mapping. A custom object type has
// one mapping, so all objects of the type are its own.
type Tally struct {
	// Name is the mapping's name and Type its custom object type.
	Name, Type string
	// Rows counts the rows that should have an object.
	Rows int
	// Filtered counts the rows that do not match where, Unmappable those that
	// cannot become an object: theirs are parked, and not compared.
	Filtered, Unmappable int
	// Objects counts the objects that are there, Retained those of them that
	// have no row and may stay, because on_delete does not delete.
	Objects, Retained int
	// Missing counts rows without an object, Extra objects without a row that
	// should not be there, Different objects with an attribute that differs.
	Missing, Extra, Different int
}

// Agrees reports whether nothing disagrees.
func (t Tally) Agrees() bool { return t.Missing+t.Extra+t.Different == 0 }

// Agrees reports whether nothing disagrees. Unmappable rows do not count.
func (r Report) Agrees() bool {
	return !slices.ContainsFunc(r.Mappings, func(t Tally) bool { return !t.Agrees() })
}

// Total sums up all mappings.
func (r Report) Total() Tally {
	var sum Tally
	for _, t := range r.Mappings {
		sum.Rows += t.Rows
		sum.Filtered += t.Filtered
		sum.Unmappable += t.Unmappable
		sum.Objects += t.Objects
		sum.Retained += t.Retained
		sum.Missing += t.Missing
		sum.Extra += t.Extra
		sum.Different += t.Different
	}
	return sum
}

// Kind is a way to disagree.
type Kind uint8

const (
	// Missing: a row has no object.
	Missing Kind = iota
	// Extra: an object has no row, and on_delete would have deleted it.
	Extra
	// Different: an attribute differs, from the row or from what on_delete
	// sets.
	Different
)

func (k Kind) String() string { return [...]string{"missing", "extra", "different"}[k] }

// Finding is one object that disagrees. It holds row values: it is not for
// logs.
type Finding struct {
	Kind Kind
	Type string
	// Key holds the values of the dedupe fields as "field=value".
	Key []string
	// Attributes are those that differ; only where Kind is Different.
	Attributes []Attribute
}

// Attribute is one attribute that differs.
type Attribute struct {
	Name string
	// Want is the row's value and Got the object's; "" is null.
	Want, Got string
}

func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Kind.String() + ": " + f.Type + " " + strings.Join(f.Key, ", "))
	for i, a := range f.Attributes {
		b.WriteString([...]string{": ", "; "}[min(i, 1)])
		b.WriteString(a.Name + " is " + quoted(a.Got) + ", should be " + quoted(a.Want))
	}
	return b.String()
}

// quoted shows a value, and only the start of a long one.
func quoted(value string) string {
	const most = 40
	switch runes := []rune(value); {
	case value == "":
		return "null"
	case len(runes) > most:
		return `"` + string(runes[:most]) + `..."`
	}
	return `"` + value + `"`
}

// found puts findings in order and cuts them short.
func found(findings []Finding) []Finding {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), slices.Compare(a.Key, b.Key))
	})
	var first []Finding
	counts := [3]int{}
	for _, f := range findings {
		if counts[f.Kind]++; counts[f.Kind] <= MaxFindings {
			first = append(first, f)
		}
	}
	return first
}

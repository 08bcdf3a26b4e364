package agreement

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// comparison gathers what the rows ask for, by mapping.
type comparison struct {
	set      *mapping.Set
	mappings []*wanted
}

// wanted is what the rows of one mapping ask of its objects.
type wanted struct {
	tally Tally
	index int
	shape *marketo.Shape
	// objects holds those that rows ask for, by key; parked the keys of rows
	// that cannot become an object.
	objects  map[string]marketo.Object
	parked   map[string]bool
	findings []Finding
}

func newComparison(set *mapping.Set) *comparison {
	c := &comparison{set: set}
	for i := range set.Len() {
		d := set.Definition(i)
		c.mappings = append(c.mappings, &wanted{
			tally: Tally{Name: d.Name, Type: d.Object}, index: i, shape: set.Shape(i),
			objects: map[string]marketo.Object{}, parked: map[string]bool{},
		})
	}
	return c
}

// row notes what one row asks of the objects of mapping i.
func (c *comparison) row(i int, rel *pgoutput.Relation, values []pgoutput.Value) error {
	w, matches, err := c.set.Row(i, rel, values)
	if err != nil {
		return err
	}
	m := c.mappings[i]
	switch {
	case !matches:
		m.tally.Filtered++
	case w.Problem != nil:
		m.tally.Unmappable++
		m.parked[keyOf(w.Object)] = true
	default:
		m.tally.Rows++
		m.objects[keyOf(w.Object)] = w.Object
	}
	return nil
}

func (c *comparison) conclude(objects func(string) map[string]map[string]string) Report {
	var r Report
	for _, m := range c.mappings {
		c.compare(m, objects(m.tally.Type))
		r.Mappings = append(r.Mappings, m.tally)
		r.Findings = append(r.Findings, found(m.findings)...)
	}
	return r
}

func (c *comparison) compare(m *wanted, objects map[string]map[string]string) {
	operation := c.set.Definition(m.index).Operation
	m.tally.Objects = len(objects)
	seen := make(map[string]bool, len(objects))
	for _, fields := range objects {
		has := bare(m.shape, fields)
		key := keyOf(has)
		seen[key] = true
		want, ok := m.objects[key]
		switch {
		case m.parked[key]:
			// Its value is that of an older row, whichever.
		case !ok:
			c.withoutRow(m, has, fields)
		case operation == marketo.Insert:
			// An insert leaves an object alone that exists: the value is that
			// of the row when it was new, and that is gone.
		default:
			m.differs(want, append(differ(want, fields), m.unknown(fields)...))
		}
	}
	if operation == marketo.Update {
		return // an update alone does not create what is missing
	}
	for key, want := range m.objects {
		if !seen[key] {
			m.tally.Missing++
			m.findings = append(m.findings, Finding{Kind: Missing, Type: m.tally.Type, Key: keyFields(want)})
		}
	}
}

// unknown returns the fields that the mapping never writes.
func (m *wanted) unknown(fields map[string]string) []Attribute {
	var attributes []Attribute
	for name, value := range fields {
		if !slices.Contains(m.shape.Key, name) && !slices.Contains(m.shape.Attributes, name) {
			attributes = append(attributes, Attribute{Name: name, Got: value})
		}
	}
	return attributes
}

func (m *wanted) differs(object marketo.Object, differences []Attribute) {
	if len(differences) == 0 {
		return
	}
	slices.SortFunc(differences, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	m.tally.Different++
	m.findings = append(m.findings, Finding{Kind: Different, Type: m.tally.Type, Key: keyFields(object), Attributes: differences})
}

// withoutRow judges an object whose row is not there, or does not match: it is
// right when it is what on_delete leaves.
func (c *comparison) withoutRow(m *wanted, has marketo.Object, fields map[string]string) {
	gone, acts := c.set.Gone(mapping.Write{Mapping: m.index, Object: has})
	if acts && gone.Operation == marketo.Delete {
		m.tally.Extra++
		m.findings = append(m.findings, Finding{Kind: Extra, Type: m.tally.Type, Key: keyFields(has)})
		return
	}
	var differences []Attribute
	if acts {
		differences = differ(gone.Object, fields)
	}
	if len(differences) == 0 {
		m.tally.Retained++
		return
	}
	m.differs(has, differences)
}

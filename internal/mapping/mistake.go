package mapping

import "strings"

// Mistake is one thing wrong with a definition.
type Mistake struct {
	// Mapping is the index of the definition.
	Mapping int
	// Name is the definition's name, "" where it has none.
	Name string
	// Path is the place inside the definition as the configuration spells it:
	// "object", "key.rid", "attributes.city.expr", "on_delete.set.active".
	Path string
	// Text says what was found and what is allowed.
	Text string
}

func (m Mistake) Error() string {
	return `mapping "` + m.Name + `": ` + m.Path + ": " + m.Text
}

// Mistakes is every mistake of one Compile or Bind, in the order of the
// definitions.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// err returns m as an error, nil when there is none.
func (m Mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

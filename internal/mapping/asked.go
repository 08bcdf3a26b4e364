package mapping

import "strings"

// Unknown says why nothing goes by the mapping or the key that somebody named. Asking
// again is answered in the same way.
type Unknown string

func (u Unknown) Error() string { return string(u) }

// Mistaken tells it from what may go well another time.
func (Unknown) Mistaken() {}

// Find returns the index of the mapping of a name that somebody gave.
func (s *Set) Find(name string) (int, error) {
	if i, ok := s.Named(name); ok {
		return i, nil
	}
	var known []string
	for _, m := range s.mappings {
		known = append(known, m.definition.Name)
	}
	return 0, Unknown("there is no mapping " + name + "; there are " + strings.Join(known, ", "))
}

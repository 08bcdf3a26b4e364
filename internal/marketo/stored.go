package marketo

import (
	"errors"
	"strings"
)

// ErrUnaskable says that Marketo was not asked for those keys of a Query that are not
// Listable; all else of the answer is right.
var ErrUnaskable = errors.New("marketo cannot be asked for a key of one field that has a comma or nothing in it")

// Listable reports whether a key of one field may stand in a list with commas.
func Listable(text string) bool { return text != "" && !strings.Contains(text, ",") }

// Query asks what Marketo has of objects that are known by their keys.
type Query struct {
	// Type is the API name of the custom object type.
	Type string
	// Key has the names of all its dedupe fields, Fields those of others that are
	// wanted.
	Key, Fields []string
	// Keys are the values of Key, of one object each.
	Keys [][]Value
}

// Names returns the fields of a Stored, in their order.
func (q *Query) Names() []string { return append(append([]string(nil), q.Key...), q.Fields...) }

// Stored is an object as Marketo has it. A key that it has no object of has no
// Stored, and one that it has several of has as many: who asked tells them apart
// by Values.
type Stored struct {
	// Values are those of the Query's Key, and then of its Fields: String, Number or
	// Boolean as Marketo writes them, Null where it has none.
	Values []Value
	// GUID, Created and Updated are Marketo's own; "" where an API does not say.
	GUID, Created, Updated string
}

package marketo

import "strings"

// Kind says what a Value is. The zero Kind is Omitted, so that an attribute
// nobody set is an attribute that stays as it is.
type Kind uint8

const (
	// Omitted is not sent: Marketo keeps what it has.
	Omitted Kind = iota
	// Null is sent as the empty value, which clears the attribute.
	Null
	// String is text, dates and timestamps included.
	String
	// Number is a decimal literal that is also a JSON number.
	Number
	// Boolean is the text "true" or "false".
	Boolean
)

// Value is one attribute's value. Text is empty unless Kind is String, Number
// or Boolean; it never holds a character that XML 1.0 cannot carry (the
// mapping sees to that).
type Value struct {
	Kind Kind
	Text string
}

// Shape is what all objects of one mapping have in common: the custom object
// type and the names of its attributes. Shapes are made once and shared.
type Shape struct {
	// Type is the API name of the custom object type, as configured.
	Type string
	// Key holds the names of the dedupe fields, in the order of the wire.
	Key []string
	// Attributes holds the names of all other attributes.
	Attributes []string
}

// Len returns the number of all names.
func (s *Shape) Len() int { return len(s.Key) + len(s.Attributes) }

// Name returns name i, counted over the key and then the attributes.
func (s *Shape) Name(i int) string {
	if n := len(s.Key); i >= n {
		return s.Attributes[i-n]
	}
	return s.Key[i]
}

// WriteKey writes the dedupe fields, of which these are the values, as people do:
// rid=1,part=a.
func (s *Shape) WriteKey(values []Value) string {
	var parts []string
	for i, name := range s.Key {
		parts = append(parts, name+"="+values[i].Text)
	}
	return strings.Join(parts, ",")
}

// Operation is what a call asks Marketo to do with its objects.
type Operation uint8

const (
	// Upsert creates an object or updates the one that has its key.
	Upsert Operation = iota
	// Insert creates an object and skips one that exists.
	Insert
	// Update changes an object and skips one that does not exist.
	Update
	// Delete removes an object; deleting a missing one succeeds.
	Delete
)

func (op Operation) String() string {
	return [...]string{"UPSERT", "INSERT", "UPDATE", "DELETE"}[op]
}

// Batch is what one call carries: objects of one type and one operation, no
// key twice, within the Capacity of the client.
type Batch struct {
	Type      string
	Operation Operation
	Objects   []Object
}

package marketo

// Description is what Marketo knows about a custom object type.
type Description struct {
	Name string `json:"name"`
	// IDField is Marketo's own id, usually marketoGUID.
	IDField string `json:"idField"`
	// DedupeFields are the fields that identify an object.
	DedupeFields []string `json:"dedupeFields"`
	Fields       []Field  `json:"fields"`
	// Learnt is set by the simulator for a type that takes any field, so that
	// those it has say nothing.
	Learnt bool `json:"learnt"`
}

// Field is one field of a custom object type.
type Field struct {
	Name string `json:"name"`
	// DataType is Marketo's word, such as string, integer, datetime.
	DataType string `json:"dataType"`
	// Length is the most characters of a string; 0 where it has none.
	Length int `json:"length"`
	// Updateable is not set for what Marketo fills in itself.
	Updateable bool `json:"updateable"`
}

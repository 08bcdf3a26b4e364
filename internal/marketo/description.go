package marketo

import "fmt"

// Description is what Marketo knows about a custom object type.
type Description struct {
	Name string `json:"name"`
	// IDField is Marketo's own id, usually marketoGUID.
	IDField string `json:"idField"`
	// DedupeFields are the fields that identify an object.
	DedupeFields []string `json:"dedupeFields"`
	// Fields is empty where the type comes from a list of all types.
	Fields []Field `json:"fields"`
	// Links are the fields that link an object to others, such as to a lead.
	Links []Link `json:"relationships"`
	// CreatedAt is when the type was made, as Marketo writes it; "" where it does
	// not say.
	CreatedAt string `json:"createdAt"`
	// DisplayName is what people see.
	DisplayName string `json:"displayName"`
	// Learnt is set by the simulator for a type that takes any field, so that
	// those it has say nothing.
	Learnt bool `json:"learnt"`
}

// Link is a field that links an object of the type to another object.
type Link struct {
	Field string `json:"field"`
	// RelatedTo is what it links to. Marketo calls its type Name or, in places,
	// Object: "Lead", "Company", or a custom object type.
	RelatedTo struct {
		Name   string `json:"name"`
		Object string `json:"object"`
		Field  string `json:"field"`
	} `json:"relatedTo"`
}

// Type returns the type that the field links to.
func (l Link) Type() string {
	if l.RelatedTo.Name == "" {
		return l.RelatedTo.Object
	}
	return l.RelatedTo.Name
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

// Asset is a part of Marketo that uses a custom object type, such as a campaign that
// waits for objects to be created: sending objects may set it off.
type Asset struct {
	// Type is Marketo's word, such as "Smart Campaign".
	Type string `json:"assetType"`
	ID   int64  `json:"assetId"`
	Name string `json:"assetName"`
	// UsedFields are those of the type that it looks at.
	UsedFields []string `json:"usedFields"`
}

// String is how people find it.
func (a Asset) String() string { return fmt.Sprintf("%s %q (%d)", a.Type, a.Name, a.ID) }

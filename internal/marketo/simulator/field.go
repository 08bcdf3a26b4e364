package simulator

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// FieldType is the type of a custom object field.
type FieldType string

const (
	// String holds up to 255 characters, or the field's Length.
	String FieldType = "string"
	// Text holds up to 30,000 bytes, or the field's Length in characters.
	Text FieldType = "text"
	// Integer holds 64 bits; fractions are refused.
	Integer FieldType = "integer"
	// Float and Currency hold a double: further digits are lost.
	Float    FieldType = "float"
	Currency FieldType = "currency"
	// Boolean accepts true and false, and over SOAP 1 and 0.
	Boolean FieldType = "boolean"
	// Date is YYYY-MM-DD.
	Date FieldType = "date"
	// DateTime is W3C with an offset; fractions of a second are dropped and
	// it is stored in UTC. A time without an offset is refused, because
	// nothing says which zone it would be in.
	DateTime FieldType = "datetime"
	Email    FieldType = "email"
	Phone    FieldType = "phone"
	// URL has a scheme. Marketo's describe call says "link".
	URL FieldType = "url"
	// anything is the type of a learnt field: any text.
	anything FieldType = ""
)

// Field is one field of a Type.
type Field struct {
	Name string
	Type FieldType
	// Length is the most characters of a string, text, email, phone or url;
	// zero means the type's own limit.
	Length int
}

// Type is a custom object type.
type Type struct {
	// Name is the API name. Calls may write it in another case.
	Name string
	// Dedupe names the one to three fields that identify an object.
	Dedupe []string
	// Fields holds all fields, the dedupe fields included.
	Fields []Field
	// Keys is how keys are compared; the zero value means ExactKeys.
	Keys KeyRule
	// Created is when the type came to be; zero means now.
	Created time.Time
	// Link is what links the type's objects to leads; zero for nothing.
	Link Link
	// Assets are what uses the type. Nil means that the instance's plan does not
	// include the calls that tell: they are answered with 616.
	Assets []Asset
}

// Asset is a part of the instance that uses an object type, such as a campaign that
// waits for objects to be added. Nothing but the call for dependent assets tells of
// it: the instance has no campaigns.
type Asset struct {
	// Type is Marketo's word, such as Smart Campaign.
	Type string `yaml:"type"`
	ID   int    `yaml:"id"`
	Name string `yaml:"name"`
	// Fields are those of the type that it looks at.
	Fields []string `yaml:"fields"`
}

// Link says that a field holds a lead's field. The instance has no leads, so
// that only its descriptions tell of it.
type Link struct {
	Field string `yaml:"field"`
	// Lead is the field of the lead, such as Id or Email.
	Lead string `yaml:"lead"`
}

// KeyRule says which keys are one to the instance. Marketo does not document
// its own, so a client has to come out right with either.
type KeyRule string

const (
	// ExactKeys tells every two texts apart.
	ExactKeys KeyRule = "exact"
	// FoldKeys takes keys that differ only in case or in trailing blanks for
	// one; the object keeps the spelling that was written last.
	FoldKeys KeyRule = "fold"
)

const (
	maxString    = 255
	maxTextBytes = 30_000
)

// problem is why one object is refused while the others of its call are not.
type problem struct {
	code    string // REST's code in reasons
	message string // REST's message and SOAP's error text
}

var (
	offsetDigits = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	mailShape    = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
	urlShape     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://\S+$`)
)

// normalise returns the stored form of value, so that the same value ends the
// same however it was written. The empty value stands for null.
func (f *Field) normalise(value string) (string, *problem) {
	if value == "" || f.Type == anything {
		return value, nil
	}
	switch f.Type {
	case Integer:
		return f.integer(value)
	case Float, Currency:
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsInf(number, 0) || math.IsNaN(number) || strings.ContainsAny(value, "xXpP_") {
			return "", f.mismatch(value)
		}
		return strconv.FormatFloat(number, 'f', -1, 64), nil
	case Boolean:
		switch {
		case value == "1" || strings.EqualFold(value, "true"):
			return "true", nil
		case value == "0" || strings.EqualFold(value, "false"):
			return "false", nil
		}
		return "", f.mismatch(value)
	case Date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", f.mismatch(value)
		}
		return value, nil
	case DateTime:
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil || !offsetDigits.MatchString(value) {
			return "", f.mismatch(value)
		}
		return at.UTC().Truncate(time.Second).Format(time.RFC3339), nil
	}
	return f.characters(value)
}

func (f *Field) integer(value string) (string, *problem) {
	number, err := strconv.ParseInt(value, 10, 64)
	if err == nil {
		return strconv.FormatInt(number, 10), nil
	}
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		return "", &problem{"1003", fmt.Sprintf("Invalid data: fraction or overflow in integer field '%s'", f.Name)}
	}
	return "", f.mismatch(value)
}

func (f *Field) characters(value string) (string, *problem) {
	if f.Type == Email && !mailShape.MatchString(value) || f.Type == URL && !urlShape.MatchString(value) {
		return "", f.mismatch(value)
	}
	longest := f.Length
	if longest == 0 && f.Type != Text {
		longest = maxString
	}
	if longest == 0 && len(value) > maxTextBytes ||
		longest > 0 && len(value) > longest && utf8.RuneCountInString(value) > longest {
		return "", &problem{"1003", fmt.Sprintf("Invalid data: value too long for field '%s'", f.Name)}
	}
	return value, nil
}

// mismatch shows the value, as Marketo does: clients must not log it.
func (f *Field) mismatch(value string) *problem {
	return &problem{"1001", fmt.Sprintf("Invalid value '%s'. Required of type '%s'", value, f.Type)}
}

// dataType is the type's name in describe calls.
func (f *Field) dataType() string {
	switch f.Type {
	case URL:
		return "link"
	case anything:
		return string(String)
	}
	return string(f.Type)
}

// length is the length that describe calls give; zero for none.
func (f *Field) length() int {
	switch f.Type {
	case String, Email, Phone, URL:
		if f.Length == 0 {
			return maxString
		}
	}
	return f.Length
}

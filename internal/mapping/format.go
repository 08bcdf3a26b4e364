package mapping

import "github.com/cdcsync/cdcsync/internal/marketo"

// formatKind says how the text of a PostgreSQL value becomes Marketo's.
type formatKind uint8

const (
	asText        formatKind = iota
	asBlankPadded            // char(n): the padding is no part of the value
	asBoolean
	asInteger
	asNumeric
	asFloat
	asDate
	asTimestamp     // without time zone, read as UTC
	asTimestampZone // with time zone
	asJSON
	asArray
	// asTextOrArray is that of a type that is gone, whose name may be that of
	// an array: what may be either is refused.
	asTextOrArray
	asBytes // refused
	asMoney // refused
)

// format is how the values of one column are rendered.
type format struct {
	kind formatKind
	// element and delimiter are those of an array.
	element   *format
	delimiter byte
	// key is set where equal keys have equal texts, or loosely says which
	// texts are equal, so that the type may be part of a key.
	key bool
	// loosely reports whether PostgreSQL takes two texts of the column for
	// equal that are not the same; nil where it never does.
	loosely func(a, b []byte) bool
	// inKey asks for the one text that all equal values share, and refuses a
	// loss that would make two keys one.
	inKey bool
}

// refusal says what to do about a column whose type has no text form that
// Marketo could use; "" where it has one.
func (f *format) refusal() string {
	switch f.kind {
	case asArray:
		return f.element.refusal()
	case asBytes:
		return "binary data has no place in a custom object; leave the column out, or add a text column with an encoded form and map that"
	case asMoney:
		return "the text of money depends on the server's locale; change the column to numeric, or add a numeric column and map that"
	}
	return ""
}

// plain reports whether all texts of the format are marketo.Plain.
func (f *format) plain() bool {
	switch f.kind {
	case asDate, asTimestamp, asTimestampZone:
		return true
	}
	return false
}

// append renders text, the value in PostgreSQL's text format. A reason other
// than "" says why it cannot be rendered and completes the sentence `column
// "x" …`; it holds nothing of the value, and then what was appended is void.
func (f *format) append(dst, text []byte) (out []byte, kind marketo.Kind, reason string) {
	switch f.kind {
	case asBoolean:
		return appendBoolean(dst, text)
	case asInteger:
		return appendInteger(dst, text)
	case asNumeric:
		if f.inKey {
			text = trimFraction(text)
		}
		return appendNumber(dst, text)
	case asFloat:
		return appendNumber(dst, text)
	case asDate:
		return appendDate(dst, text)
	case asTimestamp, asTimestampZone:
		return appendTimestamp(dst, text, f.kind == asTimestampZone, f.inKey)
	case asArray:
		return appendArray(dst, text, f)
	case asTextOrArray:
		if mayBeArray(text) {
			return dst, marketo.Omitted, reasonGone
		}
	case asBlankPadded:
		for len(text) > 0 && text[len(text)-1] == ' ' {
			text = text[:len(text)-1]
		}
	}
	return append(dst, text...), marketo.String, ""
}

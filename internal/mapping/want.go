package mapping

import (
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// want is what a field of Marketo's asks its values to be. It changes how a
// value is written, and never what it is.
type want uint8

const (
	wantAnything want = iota
	wantText
	wantWhole
	wantNumber
	wantTruth
)

// wants are those of Marketo's data types, in lower case. Dates have one form
// already; a type that is not here is not known to ask for anything.
var wants = map[string]want{
	"string": wantText, "text": wantText, "email": wantText, "phone": wantText, "link": wantText, "url": wantText,
	"integer": wantWhole, "float": wantNumber, "currency": wantNumber, "boolean": wantTruth,
}

// Describe tells what Marketo says of the object type of mapping i, so that
// values are written as its fields want them. It comes before the first Bind,
// or not at all: then values are written as their columns have them.
func (s *Set) Describe(i int, d marketo.Description) {
	m := s.mappings[i]
	m.wants = make([]want, m.shape.Len())
	for at := range m.wants {
		for _, f := range d.Fields {
			if strings.EqualFold(f.Name, m.shape.Name(at)) {
				m.wants[at] = wants[strings.ToLower(f.DataType)]
			}
		}
	}
	for j, p := range m.set {
		m.set[j].value = m.wanted(p.at).value(p.value)
	}
}

// wanted is what the field of value at wants.
func (m *compiled) wanted(at int) want {
	if m.wants == nil {
		return wantAnything
	}
	return m.wants[at]
}

// convert makes buf[from:], a value's text, what the field wants. What cannot
// be made so stays as it is, and Marketo says what it thinks of it.
func (w want) convert(buf []byte, from int, kind marketo.Kind) ([]byte, marketo.Kind) {
	text := buf[from:]
	if len(text) == 0 {
		return buf, kind
	}
	switch w {
	case wantWhole:
		if number := wholePart(text); kind != marketo.Boolean && isWhole(number) {
			return buf[:from+len(number)], marketo.Number
		}
	case wantTruth:
		if truth, ok := truthOf(text); ok && kind != marketo.Boolean {
			return append(buf[:from], truth...), marketo.Boolean
		}
	default:
		return buf, w.kind(text, kind)
	}
	return buf, kind
}

// kind is convert for the key, whose text is never changed: it has to be the
// same whether or not Marketo could be asked.
func (w want) kind(text []byte, kind marketo.Kind) marketo.Kind {
	switch {
	case len(text) == 0:
	case w == wantText && (kind == marketo.Number || kind == marketo.Boolean):
		return marketo.String
	case kind == marketo.String && (w == wantWhole && isWhole(text) || w == wantNumber && isNumber(text)):
		return marketo.Number
	case kind == marketo.String && w == wantTruth && (string(text) == "true" || string(text) == "false"):
		return marketo.Boolean
	}
	return kind
}

// value is convert for a constant.
func (w want) value(v marketo.Value) marketo.Value {
	text, kind := w.convert([]byte(v.Text), 0, v.Kind)
	return marketo.Value{Kind: kind, Text: string(text)}
}

// wholePart cuts a fraction of zeros.
func wholePart(text []byte) []byte {
	if !isNumber(text) {
		return text
	}
	return trimFraction(text)
}

func isWhole(text []byte) bool {
	_, _, reason := appendInteger(nil, text)
	return reason == ""
}

// truths are the words that PostgreSQL takes for a boolean, in lower case.
var truths = map[string]string{
	"t": "true", "true": "true", "y": "true", "yes": "true", "on": "true", "1": "true",
	"f": "false", "false": "false", "n": "false", "no": "false", "off": "false", "0": "false",
}

func truthOf(text []byte) (string, bool) {
	if len(text) > 16 {
		return "", false
	}
	truth, ok := truths[strings.ToLower(strings.TrimSpace(string(wholePart(text))))]
	return truth, ok
}

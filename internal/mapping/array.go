package mapping

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// PostgreSQL's arrays have at most 6 dimensions (MAXDIM).
const maxDimensions = 6

const reasonArray = "is not a PostgreSQL array; report this with the column's type"

// appendArray renders an array as JSON text: numbers and booleans as such,
// json elements as they are, elements that are arrays themselves (of a domain)
// as such, all else as strings, NULL as null. Bounds are dropped: JSON has
// none.
func appendArray(dst, text []byte, f *format) ([]byte, marketo.Kind, string) {
	a := arrayReader{rest: text, element: f.element, delimiter: f.delimiter, out: dst}
	if len(text) > 0 && text[0] == '[' {
		_, after, ok := bytes.Cut(text, []byte("="))
		if !ok {
			return dst, marketo.Omitted, reasonArray
		}
		a.rest = after
	}
	reason := a.dimension(1)
	if reason == "" && len(a.rest) > 0 {
		reason = reasonArray
	}
	if reason != "" {
		return dst, marketo.Omitted, reason
	}
	return a.out, marketo.String, ""
}

// arrayReader reads an array literal from rest and writes JSON to out. Source
// of the grammar: PostgreSQL documentation, §8.15.6.
type arrayReader struct {
	rest      []byte
	element   *format
	delimiter byte
	out       []byte
	// plain holds an element without its escapes, json its rendering.
	plain, json []byte
}

// dimension reads one pair of braces.
func (a *arrayReader) dimension(depth int) string {
	if depth > maxDimensions || !a.next('{') {
		return reasonArray
	}
	a.out = append(a.out, '[')
	for first := true; !a.next('}'); first = false {
		if !first {
			if !a.next(a.delimiter) {
				return reasonArray
			}
			a.out = append(a.out, ',')
		}
		if reason := a.item(depth); reason != "" {
			return reason
		}
	}
	a.out = append(a.out, ']')
	return ""
}

// next skips c if it is next.
func (a *arrayReader) next(c byte) bool {
	if len(a.rest) == 0 || a.rest[0] != c {
		return false
	}
	a.rest = a.rest[1:]
	return true
}

func (a *arrayReader) item(depth int) string {
	switch {
	case len(a.rest) == 0:
		return reasonArray
	case a.rest[0] == '{':
		return a.dimension(depth + 1)
	case a.next('"'):
		if !a.quoted() {
			return reasonArray
		}
	default:
		if !a.bare() {
			return reasonArray
		}
		if string(a.plain) == "NULL" {
			a.out = append(a.out, "null"...)
			return ""
		}
	}
	return a.render()
}

// quoted reads an element up to its closing quote into plain.
func (a *arrayReader) quoted() bool {
	a.plain = a.plain[:0]
	for i := 0; i < len(a.rest); i++ {
		switch a.rest[i] {
		case '"':
			a.rest = a.rest[i+1:]
			return true
		case '\\':
			i++
			if i == len(a.rest) {
				return false
			}
		}
		a.plain = append(a.plain, a.rest[i])
	}
	return false
}

// bare reads an element without quotes into plain. PostgreSQL quotes whatever
// is empty or holds a brace, a quote, a backslash or the delimiter.
func (a *arrayReader) bare() bool {
	n := 0
	for n < len(a.rest) && a.rest[n] != a.delimiter && a.rest[n] != '}' {
		switch a.rest[n] {
		case '{', '"', '\\':
			return false
		}
		n++
	}
	a.plain = append(a.plain[:0], a.rest[:n]...)
	a.rest = a.rest[n:]
	return n > 0
}

func (a *arrayReader) render() string {
	if a.element.kind == asJSON {
		if !json.Valid(a.plain) {
			return reasonNotText
		}
		a.out = append(a.out, a.plain...)
		return ""
	}
	text, kind, reason := a.element.append(a.json[:0], a.plain)
	a.json = text
	switch {
	case reason != "":
		return reason
	case kind == marketo.String && a.element.kind != asArray:
		a.out = appendQuoted(a.out, text)
	default:
		a.out = append(a.out, text...)
	}
	return ""
}

// appendQuoted appends text as a JSON string. What XML cannot carry is
// escaped; bytes that are not UTF-8 stay as they are, for the policy on
// characters to find.
func appendQuoted(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(text) > 0 {
		c := text[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRune(text)
			switch r {
			case '\uFFFE':
				dst = append(dst, `\ufffe`...)
			case '\uFFFF':
				dst = append(dst, `\uffff`...)
			default:
				dst = append(dst, text[:size]...)
			}
			text = text[size-1:]
		}
		text = text[1:]
	}
	return append(dst, '"')
}

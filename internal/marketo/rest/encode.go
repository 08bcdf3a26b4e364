package rest

import (
	"sync/atomic"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// restCall is what one operation is on the wire.
type restCall struct {
	suffix string // after the type in the path
	open   string // the body up to the first record
}

var restCalls = [...]restCall{
	marketo.Upsert: {".json", `{"action":"createOrUpdate","dedupeBy":"dedupeFields","input":[`},
	marketo.Insert: {".json", `{"action":"createOnly","dedupeBy":"dedupeFields","input":[`},
	marketo.Update: {".json", `{"action":"updateOnly","dedupeBy":"dedupeFields","input":[`},
	marketo.Delete: {"/delete.json", `{"deleteBy":"dedupeFields","input":[`},
}

const restClose = `]}`

// restEnvelope is the size of the largest body without records.
var restEnvelope = len(restCalls[marketo.Upsert].open) + len(restClose)

// appendBody appends the body of the call for b. It returns false where a
// value is not what its Kind says, which would change the meaning of the body.
func appendBody(dst []byte, b *marketo.Batch) ([]byte, bool) {
	from, ok := len(dst), true
	dst = append(dst, restCalls[b.Operation].open...)
	var of *names
	for i := range b.Objects {
		if i > 0 {
			dst = append(dst, ',')
		}
		if shape := b.Objects[i].Shape; of == nil || shape != of.shape {
			of = namesOf(shape)
		}
		dst, ok = appendRecord(dst, &b.Objects[i], b.Operation, of)
		if !ok {
			return dst, false
		}
	}
	dst = append(dst, restClose...)
	return dst, utf8.Valid(dst[from:])
}

// names are those of a shape's fields, as they stand in a record.
type names struct {
	shape *marketo.Shape
	open  []string
}

// latestNames are those that were asked for last: the objects of a batch mostly have
// one shape.
var latestNames atomic.Pointer[names]

func namesOf(shape *marketo.Shape) *names {
	if latest := latestNames.Load(); latest != nil && latest.shape == shape {
		return latest
	}
	n := &names{shape, make([]string, shape.Len())}
	for i := range n.open {
		n.open[i] = string(append(appendJSON([]byte{'"'}, shape.Name(i)), `":`...))
	}
	latestNames.Store(n)
	return n
}

func appendRecord(dst []byte, o *marketo.Object, op marketo.Operation, of *names) ([]byte, bool) {
	dst = append(dst, '{')
	first := len(dst)
	for i := range recordLength(o, op) {
		kind, text, plain := o.Read(i)
		if kind == marketo.Omitted {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(dst, of.open[i]...)
		switch kind {
		case marketo.String:
			dst = append(dst, '"')
			if plain {
				dst = append(dst, text...)
			} else {
				dst = appendJSON(dst, text)
			}
			dst = append(dst, '"')
		case marketo.Null:
			dst = append(dst, "null"...)
		default:
			if !isLiteral(kind, text) {
				return dst, false
			}
			dst = append(dst, text...)
		}
	}
	return append(dst, '}'), true
}

// recordLength is the number of values that go into a record: a delete names
// its object and nothing else.
func recordLength(o *marketo.Object, op marketo.Operation) int {
	if op == marketo.Delete {
		return len(o.Shape.Key)
	}
	return o.Len()
}

func isLiteral(kind marketo.Kind, text string) bool {
	if kind == marketo.Boolean {
		return text == "true" || text == "false"
	}
	return len(text) > 0 && numberPrefix(text) == len(text)
}

// recordSize is the exact number of bytes that o adds to a body, with the
// comma that separates it from another.
func recordSize(o marketo.Object, op marketo.Operation) int {
	size, fields, of := len("{},"), 0, namesOf(o.Shape)
	for i := range recordLength(&o, op) {
		kind, text, plain := o.Read(i)
		switch kind {
		case marketo.Omitted:
			continue
		case marketo.String:
			size += len(`""`) + len(text)
			if !plain {
				size += jsonEscapes(text)
			}
		case marketo.Null:
			size += len("null")
		default:
			size += len(text)
		}
		size += len(of.open[i])
		fields++
	}
	return size + max(0, fields-1)
}

const hexDigits = "0123456789abcdef"

// jsonExtra is how many bytes a byte's escape is longer than the byte: 5 for
// \u00XX, 1 for a backslash and a character, 0 for what stands as it is.
var jsonExtra = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = 5
	}
	for c := range jsonShort {
		t[c] = 1
	}
	return t
}()

var jsonShort = map[byte]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't'}

// appendJSON appends text as the inside of a JSON string.
func appendJSON(dst []byte, text string) []byte {
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		extra := jsonExtra[c]
		if extra == 0 {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		if extra == 1 {
			dst = append(dst, '\\', jsonShort[c])
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, text[from:]...)
}

// jsonEscapes is how many bytes more than text appendJSON appends.
func jsonEscapes(text string) int {
	n := 0
	for i := 0; i < len(text); i++ {
		n += int(jsonExtra[text[i]])
	}
	return n
}

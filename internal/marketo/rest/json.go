package rest

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// mostMembers bounds the members of one JSON object.
const mostMembers = 256

// deepest is how many levels of values are read.
const deepest = 64

// jsonReader reads one JSON document in UTF-8 from front to back. It is
// stricter than most: a key stands once in an object, the depth is limited,
// nothing follows the document. The first error sticks; after it every method
// returns zero values. Nothing read counts before finish succeeded.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
	err   error
}

func newJSONReader(data []byte) *jsonReader {
	r := &jsonReader{data: data}
	if !utf8.Valid(data) {
		r.fail("not UTF-8")
	}
	r.space()
	return r
}

func (r *jsonReader) fail(what string) {
	if r.err == nil {
		r.err = errors.New("json: " + what)
	}
	r.pos = len(r.data)
}

// finish makes sure that nothing is left.
func (r *jsonReader) finish() error {
	if r.err == nil && r.pos < len(r.data) {
		r.fail("something after the document")
	}
	return r.err
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) && isSpace(r.data[r.pos]) {
		r.pos++
	}
}

// peek returns the first byte of the next value; 0 at the end.
func (r *jsonReader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

// take passes c and the space after it, if c is next.
func (r *jsonReader) take(c byte) bool {
	if r.err != nil || r.peek() != c {
		return false
	}
	r.pos++
	r.space()
	return true
}

func (r *jsonReader) want(c byte) {
	if !r.take(c) {
		r.fail("not " + string(c) + " where it must be")
	}
}

// down and up bound the depth.
func (r *jsonReader) down() {
	if r.depth++; r.depth > deepest {
		r.fail("nested too deeply")
	}
}

func (r *jsonReader) up() { r.depth-- }

// object reads an object. member must read the value of each key.
func (r *jsonReader) object(member func(key []byte)) {
	var few [8][]byte
	keys := few[:0]
	r.down()
	defer r.up()
	r.want('{')
	for first := true; r.err == nil && !r.take('}'); first = false {
		if !first {
			r.want(',')
		}
		key := r.text()
		r.want(':')
		for _, k := range keys {
			if bytes.Equal(k, key) {
				r.fail("a key twice in an object")
			}
		}
		if len(keys) == mostMembers {
			r.fail("too many keys in an object")
		}
		if keys = append(keys, key); r.err == nil {
			member(key)
		}
	}
}

// array reads an array. element must read each value.
func (r *jsonReader) array(element func()) {
	r.down()
	defer r.up()
	r.want('[')
	for first := true; r.err == nil && !r.take(']'); first = false {
		if !first {
			r.want(',')
		}
		if r.err == nil {
			element()
		}
	}
}

// skip reads any value.
func (r *jsonReader) skip() {
	switch c := r.peek(); {
	case c == '{':
		r.object(func([]byte) { r.skip() })
	case c == '[':
		r.array(r.skip)
	case c == '"':
		r.text()
	case c == '-' || c >= '0' && c <= '9':
		r.number()
	case c == 'n':
		r.word("null")
	case c == 't':
		r.word("true")
	default:
		r.word("false")
	}
}

// word reads exactly that literal.
func (r *jsonReader) word(word string) {
	if r.err != nil || !bytes.HasPrefix(r.data[r.pos:], []byte(word)) {
		r.fail("not a value")
		return
	}
	r.pos += len(word)
	r.space()
}

// boolean reads true or false.
func (r *jsonReader) boolean() bool {
	if r.peek() == 't' {
		r.word("true")
		return r.err == nil
	}
	r.word("false")
	return false
}

// number reads a number as it is written.
func (r *jsonReader) number() []byte {
	n := numberPrefix(r.data[r.pos:])
	if n == 0 {
		r.fail("not a number")
		return nil
	}
	text := r.data[r.pos : r.pos+n]
	r.pos += n
	r.space()
	return text
}

// numberPrefix returns the length of the JSON number that text begins with; 0
// where there is none.
func numberPrefix[T string | []byte](text T) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(text) && text[i] == '.' {
		if i++; !digits() {
			return 0
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

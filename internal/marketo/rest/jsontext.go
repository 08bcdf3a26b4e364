package rest

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string.
func (r *jsonReader) text() []byte {
	if r.err != nil || r.peek() != '"' {
		r.fail("not a string where one must be")
		return nil
	}
	from := r.pos + 1
	for i := from; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			r.space()
			return r.data[from:i]
		case c == '\\':
			return r.escaped(from, i)
		case c < 0x20:
			r.fail("a control character in a string")
			return nil
		}
	}
	r.fail("ends in the middle")
	return nil
}

// escaped reads the rest of a string that starts at from and has its first
// backslash at i.
func (r *jsonReader) escaped(from, i int) []byte {
	out := append([]byte(nil), r.data[from:i]...)
	for i < len(r.data) {
		c := r.data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			r.space()
			return out
		case c < 0x20:
			r.fail("a control character in a string")
			return nil
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		var n int
		if out, n = unescape(out, r.data[i:]); n == 0 {
			r.fail("an unknown escape in a string")
			return nil
		}
		i += n
	}
	r.fail("ends in the middle")
	return nil
}

// unescape appends the character that in, which starts with a backslash,
// begins with, and returns the length of its escape; 0 where it is none.
func unescape(out, in []byte) ([]byte, int) {
	if len(in) < 2 {
		return out, 0
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if i := bytes.IndexByte([]byte(from), in[1]); i >= 0 {
		return append(out, to[i]), 2
	}
	high, ok := unit(in)
	if !ok {
		return out, 0
	}
	if low, ok := unit(in[6:]); ok && utf16.IsSurrogate(high) {
		if c := utf16.DecodeRune(high, low); c != utf8.RuneError {
			return utf8.AppendRune(out, c), 12
		}
	}
	// A surrogate alone becomes U+FFFD.
	return utf8.AppendRune(out, high), 6
}

// unit reads \uXXXX.
func unit(in []byte) (rune, bool) {
	if len(in) < 6 || in[0] != '\\' || in[1] != 'u' {
		return 0, false
	}
	n := rune(0)
	for _, c := range in[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | rune(c)
	}
	return n, true
}

package soap

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// run reads character data up to the next markup: as it stands where that is
// its meaning, decoded otherwise.
func (r *xmlReader) run() []byte {
	if r.err != nil {
		return nil
	}
	rest := r.data[r.pos:]
	end := bytes.IndexByte(rest, '<')
	if end < 0 {
		r.fail("ends in the middle")
		return nil
	}
	rest = rest[:end]
	r.pos += end
	for i, c := range rest {
		switch {
		case c == '&' || c == '\r':
			return r.decode(rest)
		case c == '>' && i >= 2 && rest[i-1] == ']' && rest[i-2] == ']':
			r.fail("]]> in text")
			return nil
		}
	}
	return rest
}

func (r *xmlReader) decode(text []byte) []byte {
	if bytes.Contains(text, []byte("]]>")) {
		r.fail("]]> in text")
		return nil
	}
	return r.references(make([]byte, 0, len(text)), text)
}

// references appends text to dst with its references resolved and its line
// ends made one character, as XML has it.
func (r *xmlReader) references(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return appendLines(dst, text)
		}
		dst = appendLines(dst, text[:i])
		end := bytes.IndexByte(text[i:], ';')
		c, ok := rune(0), false
		if end > 0 {
			c, ok = reference(string(text[i+1 : i+end]))
		}
		if !ok {
			r.fail("an unknown entity")
			return nil
		}
		dst = utf8.AppendRune(dst, c)
		text = text[i+end+1:]
	}
}

// appendLines appends text with \r\n and \r as \n.
func appendLines(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\r')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:i]...), '\n')
		text = bytes.TrimPrefix(text[i+1:], []byte("\n"))
	}
}

// reference resolves what stands between '&' and ';'.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isXMLRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// isXMLRune reports whether XML 1.0 can carry c.
func isXMLRune(c rune) bool {
	switch {
	case c < 0x20:
		return c == '\t' || c == '\n' || c == '\r'
	case c >= 0xD800 && c < 0xE000, c == 0xFFFE, c == 0xFFFF:
		return false
	}
	return c <= utf8.MaxRune
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// validXML reports whether data is UTF-8 that XML 1.0 can carry. It looks at
// eight bytes at a time: it runs over every body received, and most of them are
// ASCII.
func validXML(data []byte) bool {
	rest, beyond := data, uint64(0)
	for len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(rest)
		// A byte below 0x20 borrows from its high bit; see "Determine if a
		// word has a byte less than n" in Bit Twiddling Hacks. It may report
		// a byte too many, never one too few.
		if (x-0x20*everyByte)&^x&highBits != 0 && !validControls(rest[:8]) {
			return false
		}
		beyond |= x
		rest = rest[8:]
	}
	for _, c := range rest {
		beyond |= uint64(c)
	}
	return validControls(rest) && (beyond&highBits == 0 || utf8.Valid(data) && !hasNoncharacter(data))
}

func validControls(data []byte) bool {
	for _, c := range data {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// hasNoncharacter looks for U+FFFE and U+FFFF, EF BF BE and EF BF BF.
func hasNoncharacter(data []byte) bool {
	for {
		i := bytes.IndexByte(data, 0xEF)
		if i < 0 || len(data)-i < 3 {
			return false
		}
		if data[i+1] == 0xBF && data[i+2] >= 0xBE {
			return true
		}
		data = data[i+1:]
	}
}

// text returns the text of the current element and leaves it. A child element
// is an error. The result is valid as long as data and decoded are.
func (r *xmlReader) text() []byte {
	if r.empty {
		r.leave()
		return nil
	}
	plain, from := r.run(), len(r.decoded)
	if r.has("</") {
		r.endTag()
		return r.checked(plain)
	}
	for r.err == nil {
		r.decoded = append(r.decoded, plain...)
		switch {
		case r.has("<!--"):
			r.comment()
		case r.has("<![CDATA["):
			r.cdata()
		case r.has("</"):
			r.endTag()
			return r.checked(r.decoded[from:len(r.decoded):len(r.decoded)])
		case r.pos >= len(r.data):
			r.fail("ends in the middle")
		default:
			r.fail("an element where only text may be")
		}
		plain = r.run()
	}
	return nil
}

func (r *xmlReader) checked(text []byte) []byte {
	if r.err != nil {
		return nil
	}
	return text
}

// cdata appends the section's text to decoded.
func (r *xmlReader) cdata() {
	r.pos += len("<![CDATA[")
	end := bytes.Index(r.data[r.pos:], []byte("]]>"))
	if end < 0 {
		r.fail("CDATA without end")
		return
	}
	r.decoded = appendLines(r.decoded, r.data[r.pos:r.pos+end])
	r.pos += end + len("]]>")
}

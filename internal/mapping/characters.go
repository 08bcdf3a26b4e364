package mapping

import "unicode/utf8"

// firstBad returns the index of the first byte of text that XML 1.0 cannot
// carry: a control character other than tab, newline and carriage return, a
// byte that is not UTF-8, or U+FFFE or U+FFFF; -1 when there is none.
// Source: XML 1.0, production [2] Char.
func firstBad(text []byte) int {
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < utf8.RuneSelf {
			i++
			continue
		}
		size, ok := carried(text[i:])
		if !ok {
			return i
		}
		i += size
	}
	return -1
}

// carried returns the size of the first character of text and whether XML 1.0
// carries it.
func carried(text []byte) (size int, ok bool) {
	if c := text[0]; c < utf8.RuneSelf {
		return 1, c >= ' ' || c == '\t' || c == '\n' || c == '\r'
	}
	r, size := utf8.DecodeRune(text)
	if r == utf8.RuneError && size == 1 {
		return 1, false
	}
	return size, r != '\uFFFE' && r != '\uFFFF'
}

// highest is the last character of the Basic Multilingual Plane.
const highest = '\uFFFF'

// firstBeyond returns the index of the first character of text beyond U+FFFF,
// -1 when there is none. In UTF-8 these are the ones of four bytes.
func firstBeyond(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] < 0xF0 {
			continue
		}
		if r, size := utf8.DecodeRune(text[i:]); r > highest && size > 1 {
			return i
		}
	}
	return -1
}

// reasons that a text is rejected for.
const (
	charactersXML    = "holds a character that XML 1.0 cannot carry"
	charactersBeyond = "holds a character beyond U+FFFF, where Marketo may cut a text"
)

// clean brings buf[from:] in order by the policies. A reason is returned when
// there is something to reject.
func (d *Definition) clean(buf []byte, from int) (cleaned []byte, reason string) {
	bad, beyond := firstBad(buf[from:]), -1
	if d.BeyondBMP != BeyondKeep {
		beyond = firstBeyond(buf[from:])
	}
	switch {
	case bad < 0 && beyond < 0:
		return buf, ""
	case bad >= 0 && d.Characters == CharactersReject:
		return buf[:from], charactersXML
	case beyond >= 0 && d.BeyondBMP == BeyondReject:
		return buf[:from], charactersBeyond
	}
	rest := append([]byte(nil), buf[from:]...)
	buf = buf[:from]
	for len(rest) > 0 {
		size, ok := carried(rest)
		replace := d.Characters == CharactersReplace
		if ok && d.BeyondBMP != BeyondKeep && firstBeyond(rest[:size]) == 0 {
			ok, replace = false, d.BeyondBMP == BeyondReplace
		}
		switch {
		case ok:
			buf = append(buf, rest[:size]...)
		case replace:
			buf = append(buf, "\uFFFD"...)
		}
		rest = rest[size:]
	}
	return buf, ""
}

// ofKey is why a text cannot be part of a key, "" when it can: whatever the
// policies, a key is not changed, as two could become one.
func (d *Definition) ofKey(text []byte) string {
	switch {
	case firstBad(text) >= 0:
		return charactersXML
	case d.BeyondBMP != BeyondKeep && firstBeyond(text) >= 0:
		return charactersBeyond
	}
	return ""
}

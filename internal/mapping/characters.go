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

// clean brings buf[from:] in order by the policy. It returns false when the
// policy is to reject and there is something to reject.
func (policy CharacterPolicy) clean(buf []byte, from int) ([]byte, bool) {
	bad := firstBad(buf[from:])
	if bad < 0 {
		return buf, true
	}
	if policy != CharactersStrip && policy != CharactersReplace {
		return buf[:from], false
	}
	rest := append([]byte(nil), buf[from+bad:]...)
	buf = buf[:from+bad]
	for len(rest) > 0 {
		size, ok := carried(rest)
		switch {
		case ok:
			buf = append(buf, rest[:size]...)
		case policy == CharactersReplace:
			buf = append(buf, "\uFFFD"...)
		}
		rest = rest[size:]
	}
	return buf, true
}

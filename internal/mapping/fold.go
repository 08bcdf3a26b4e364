package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// Fold returns what stands for all keys that Marketo may take for the same one
// as key, a Write.Key: keys that differ in case, or in the blanks that end
// their values, have the same. It is of use for comparing only.
//
// Where tongues differ, it takes more for the same rather than less: the i
// with and without a dot are one, as are ß and ss. A key that is folded comes
// back as it is, without a copy.
func Fold(key string) string {
	if isFolded(key) {
		return key
	}
	return withoutEndingBlanks(caseless(key))
}

// isFolded reports whether Fold leaves key as it is. It may say false where
// that is so, for characters that are rare in keys.
func isFolded(key string) bool {
	if len(key) >= 8 && isPlain(key) {
		return true
	}
	blank := false
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case c == 0:
			if blank {
				return false
			}
		case 'A' <= c && c <= 'Z':
			return false
		case c >= utf8.RuneSelf:
			return !blank && isFoldedBeyondASCII(key[i:])
		}
		blank = c == ' ' || '\t' <= c && c <= '\r'
	}
	return !blank
}

// isPlain reports, eight bytes at a time, whether a key of at least eight has none but
// those of ASCII that are neither capitals nor blanks, and those that end its values.
func isPlain(key string) bool {
	for i := 0; i+8 <= len(key); i += 8 {
		if !isPlainWord(word(key[i:])) {
			return false
		}
	}
	return isPlainWord(word(key[len(key)-8:]))
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// isPlainWord looks at the highest bit of each byte: adding 128-n to a byte of ASCII
// sets it where the byte is n or more.
func isPlainWord(w uint64) bool {
	const each, high = 0x0101010101010101, 0x80 * 0x0101010101010101
	if w&high != 0 {
		return false
	}
	zeros := ^(w + 0x7f*each) & high
	w += (zeros >> 7) * '!' // which is plain
	behindBlanks := w + (0x80-'!')*each
	capitals := (w + (0x80-'A')*each) &^ (w + (0x80-'Z'-1)*each)
	return behindBlanks&high == high && capitals&high == 0
}

func isFoldedBeyondASCII(key string) bool {
	blank := false
	for _, r := range key {
		if r == 0 && blank || r >= utf8.RuneSelf && !hasOneForm(r) || 'A' <= r && r <= 'Z' {
			return false
		}
		blank = unicode.IsSpace(r)
	}
	return !blank
}

// hasOneForm reports whether r is a character of one of the larger alphabets
// that Fold leaves as it is. It may say false of others that are.
func hasOneForm(r rune) bool {
	switch {
	case r < 0x0100:
		return r >= 'à'
	case r < 0x2E80:
		return 'α' <= r && r <= 'ω' && r != 'ς' || 'а' <= r && r <= 'џ'
	case r < 0xA640: // signs and syllables of East Asia
		return r != 0x3000
	case r < 0xD7A4: // Hangul
		return r >= 0xAC00
	}
	return 0x1F300 <= r && r < 0x1FB00 || 0x20000 <= r && r < 0x32000
}

// caseless returns s in the form that all its spellings in other case share:
// Unicode's full case folding, over the simple upper and lower case of each
// character, which knows pairs that folding leaves apart.
func caseless(s string) string {
	b := make([]byte, 0, len(s)+utf8.UTFMax)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[i])
		} else {
			b = utf8.AppendRune(b, unicode.ToLower(unicode.ToUpper(r)))
		}
		i += size
	}
	// A Caser is for one goroutine; making this one costs nothing.
	return withoutDots(string(cases.Fold().Bytes(b)))
}

// withoutDots takes the combining dots from above the letter i: the lower case
// of İ is i with such a dot, or without, by whom one asks.
func withoutDots(s string) string {
	const dot = "\u0307"
	if !strings.Contains(s, "i"+dot) {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "i"+dot)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('i')
		for strings.HasPrefix(after, dot) {
			after = after[len(dot):]
		}
		s = after
	}
}

// withoutEndingBlanks takes off the blanks at the end of each value of a key.
func withoutEndingBlanks(key string) string {
	var b strings.Builder
	b.Grow(len(key))
	for {
		value, rest, ended := strings.Cut(key, "\x00")
		b.WriteString(strings.TrimRightFunc(value, unicode.IsSpace))
		if !ended {
			return b.String()
		}
		b.WriteByte(0)
		key = rest
	}
}

package marketo

import "encoding/binary"

// Plain reports whether text means itself in XML and in JSON alike: printable
// ASCII, or DEL, without what either escapes. Most texts are. It looks at eight
// bytes at a time, the last of which it may have seen before.
func Plain(text []byte) bool {
	n := len(text)
	switch {
	case n >= 8:
		for at := 0; at < n-8; at += 8 {
			if !plainWord(binary.LittleEndian.Uint64(text[at:])) {
				return false
			}
		}
		return plainWord(binary.LittleEndian.Uint64(text[n-8:]))
	case n >= 4:
		first, last := binary.LittleEndian.Uint32(text), binary.LittleEndian.Uint32(text[n-4:])
		return plainWord(uint64(first) | uint64(last)<<32)
	case n > 0:
		return plainWord(uint64(text[0]) | uint64(text[n/2])<<8 | uint64(text[n-1])<<16 | ' '*ones&^0xFFFFFF)
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// plainWord is Plain for eight bytes. Below are words in which a byte has its
// high bit where that of x is not plain: beyond ASCII; below a space; " or &,
// which differ in one bit; < or >, as well; or a backslash. A byte from which
// too much is taken takes one from the next, which no longer matters.
func plainWord(x uint64) bool {
	control := x - ' '*ones
	quoted := (x | ('"'^'&')*ones) ^ ('"'|'&')*ones - ones
	angled := (x | ('<'^'>')*ones) ^ ('<'|'>')*ones - ones
	escape := x ^ '\\'*ones - ones
	return (x|control|quoted|angled|escape)&highs == 0
}

package rest

import (
	"bytes"
	"encoding/binary"
)

// usual reads an element that has the form in which Marketo writes most of them, and
// reports whether it has: {"seq":0,"status":"updated","marketoGUID":"…"}, without
// spaces. It is here for speed only: what it reads, read reads the same, and nothing is
// passed where it reports false.
func (rec *restRecord) usual(r *jsonReader) bool {
	if r.err != nil || r.depth >= deepest {
		return false
	}
	rest, ok := bytes.CutPrefix(r.data[r.pos:], []byte(`{"seq":`))
	if !ok {
		return false
	}
	seq, rest := digits(rest)
	if seq < 0 {
		return false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"status":"`)); !ok {
		return false
	}
	status, rest, ok := plainText(rest)
	if !ok {
		return false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"marketoGUID":"`)); !ok {
		return false
	}
	if _, rest, ok = plainText(rest); !ok || len(rest) == 0 || rest[0] != '}' {
		return false
	}
	r.pos = len(r.data) - len(rest) + 1
	r.space()
	*rec = restRecord{seq: seq, status: status}
	return true
}

// digits reads an index of at most nine digits; -1 where there is none, or more of a
// number than that.
func digits(text []byte) (n int, rest []byte) {
	i := 0
	for i < len(text) && i < 9 && text[i]-'0' <= 9 {
		n = 10*n + int(text[i]-'0')
		i++
	}
	if i == 0 || i > 1 && text[0] == '0' || i == len(text) || text[i] != ',' {
		return -1, text
	}
	return n, text[i:]
}

// plainText reads what is left of a string that has no escape and no control character.
func plainText(text []byte) (s, rest []byte, ok bool) {
	end := bytes.IndexByte(text, '"')
	if end < 0 || !isPlain(text[:end]) {
		return nil, text, false
	}
	return text[:end], text[end+1:], true
}

// isPlain looks for backslashes and control characters, eight bytes at a time.
func isPlain(text []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		slash := w ^ ones*'\\'
		if ((w-ones*0x20)&^w|(slash-ones)&^slash)&highs != 0 {
			return false
		}
	}
	for _, c := range text {
		if c < 0x20 || c == '\\' {
			return false
		}
	}
	return true
}

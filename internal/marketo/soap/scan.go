package soap

import (
	"bytes"
	"unicode/utf8"
)

// scan reads a status entry of the usual form, the whole of it, and returns
// false without having moved where the entry is of any other form, right or
// wrong: read decides then. What it accepts means the same to read.
//
// The usual form has no prefixes, no space between elements, the parts in
// the order of the schema, and texts that stand for themselves.
func (e *soapStatus) scan(r *xmlReader) bool {
	if r.err != nil || r.empty || r.careful || r.defaults > 0 {
		return false
	}
	s := scanner{rest: r.data[r.pos:]}
	s.space()
	if !e.begin(&s) {
		return false
	}
	e.values = append(e.values[:0], s.text("</attrValue></attribute>"))
	for s.pass("<attribute><attrName>") {
		e.name(&s)
		e.values = append(e.values, s.text("</attrValue></attribute>"))
	}
	if !s.pass("</customObjKeyList><status>") {
		return false
	}
	e.status = s.text("</status>")
	e.message = nil
	if s.pass("<error") {
		s.nothing("</error>")
	}
	if !s.pass("</syncCustomObjStatus>") || s.failed {
		return false
	}
	from := r.pos
	r.pos = len(r.data) - len(s.rest)
	r.validate(from, r.pos)
	return r.err == nil
}

// begin passes over the entry up to the value of its first key attribute, which
// mostly is what it was in the entry before, byte for byte.
func (e *soapStatus) begin(s *scanner) bool {
	if len(e.same) > 0 && bytes.HasPrefix(s.rest, e.same) {
		s.rest, e.names = s.rest[len(e.same):], e.names[:1]
		return true
	}
	whole := s.rest
	e.names, e.same = e.names[:0], nil
	if !s.pass("<syncCustomObjStatus><objTypeName>") {
		return false
	}
	e.objType = s.text("</objTypeName><customObjKeyList>")
	if !s.pass("<attribute><attrName>") {
		return false
	}
	e.name(s)
	if s.failed {
		return false
	}
	e.same = whole[:len(whole)-len(s.rest)]
	return true
}

// name reads a key attribute up to its value.
func (e *soapStatus) name(s *scanner) {
	e.names = append(e.names, s.text("</attrName>"))
	if s.pass("<attrType") {
		s.nothing("</attrType>")
	}
	s.failed = s.failed || !s.pass("<attrValue>")
}

// scanner passes over what it expects. Once something else has come it has
// failed, and all that it returned counts for nothing.
type scanner struct {
	rest   []byte
	failed bool
}

// pass reports whether text is next, and passes it.
func (s *scanner) pass(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

func (s *scanner) space() {
	for len(s.rest) > 0 && isSpace(s.rest[0]) {
		s.rest = s.rest[1:]
	}
}

// text returns the text before end, which it passes too.
func (s *scanner) text(end string) []byte {
	for i, c := range s.rest {
		if !marks[c] {
			continue
		}
		text := s.rest[:i:i]
		s.rest = s.rest[i:]
		s.failed = s.failed || !s.pass(end)
		return text
	}
	s.failed = true
	return nil
}

// nothing passes the rest of an element that holds nothing, said in full or
// by xsi:nil.
func (s *scanner) nothing(end string) {
	if s.pass(`/>`) || s.pass(` xsi:nil="true"/>`) {
		return
	}
	s.failed = s.failed || !(s.pass(`>`) || s.pass(` xsi:nil="true">`)) || !s.pass(end)
}

// marks holds what may mean something else than itself in text, or be nothing
// that XML can hold: only ASCII is told without a closer look. A '>' means
// something else behind "]]" only.
var marks = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 && c != '\t' && c != '\n' || c >= utf8.RuneSelf
	}
	for _, c := range []byte("<>&") {
		t[c] = true
	}
	return t
}()

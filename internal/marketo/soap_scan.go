package marketo

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
	*e = soapStatus{names: e.names[:0], values: e.values[:0]}
	s.space()
	if !s.pass("<syncCustomObjStatus><objTypeName>") {
		return false
	}
	e.objType = s.text("</objTypeName><customObjKeyList>")
	for s.pass("<attribute><attrName>") {
		name := s.text("</attrName>")
		if s.pass("<attrType") {
			s.nothing("</attrType>")
		}
		if !s.pass("<attrValue>") {
			return false
		}
		e.names, e.values = append(e.names, name), append(e.values, s.text("</attrValue></attribute>"))
	}
	if !s.pass("</customObjKeyList><status>") {
		return false
	}
	e.status = s.text("</status>")
	if s.pass("<error") {
		s.nothing("</error>")
	}
	if !s.pass("</syncCustomObjStatus>") || s.failed {
		return false
	}
	r.pos = len(r.data) - len(s.rest)
	return true
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

// marks holds what may mean something else than itself in text. A '>' does
// so behind "]]" only.
var marks = func() (t [256]bool) {
	for _, c := range []byte("<>&\r") {
		t[c] = true
	}
	return t
}()

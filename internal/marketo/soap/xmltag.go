package soap

import "bytes"

// startTag reads <name attributes> or <name attributes/> and enters it.
func (r *xmlReader) startTag() (xmlName, bool) {
	r.pos++
	name, ok := r.name()
	if !ok {
		r.fail("an element without a proper name")
		return xmlName{}, false
	}
	if r.depth == deepest {
		r.fail("nested too deeply")
		return xmlName{}, false
	}
	r.open[r.depth] = name
	r.depth++
	r.attrs = r.attrs[:0]
	for r.err == nil {
		before := r.pos
		if r.has(">") {
			r.pos++
			return name, true
		}
		r.space()
		switch {
		case r.has(">"):
			r.pos++
			return name, true
		case r.has("/>"):
			r.pos += 2
			r.empty = true
			return name, true
		case r.pos == before:
			r.fail("a tag without end")
		default:
			r.attribute()
		}
	}
	return xmlName{}, false
}

// endTag reads the end of the current element and leaves it.
func (r *xmlReader) endTag() {
	r.pos += len("</")
	if r.depth == 0 || !bytes.HasPrefix(r.data[r.pos:], r.open[r.depth-1].raw) {
		r.fail("an end tag that matches no start tag")
		return
	}
	r.pos += len(r.open[r.depth-1].raw)
	r.space()
	if !r.has(">") {
		r.fail("an end tag that matches no start tag")
		return
	}
	r.pos++
	r.leave()
}

func (r *xmlReader) leave() {
	r.empty = false
	for n := len(r.bound); n > 0 && r.bound[n-1].depth == r.depth; n-- {
		if len(r.bound[n-1].prefix) == 0 {
			r.defaults--
		}
		r.bound = r.bound[:n-1]
	}
	r.depth--
}

// attribute reads name="value". Only namespace declarations are kept.
func (r *xmlReader) attribute() {
	name, ok := r.name()
	r.space()
	if !ok || !r.has("=") {
		r.fail("an attribute without a proper name")
		return
	}
	r.pos++
	r.space()
	if !r.has(`"`) && !r.has("'") {
		r.fail("an attribute without quotes")
		return
	}
	quote := r.data[r.pos]
	r.pos++
	end := bytes.IndexByte(r.data[r.pos:], quote)
	if end < 0 {
		r.fail("an attribute without end")
		return
	}
	value := r.data[r.pos : r.pos+end]
	r.pos += end + 1
	if bytes.IndexByte(value, '<') >= 0 {
		r.fail("an attribute without end")
		return
	}
	if bytes.IndexByte(value, '&') >= 0 {
		value = r.references(nil, value)
	}
	r.remember(name, value)
}

func (r *xmlReader) remember(name xmlName, value []byte) {
	for _, other := range r.attrs {
		if bytes.Equal(other, name.raw) {
			r.fail("an attribute twice")
			return
		}
	}
	if len(r.attrs) == mostAttributes {
		r.fail("too many attributes")
		return
	}
	r.attrs = append(r.attrs, name.raw)
	switch {
	case string(name.raw) == "xmlns":
		r.defaults++
		r.bound = append(r.bound, xmlBinding{nil, value, r.depth})
	case string(name.prefix()) == "xmlns":
		if len(value) == 0 {
			r.fail("a prefix for no namespace")
			return
		}
		r.bound = append(r.bound, xmlBinding{name.local(), value, r.depth})
	}
}

// nameByte says where in a name a byte may be: 1 anywhere, 2 not first.
var nameByte = func() (t [256]byte) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = 1, 1
	}
	for _, c := range "0123456789-." {
		t[c] = 2
	}
	t['_'], t[':'] = 1, 1
	return t
}()

// name reads a name with at most one colon, which is inside it.
func (r *xmlReader) name() (xmlName, bool) {
	from, colon := r.pos, 0
	for ; r.pos < len(r.data) && nameByte[r.data[r.pos]] != 0; r.pos++ {
		if r.data[r.pos] != ':' {
			continue
		}
		if colon > 0 {
			return xmlName{}, false
		}
		colon = r.pos - from
	}
	n := xmlName{raw: r.data[from:r.pos], colon: colon}
	local := n.local()
	return n, len(local) > 0 && startsName(n.raw[0]) && startsName(local[0])
}

func startsName(c byte) bool { return nameByte[c] == 1 && c != ':' }

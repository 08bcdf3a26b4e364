package soap

import (
	"bytes"
	"errors"
	"strings"
	"sync"

	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// Limits of a reply that no reply of Marketo comes near.
const (
	deepest        = 64 // levels of elements
	mostAttributes = 64 // of one element
)

// xmlReader reads one XML 1.0 document in UTF-8 from front to back. It is
// stricter than XML: no DOCTYPE, no processing instruction, element names in
// ASCII, limits on depth and attributes. The first error sticks; after it
// every method returns zero values, so a whole document can be read and err
// looked at once, at the end. Nothing read counts before finish succeeded.
type xmlReader struct {
	data  []byte
	pos   int
	open  [deepest]xmlName
	depth int
	// empty is set between <a/> and the end that it stands for.
	empty bool
	bound []xmlBinding
	// defaults counts the bindings of no prefix: mostly there are none, and
	// then a name without prefix is in no namespace.
	defaults int
	attrs    [][]byte
	// decoded holds text that differs from its source. Its owner may empty
	// it when no text read before is needed any more.
	decoded []byte
	// valid is how much of data is known to be characters that XML can hold.
	valid int
	// careful has every element read in full, with no shortcut.
	careful bool
	err     error
}

// xmlName is a name as it is written, with the place of its colon, or 0.
type xmlName struct {
	raw   []byte
	colon int
}

func (n xmlName) prefix() []byte { return n.raw[:n.colon] }

func (n xmlName) local() []byte {
	if n.colon == 0 {
		return n.raw
	}
	return n.raw[n.colon+1:]
}

type xmlBinding struct {
	prefix, uri []byte
	depth       int
}

var xmlReaders = sync.Pool{New: func() any { return new(xmlReader) }}

// begin makes r read data.
func (r *xmlReader) begin(data []byte) {
	r.data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	r.declaration()
}

// recycle ends the use of r, and of every text that was read.
func (r *xmlReader) recycle() {
	clear(r.bound[:cap(r.bound)])
	clear(r.attrs[:cap(r.attrs)])
	kept := xmlReader{bound: r.bound[:0], attrs: r.attrs[:0]}
	if cap(r.decoded) <= exchange.LargestKept {
		kept.decoded = r.decoded[:0]
	}
	*r = kept
	xmlReaders.Put(r)
}

// validate looks at the characters up to from, and takes those up to end for
// good: whoever read them has looked.
func (r *xmlReader) validate(from, end int) {
	if from > r.valid && !validXML(r.data[r.valid:from]) {
		r.fail("not UTF-8, or a character that XML cannot hold")
	}
	r.valid = end
}

func (r *xmlReader) fail(what string) {
	if r.err == nil {
		r.err = errors.New("xml: " + what)
	}
	r.pos = len(r.data)
}

// xmlDeclaration is what documents usually begin with, ours always.
const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>`

// declaration passes <?xml version="1.0" encoding="UTF-8"?>, if it is there.
func (r *xmlReader) declaration() {
	if bytes.HasPrefix(r.data, []byte(xmlDeclaration)) {
		r.pos = len(xmlDeclaration)
		return
	}
	rest, ok := bytes.CutPrefix(r.data, []byte("<?xml"))
	if !ok || r.err != nil {
		return
	}
	inner, _, ok := bytes.Cut(rest, []byte("?>"))
	if !ok || len(inner) > 200 {
		r.fail("declaration without end")
		return
	}
	r.pos = len("<?xml") + len(inner) + len("?>")
	text := strings.ToLower(strings.ReplaceAll(string(inner), "'", `"`))
	parts := strings.Fields(strings.ReplaceAll(text, `"`, ` " `))
	joined := strings.Join(parts, "")
	joined = strings.TrimSuffix(strings.TrimSuffix(joined, `standalone="yes"`), `standalone="no"`)
	if joined != `version="1.0"` && joined != `version="1.0"encoding="utf-8"` {
		r.fail("declaration is not XML 1.0 in UTF-8")
	}
}

// child enters the next child element of the current one, or leaves the
// current one and returns false. Text beside elements is an error.
func (r *xmlReader) child() (xmlName, bool) {
	if r.empty {
		r.leave()
		return xmlName{}, false
	}
	for r.err == nil {
		r.space()
		switch r.markup() {
		case '/':
			r.endTag()
			return xmlName{}, false
		case '!':
			if !r.has("<!--") {
				r.fail("a directive, or text where only elements may be")
			} else {
				r.comment()
			}
		case 0:
			r.fail("text where only elements may be, or an end in the middle")
		default:
			return r.startTag()
		}
	}
	return xmlName{}, false
}

// markup returns the byte after the '<' that is next; 0 where none is.
func (r *xmlReader) markup() byte {
	if r.pos+1 < len(r.data) && r.data[r.pos] == '<' {
		return r.data[r.pos+1]
	}
	return 0
}

// skip leaves the current element with all that it holds.
func (r *xmlReader) skip() {
	if r.empty {
		r.leave()
		return
	}
	for level := r.depth; r.err == nil && r.depth >= level; {
		r.run()
		switch {
		case r.has("<!--"):
			r.comment()
		case r.has("<![CDATA["):
			r.cdata()
		case r.has("</"):
			r.endTag()
		case r.has("<"):
			if r.startTag(); r.empty {
				r.leave()
			}
		default:
			r.fail("ends in the middle")
		}
	}
}

// finish makes sure that nothing but space and comments is left, and that all
// was characters that XML can hold.
func (r *xmlReader) finish() error {
	r.validate(len(r.data), len(r.data))
	if r.err == nil && r.depth > 0 {
		r.fail("ends in the middle")
	}
	for r.err == nil && r.pos < len(r.data) {
		r.space()
		switch {
		case r.has("<!--"):
			r.comment()
		case r.pos < len(r.data):
			r.fail("something after the document")
		}
	}
	return r.err
}

// is reports whether n is the element local of the namespace uri. It is asked
// while n is the current element.
func (r *xmlReader) is(n xmlName, uri, local string) bool {
	return string(n.local()) == local && string(r.namespace(n)) == uri
}

// namespace is the one n is in; "" where it is in none.
func (r *xmlReader) namespace(n xmlName) []byte {
	if n.colon == 0 && r.defaults == 0 {
		return nil
	}
	for i := len(r.bound) - 1; i >= 0; i-- {
		if bytes.Equal(r.bound[i].prefix, n.prefix()) {
			return r.bound[i].uri
		}
	}
	if n.colon > 0 {
		r.fail("a prefix that stands for no namespace")
	}
	return nil
}

func (r *xmlReader) has(prefix string) bool {
	return r.err == nil && len(r.data)-r.pos >= len(prefix) && string(r.data[r.pos:r.pos+len(prefix)]) == prefix
}

func (r *xmlReader) space() {
	for r.pos < len(r.data) && isSpace(r.data[r.pos]) {
		r.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (r *xmlReader) comment() {
	r.pos += len("<!--")
	end := bytes.Index(r.data[r.pos:], []byte("--"))
	if end < 0 || !bytes.HasPrefix(r.data[r.pos+end:], []byte("-->")) {
		r.fail("comment without end")
		return
	}
	r.pos += end + len("-->")
}

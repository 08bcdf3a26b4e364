package soap

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

const (
	soapNamespace    = "http://schemas.xmlsoap.org/soap/envelope/"
	marketoNamespace = "http://www.marketo.com/mktows/"
)

// soapFault is what a SOAP Fault says. Code is "" where it has none.
type soapFault struct {
	code string
	text []byte
}

// readReply reads the reply to a call that sent b: one Result for each of
// its objects, or the Fault in it, or an error because it is not exactly one
// whole reply, of which then nothing counts.
func readReply(body []byte, b *marketo.Batch) ([]marketo.Result, *soapFault, error) {
	call := callOf(b.Operation)
	m := newMatcher(b)
	defer m.recycle()
	fault, err := readEnvelope(body, call.success, func(r *xmlReader) { readResult(r, call.list, m) })
	if err != nil || fault != nil {
		return nil, fault, err
	}
	return m.results, nil, nil
}

// readEnvelope reads an envelope whose body is either the element success,
// which it has read, or a Fault.
func readEnvelope(body []byte, success string, read func(*xmlReader)) (*soapFault, error) {
	r := xmlReaders.Get().(*xmlReader)
	defer r.recycle()
	r.begin(body)
	if name, ok := r.child(); !ok || !r.is(name, soapNamespace, "Envelope") {
		r.fail("not a SOAP 1.1 envelope")
	}
	var (
		fault  *soapFault
		bodies int
	)
	for name, ok := r.child(); ok; name, ok = r.child() {
		if !r.is(name, soapNamespace, "Body") {
			r.skip()
			continue
		}
		bodies++
		fault = readBody(r, success, read)
	}
	if bodies != 1 {
		r.fail("not exactly one SOAP body")
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return fault, nil
}

func readBody(r *xmlReader, success string, read func(*xmlReader)) *soapFault {
	var (
		fault *soapFault
		parts int
	)
	for name, ok := r.child(); ok; name, ok = r.child() {
		parts++
		switch {
		case r.is(name, soapNamespace, "Fault"):
			fault = readFault(r)
		case r.is(name, marketoNamespace, success):
			read(r)
		default:
			r.fail("neither <" + success + "> nor a Fault")
		}
	}
	if parts != 1 {
		r.fail("not exactly one answer in the SOAP body")
	}
	return fault
}

// readFault reads detail/serviceException{name,message,code}.
func readFault(r *xmlReader) *soapFault {
	f := &soapFault{}
	for name, ok := r.child(); ok; name, ok = r.child() {
		switch string(name.local()) {
		case "faultstring":
			f.text = bytes.Clone(r.text())
		case "detail":
			readDetail(r, f)
		default:
			r.skip()
		}
	}
	return f
}

func readDetail(r *xmlReader, f *soapFault) {
	for name, ok := r.child(); ok; name, ok = r.child() {
		if string(name.local()) != "serviceException" {
			r.skip()
			continue
		}
		for name, ok := r.child(); ok; name, ok = r.child() {
			switch string(name.local()) {
			case "message":
				f.text = bytes.Clone(r.text())
			case "code":
				if f.code != "" {
					r.fail("two fault codes")
				}
				f.code = marketo.CodeOf(bytes.TrimSpace(r.text()))
			default:
				r.skip()
			}
		}
	}
}

// ours reports whether n is a part of Marketo's answer. They are in no
// namespace; a gateway that puts them into Marketo's own means the same.
func ours(r *xmlReader, n xmlName, local string) bool {
	if string(n.local()) != local {
		return false
	}
	ns := r.namespace(n)
	return len(ns) == 0 || string(ns) == marketoNamespace
}

// readResult reads result/<list>/syncCustomObjStatus*, each of them once.
func readResult(r *xmlReader, list string, m *matcher) {
	results := 0
	for name, ok := r.child(); ok; name, ok = r.child() {
		if !ours(r, name, "result") {
			r.skip()
			continue
		}
		results++
		lists := 0
		for name, ok := r.child(); ok; name, ok = r.child() {
			if !ours(r, name, list) {
				r.skip()
				continue
			}
			lists++
			readStatuses(r, m)
		}
		if lists != 1 {
			r.fail("not exactly one list of statuses")
		}
	}
	if results != 1 {
		r.fail("not exactly one result")
	}
}

func readStatuses(r *xmlReader, m *matcher) {
	e := &m.entry
	for {
		for e.scan(r) {
			m.settle(e)
		}
		name, ok := r.child()
		if !ok {
			return
		}
		if !ours(r, name, "syncCustomObjStatus") {
			r.skip()
			continue
		}
		r.decoded = r.decoded[:0]
		e.read(r)
		if r.err == nil {
			m.settle(e)
		}
	}
}

// soapStatus is one syncCustomObjStatus. Its texts belong to the reader.
type soapStatus struct {
	objType, status, message []byte
	names, values            [][]byte
	// same is what was scanned last, from its start up to the first value.
	same []byte
}

// forget lets go of the reply, and keeps memory for the next one.
func (e *soapStatus) forget() {
	names, values := e.names[:cap(e.names)], e.values[:cap(e.values)]
	clear(names)
	clear(values)
	*e = soapStatus{names: names[:0], values: values[:0]}
}

func (e *soapStatus) read(r *xmlReader) {
	var types, keys, statuses, errs int
	*e = soapStatus{names: e.names[:0], values: e.values[:0]}
	for name, ok := r.child(); ok; name, ok = r.child() {
		switch {
		case ours(r, name, "objTypeName"):
			types++
			e.objType = r.text()
		case ours(r, name, "customObjKeyList"):
			keys++
			e.readKey(r)
		case ours(r, name, "status"):
			statuses++
			e.status = r.text()
		case ours(r, name, "error"):
			errs++
			e.message = r.text()
		default:
			r.skip()
		}
	}
	if types > 1 || keys > 1 || statuses != 1 || errs > 1 {
		r.fail("a status entry with a part missing or doubled")
	}
}

func (e *soapStatus) readKey(r *xmlReader) {
	for name, ok := r.child(); ok; name, ok = r.child() {
		if !ours(r, name, "attribute") {
			r.skip()
			continue
		}
		var (
			attr, value   []byte
			attrs, values int
		)
		for name, ok := r.child(); ok; name, ok = r.child() {
			switch {
			case ours(r, name, "attrName"):
				attrs++
				attr = r.text()
			case ours(r, name, "attrValue"):
				values++
				value = r.text()
			default:
				r.skip()
			}
		}
		if attrs != 1 || values != 1 {
			r.fail("a key attribute with a part missing or doubled")
		}
		e.names, e.values = append(e.names, attr), append(e.values, value)
	}
}

// errNotSOAP explains a reply that is none, without repeating any of it.
func errNotSOAP(a exchange.Answer, err error) error {
	if kind := a.Header.Get("Content-Type"); bytes.Contains([]byte(kind), []byte("html")) {
		return errors.New("an HTML page where a SOAP reply should be; check the endpoint and any proxy in between")
	}
	return fmt.Errorf("the reply is refused as a whole: %w", err)
}

package soap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

var getCall = soapCall{
	action:  `"` + marketoNamespace + `getCustomObjects"`,
	success: "successGetCustomObjects",
	open:    "<ns1:paramsGetCustomObjects><objTypeName>",
	objects: "</objTypeName><batchSize>100</batchSize><customObjKeyList>",
	end:     "</includeAttributes></ns1:paramsGetCustomObjects>",
}

// MostKeys is how many keys a Query may have: getCustomObjects takes one.
func (s *Client) MostKeys() int { return 1 }

// Query returns what Marketo has of one object; it is one counted call. Of a key
// that stands for more than a hundred objects it returns the first hundred. The
// error is a *Fault where Marketo answered.
func (s *Client) Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error) {
	if len(q.Keys) == 0 {
		return nil, nil
	}
	if len(q.Keys) > 1 || len(q.Key) == 0 {
		return nil, fmt.Errorf("get custom objects: %d keys of %d fields in one call", len(q.Keys), len(q.Key))
	}
	if err := exchange.Admitted(ctx, s.admit); err != nil {
		return nil, err
	}
	buf, secrets, fault := s.open()
	if fault != nil {
		return nil, fault
	}
	from := len(buf.B)
	buf.B = appendQuery(buf.B, &q)
	valid := validXML(buf.B[from:])
	buf.B = append(buf.B, soapClose...)
	if !valid {
		buf.Release()
		return nil, &marketo.Fault{Class: marketo.FaultRefused, Code: "value", Message: "the key holds a character that XML cannot carry, so that no object has it"}
	}
	a, fault := s.post(ctx, &getCall, buf)
	if fault != nil {
		return nil, fault
	}
	defer a.Buf.Release()
	var found []marketo.Stored
	soap, err := readEnvelope(a.Buf.B, getCall.success, func(r *xmlReader) { found = readStored(r, &q) })
	if fault := s.fault(a, soap, err, secrets, nil); fault != nil {
		return nil, fault
	}
	return found, nil
}

func appendQuery(dst []byte, q *marketo.Query) []byte {
	dst = append(dst, getCall.open...)
	dst = appendXML(dst, q.Type)
	dst = append(dst, getCall.objects...)
	for i, name := range q.Key {
		dst = append(dst, "<attribute><attrName>"...)
		dst = appendXML(dst, name)
		dst = append(dst, "</attrName><attrValue>"...)
		dst = appendXML(dst, q.Keys[0][i].Text)
		dst = append(dst, valueEnd...)
	}
	dst = append(dst, "</customObjKeyList><includeAttributes>"...)
	for _, name := range q.Names() {
		dst = append(dst, "<stringItem>"...)
		dst = appendXML(dst, name)
		dst = append(dst, "</stringItem>"...)
	}
	return append(dst, getCall.end...)
}

// readStored reads result/customObjList/customObj*.
func readStored(r *xmlReader, q *marketo.Query) (all []marketo.Stored) {
	names, results := q.Names(), 0
	for name, ok := r.child(); ok; name, ok = r.child() {
		if !ours(r, name, "result") {
			r.skip()
			continue
		}
		results++
		for name, ok := r.child(); ok; name, ok = r.child() {
			if !ours(r, name, "customObjList") {
				r.skip()
				continue
			}
			for name, ok := r.child(); ok; name, ok = r.child() {
				if !ours(r, name, "customObj") {
					r.skip()
					continue
				}
				all = append(all, readObject(r, names))
			}
		}
	}
	if results != 1 {
		r.fail("not exactly one result")
	}
	return all
}

// readObject reads one object: its two lists of attributes.
func readObject(r *xmlReader, names []string) marketo.Stored {
	s := marketo.Stored{Values: make([]marketo.Value, len(names))}
	for i := range s.Values {
		s.Values[i].Kind = marketo.Null
	}
	var e soapStatus
	for name, ok := r.child(); ok; name, ok = r.child() {
		if !ours(r, name, "customObjKeyList") && !ours(r, name, "customObjAttributeList") {
			r.skip()
			continue
		}
		e.names, e.values = e.names[:0], e.values[:0]
		e.readKey(r)
		for j := range e.names {
			own := string(e.names[j])
			i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, own) })
			if i >= 0 && len(e.values[j]) > 0 {
				s.Values[i] = marketo.Value{Kind: marketo.String, Text: string(e.values[j])}
			}
		}
	}
	return s
}

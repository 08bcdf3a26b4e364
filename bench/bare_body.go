package main

import (
	"bytes"
	"encoding/binary"
)

// bareRelation is a table as the stream describes it, with the batch of its
// rows that is being gathered.
type bareRelation struct {
	id      uint32
	object  string
	columns []bareColumn
	// values calls a function for every value of a row, in the form it came in.
	values  func(row []byte, value func(i int, text []byte)) error
	body    []byte
	objects int
}

type bareColumn struct {
	// json and xml are everything before the column's value.
	json, xml string
	quoted    bool
}

// parseRelation reads: id, schema, name, identity, columns of flags, name,
// type and modifier.
func parseRelation(m []byte) (*bareRelation, error) {
	if len(m) < 4 {
		return nil, errShort
	}
	r := &bareRelation{id: binary.BigEndian.Uint32(m), values: eachValue}
	m = m[4:]
	_, m, ok := bytes.Cut(m, []byte{0})
	name, m, ok2 := bytes.Cut(m, []byte{0})
	if !ok || !ok2 || len(m) < 3 {
		return nil, errShort
	}
	r.object = "Bench" + string(name[bytes.LastIndexByte(name, '_')+1:])
	n := int(binary.BigEndian.Uint16(m[1:]))
	m = m[3:]
	for range n {
		if len(m) == 0 {
			return nil, errShort
		}
		name, rest, ok := bytes.Cut(m[1:], []byte{0})
		if !ok || len(rest) < 8 {
			return nil, errShort
		}
		r.columns = append(r.columns, newBareColumn(string(name), binary.BigEndian.Uint32(rest), len(r.columns)))
		m = rest[8:]
	}
	return r, nil
}

func newBareColumn(name string, typeOID uint32, index int) bareColumn {
	const int8OID = 20
	c := bareColumn{quoted: typeOID != int8OID}
	if index == 0 {
		name = keyField
	}
	c.json = `"` + name + `":`
	if index > 0 {
		c.json = "," + c.json
	}
	if c.quoted {
		c.json += `"`
	}
	c.xml = "<attribute><attrName>" + name + "</attrName><attrValue>"
	return c
}

// eachValue calls value for every column of a tuple.
func eachValue(m []byte, value func(i int, text []byte)) error {
	if len(m) < 2 {
		return errShort
	}
	n := int(binary.BigEndian.Uint16(m))
	m = m[2:]
	for i := range n {
		if len(m) < 1 {
			return errShort
		}
		if m[0] != 't' {
			value(i, nil)
			m = m[1:]
			continue
		}
		if len(m) < 5 || uint64(len(m)-5) < uint64(binary.BigEndian.Uint32(m[1:])) {
			return errShort
		}
		end := 5 + int(binary.BigEndian.Uint32(m[1:]))
		value(i, m[5:end])
		m = m[end:]
	}
	return nil
}

func skipTuple(m []byte) error { return eachValue(m, func(int, []byte) {}) }

const (
	restOpen  = `{"action":"createOrUpdate","dedupeBy":"dedupeFields","input":[`
	restClose = `]}`

	// The signature is of the right length, and of nothing.
	soapOpen = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>bench</mktowsUserId><requestSignature>0123456789012345678901234567890123456789</requestSignature>` +
		`<requestTimestamp>2026-01-01T00:00:00+00:00</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body>` +
		`<ns1:paramsSyncCustomObjects><objTypeName>`
	soapObjects = `</objTypeName><customObjList>`
	soapClose   = `</customObjList><operation>UPSERT</operation></ns1:paramsSyncCustomObjects></SOAP-ENV:Body></SOAP-ENV:Envelope>` + "\n"

	soapEnd = "</attrValue></attribute>"
)

// appendJSONRow appends a record. The tables hold nothing but plain text, so
// looking for what must be escaped finds nothing; but it has to be looked for.
func appendJSONRow(dst []byte, r *bareRelation, tuple []byte) ([]byte, error) {
	if r.objects == 0 {
		dst = append(dst, restOpen...)
	} else {
		dst = append(dst, ',')
	}
	dst = append(dst, '{')
	err := r.values(tuple, func(i int, text []byte) {
		c := &r.columns[i]
		dst = append(dst, c.json...)
		dst = appendPlain(dst, text, &jsonSpecial)
		if c.quoted {
			dst = append(dst, '"')
		}
	})
	return append(dst, '}'), err
}

func appendXMLRow(dst []byte, r *bareRelation, tuple []byte) ([]byte, error) {
	if r.objects == 0 {
		dst = append(append(append(dst, soapOpen...), r.object...), soapObjects...)
	}
	dst = append(dst, "<customObj><customObjKeyList>"...)
	err := r.values(tuple, func(i int, text []byte) {
		dst = append(dst, r.columns[i].xml...)
		dst = appendPlain(dst, text, &xmlSpecial)
		dst = append(dst, soapEnd...)
		if i == 0 {
			dst = append(dst, "</customObjKeyList><customObjAttributeList>"...)
		}
	})
	return append(dst, "</customObjAttributeList></customObj>"...), err
}

// jsonSpecial and xmlSpecial are what a real encoder would escape.
var (
	jsonSpecial = special(`"\`)
	xmlSpecial  = special("<>&\r")
)

func special(also string) (t [256]bool) {
	for c := range byte(' ') {
		t[c] = true
	}
	for _, c := range []byte(also) {
		t[c] = true
	}
	return t
}

// appendPlain appends text; what would need escaping is left out.
func appendPlain(dst, text []byte, special *[256]bool) []byte {
	from := 0
	for i, c := range text {
		if special[c] {
			dst = append(dst, text[from:i]...)
			from = i + 1
		}
	}
	return append(dst, text[from:]...)
}

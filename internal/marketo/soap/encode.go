package soap

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"sync"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// soapCall is the wire's vocabulary for one operation.
type soapCall struct {
	action  string // SOAPAction, quoted as SOAP 1.1 wants it
	success string // the element that answers
	list    string // the list of statuses in its result
	open    string // the body up to the type
	objects string // from the type to the first object
	end     string // from the last object to the end of the body
}

var (
	syncCalls  = [...]soapCall{marketo.Upsert: syncCall(marketo.Upsert), marketo.Insert: syncCall(marketo.Insert), marketo.Update: syncCall(marketo.Update)}
	deleteCall = soapCall{
		action:  `"` + marketoNamespace + `deleteCustomObjects"`,
		success: "successDeleteCustomObjects",
		list:    "deleteCustomObjStatusList",
		open:    "<ns1:paramsDeleteCustomObjects><objTypeName>",
		objects: "</objTypeName><customObjKeyLists>",
		end:     "</customObjKeyLists></ns1:paramsDeleteCustomObjects>",
	}
	listCall = soapCall{
		action:  `"` + marketoNamespace + `listMObjects"`,
		success: "successListMObjects",
		open:    "<ns1:paramsListMObjects/>",
	}
)

// syncCall is syncCustomObjects; its schema is a sequence that ends in the
// operation.
func syncCall(op marketo.Operation) soapCall {
	return soapCall{
		action:  `"` + marketoNamespace + `syncCustomObjects"`,
		success: "successSyncCustomObjects",
		list:    "syncCustomObjStatusList",
		open:    "<ns1:paramsSyncCustomObjects><objTypeName>",
		objects: "</objTypeName><customObjList>",
		end:     "</customObjList><operation>" + op.String() + "</operation></ns1:paramsSyncCustomObjects>",
	}
}

func callOf(op marketo.Operation) *soapCall {
	if op == marketo.Delete {
		return &deleteCall
	}
	return &syncCalls[op]
}

// The schema has no elementFormDefault: only what stands directly in Header
// and Body is in Marketo's namespace, everything below is in none.
const (
	soapOpen = xmlDeclaration + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapNamespace + `" xmlns:ns1="` + marketoNamespace + `">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>`
	soapSignature = `</mktowsUserId><requestSignature>`
	soapTimestamp = `</requestSignature><requestTimestamp>`
	soapBody      = `</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body>`
	soapClose     = `</SOAP-ENV:Body></SOAP-ENV:Envelope>` + "\n"
)

// timestampLayout is the W3C format with a numeric offset, never "Z".
const timestampLayout = "2006-01-02T15:04:05-07:00"

// sign returns the signature of an attempt: the lower-case hexadecimal
// HMAC-SHA1 of timestamp and user id. The header must carry the very bytes of
// timestamp that were signed.
func sign(secret, timestamp, userID string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(timestamp + userID))
	return hex.EncodeToString(mac.Sum(nil))
}

// appendHeader opens an envelope.
func appendHeader(dst []byte, userID, signature, timestamp string) []byte {
	dst = append(dst, soapOpen...)
	dst = appendXML(dst, userID)
	dst = append(dst, soapSignature...)
	dst = append(dst, signature...)
	dst = append(dst, soapTimestamp...)
	dst = append(dst, timestamp...)
	return append(dst, soapBody...)
}

// encoder remembers the tags of the shape it saw last: batches seldom mix
// shapes.
type encoder struct {
	shape *marketo.Shape
	// tags open the values, by their index; joints do so behind another value.
	tags, joints []string
	// named is whether XML can carry the names of shape, valid whether it can
	// carry all that was appended to the body.
	named, valid bool
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// valueEnd closes a value.
const valueEnd = "</attrValue></attribute>"

// use makes tags and joints those of shape.
func (e *encoder) use(shape *marketo.Shape) {
	if e.shape == shape {
		return
	}
	e.shape, e.tags, e.joints, e.named = shape, e.tags[:0], e.joints[:0], true
	for i := range shape.Len() {
		name := shape.Name(i)
		e.named = e.named && validXML([]byte(name))
		tag := "<attribute><attrName>" + string(appendXML(nil, name)) + "</attrName><attrValue>"
		e.tags, e.joints = append(e.tags, tag), append(e.joints, valueEnd+tag)
	}
}

// appendBody appends the element that goes into the SOAP body, and reports
// whether XML can carry it.
func (e *encoder) appendBody(dst []byte, b *marketo.Batch) (out []byte, valid bool) {
	call := callOf(b.Operation)
	e.valid = validXML([]byte(b.Type))
	dst = append(dst, call.open...)
	dst = appendXML(dst, b.Type)
	dst = append(dst, call.objects...)
	for i := range b.Objects {
		o := &b.Objects[i]
		e.use(o.Shape)
		e.valid = e.valid && e.named
		if b.Operation == marketo.Delete {
			dst = append(dst, "<keyList>"...)
			dst, _ = e.appendAttributes(dst, o, 0, len(o.Shape.Key))
			dst = append(dst, "</keyList>"...)
			continue
		}
		dst = e.appendObject(dst, o)
	}
	return append(dst, call.end...), e.valid
}

func (e *encoder) appendObject(dst []byte, o *marketo.Object) []byte {
	dst = append(dst, "<customObj><customObjKeyList>"...)
	dst, _ = e.appendAttributes(dst, o, 0, len(o.Shape.Key))
	dst = append(dst, "</customObjKeyList>"...)
	before := len(dst)
	dst = append(dst, "<customObjAttributeList>"...)
	dst, some := e.appendAttributes(dst, o, len(o.Shape.Key), o.Len())
	if !some {
		dst = dst[:before]
	} else {
		dst = append(dst, "</customObjAttributeList>"...)
	}
	return append(dst, "</customObj>"...)
}

// appendAttributes appends values first up to end, and leaves out what is
// Omitted. Null is an empty attrValue: the schema has no other way, and it
// clears the attribute.
func (e *encoder) appendAttributes(dst []byte, o *marketo.Object, first, end int) (out []byte, some bool) {
	for i := first; i < end; i++ {
		kind, text, plain := o.Read(i)
		if kind == marketo.Omitted {
			continue
		}
		if some {
			dst = append(dst, e.joints[i]...)
		} else {
			dst, some = append(dst, e.tags[i]...), true
		}
		switch {
		case kind == marketo.Null:
		case plain:
			dst = append(dst, text...)
		default:
			dst = e.appendText(dst, text)
		}
	}
	if some {
		dst = append(dst, valueEnd...)
	}
	return dst, some
}

// appendText appends a text that is not plain, and looks whether XML can carry
// it.
func (e *encoder) appendText(dst []byte, text string) []byte {
	from := len(dst)
	dst = appendXML(dst, text)
	e.valid = e.valid && validXML(dst[from:])
	return dst
}

// xmlEscapes holds what may not stand in text as it is. A carriage return is
// legal but would arrive as a line feed.
var xmlEscapes = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;"}

// appendXML appends text as character data.
func appendXML(dst []byte, text string) []byte {
	from := 0
	for i := 0; i < len(text); i++ {
		if c := text[i]; c > '>' || xmlEscapes[c] == "" {
			continue
		}
		dst = append(append(dst, text[from:i]...), xmlEscapes[text[i]]...)
		from = i + 1
	}
	return append(dst, text[from:]...)
}

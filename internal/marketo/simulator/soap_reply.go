package simulator

import (
	"net/http"
	"strings"
)

// soap is the dialect of SOAP answers.
type soap struct{ sim *Simulator }

const (
	soapOpen = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapSpace + `" xmlns:ns1="` + mktowsSpace + `" xmlns:xsi="` + xsiSpace + `"><SOAP-ENV:Body>`
	soapClose = `</SOAP-ENV:Body></SOAP-ENV:Envelope>` + "\n"
)

func openSuccess(dst []byte, call string) []byte {
	dst = append(dst, soapOpen+"<ns1:success"...)
	dst = append(dst, call...)
	return append(dst, '>')
}

func closeSuccess(dst []byte, call string) []byte {
	dst = append(dst, "</ns1:success"...)
	dst = append(dst, call...)
	return append(dst, ">"+soapClose...)
}

func appendElement(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	dst = appendXML(dst, text)
	return append(append(append(dst, "</"...), name...), '>')
}

func appendAttribute(dst []byte, name, value string) []byte {
	dst = append(dst, "<attribute>"...)
	dst = appendElement(dst, "attrName", name)
	dst = append(dst, `<attrType xsi:nil="true"/>`...)
	dst = appendElement(dst, "attrValue", value)
	return append(dst, "</attribute>"...)
}

func (soap) success(body []byte) *reply {
	return &reply{status: http.StatusOK, contentType: "text/xml; charset=UTF-8", body: body}
}

// fault answers a refused call: HTTP 500, serviceException in the namespace
// and its children not.
func (soap) fault(f *fault) *reply {
	if f.status != 0 && f.status != http.StatusInternalServerError {
		return &reply{status: f.status, contentType: "text/html", body: htmlPage(f.message)}
	}
	side := "Client"
	if f.code == "10001" || f.code == "20011" {
		side = "Server"
	}
	body := append([]byte(soapOpen), faultElement(side, f)...)
	return &reply{
		status:      http.StatusInternalServerError,
		contentType: "text/xml; charset=UTF-8",
		body:        append(body, soapClose...),
	}
}

func faultElement(side string, f *fault) []byte {
	body := append([]byte(nil), "<SOAP-ENV:Fault>"...)
	body = appendElement(body, "faultcode", "SOAP-ENV:"+side)
	body = appendElement(body, "faultstring", f.code+" - "+f.message)
	body = append(body, "<detail><ns1:serviceException>"...)
	body = appendElement(body, "name", "mktServiceException")
	body = appendElement(body, "message", f.message+" ("+f.code+")")
	body = appendElement(body, "code", f.code)
	return append(body, "</ns1:serviceException></detail></SOAP-ENV:Fault>"...)
}

// statuses answers a sync or delete call. Only keys say which object a status
// is about, and they are repeated as the call wrote them.
func (d soap) statuses(req *request, lines []line) *reply {
	call, list := "SyncCustomObjects", "syncCustomObjStatusList"
	if req.operation == opDelete {
		call, list = "DeleteCustomObjects", "deleteCustomObjStatusList"
	}
	typeName := req.typeName
	if d.sim.opts.EchoCase {
		typeName = strings.ToUpper(typeName[:1]) + strings.ToLower(typeName[1:])
	}
	body := make([]byte, 0, 512+len(lines)*320)
	body = openSuccess(body, call)
	body = append(append(append(body, "<result><"...), list...), '>')
	for i := range lines {
		body = d.appendStatus(body, typeName, req.objects[lines[i].place].keys, &lines[i])
	}
	body = append(append(append(body, "</"...), list...), "></result>"...)
	return d.success(closeSuccess(body, call))
}

func (soap) appendStatus(dst []byte, typeName string, keys []attribute, l *line) []byte {
	dst = append(dst, "<syncCustomObjStatus>"...)
	dst = appendElement(dst, "objTypeName", typeName)
	dst = append(dst, "<customObjKeyList>"...)
	for i := range keys {
		value := keys[i].value
		if l.foreign && i == 0 {
			value += "-foreign"
		}
		dst = appendAttribute(dst, keys[i].name, value)
	}
	dst = append(dst, "</customObjKeyList>"...)
	dst = appendElement(dst, "status", l.status)
	if l.problem != nil && l.status == statusFailed {
		dst = appendElement(dst, "error", l.problem.message)
	} else {
		dst = append(dst, `<error xsi:nil="true"/>`...)
	}
	return append(dst, "</syncCustomObjStatus>"...)
}

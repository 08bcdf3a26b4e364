package simulator

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"
)

// schemaXSD is the schema of the calls the simulator knows, with the names,
// the order and the nillable marks of Marketo's own. Unlike Marketo's old
// schema it lists the statuses UNCHANGED and SKIPPED.
//
//go:embed mktows.xsd
var schemaXSD string

var wsdlCalls = []string{"syncCustomObjects", "deleteCustomObjects", "getCustomObjects", "listMObjects", "describeMObject"}

// serveWSDL answers with a WSDL whose service is at the address that was
// asked.
func serveWSDL(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	var address strings.Builder
	address.Write(appendXML(nil, scheme+"://"+r.Host+r.URL.Path))
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	fmt.Fprint(w, wsdl(address.String()))
}

func wsdl(address string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:tns="` +
		mktowsSpace + `" name="mktows" targetNamespace="` + mktowsSpace + `">
<wsdl:types>
` + schemaXSD + `</wsdl:types>
<wsdl:message name="AuthenticationHeader"><wsdl:part name="authentication" element="tns:AuthenticationHeader"/></wsdl:message>
`)
	var ports, bindings strings.Builder
	for _, call := range wsdlCalls {
		upper := strings.ToUpper(call[:1]) + call[1:]
		fmt.Fprintf(&b, `<wsdl:message name="%[1]sRequest"><wsdl:part name="params%[1]s" element="tns:params%[1]s"/></wsdl:message>
<wsdl:message name="%[1]sResponse"><wsdl:part name="success%[1]s" element="tns:success%[1]s"/></wsdl:message>
`, upper)
		fmt.Fprintf(&ports, `<wsdl:operation name="%s"><wsdl:input message="tns:%[2]sRequest"/><wsdl:output message="tns:%[2]sResponse"/></wsdl:operation>
`, call, upper)
		fmt.Fprintf(&bindings, `<wsdl:operation name="%[1]s"><soap:operation soapAction="%[2]s%[1]s"/><wsdl:input><soap:header use="literal" part="authentication" message="tns:AuthenticationHeader"/><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>
`, call, mktowsSpace)
	}
	fmt.Fprintf(&b, `<wsdl:portType name="MktowsPort">
%s</wsdl:portType>
<wsdl:binding name="MktowsApiSoapBinding" type="tns:MktowsPort">
<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
%s</wsdl:binding>
<wsdl:service name="MktMktowsApiService"><wsdl:port name="MktowsApiSoapPort" binding="tns:MktowsApiSoapBinding"><soap:address location="%s"/></wsdl:port></wsdl:service>
</wsdl:definitions>
`, ports.String(), bindings.String(), address)
	return b.String()
}

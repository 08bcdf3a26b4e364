package simulator

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
)

// The versions of the API that had custom objects; what they are is the same
// in all.
var soapPath = regexp.MustCompile(`^/soap/mktows/(2_[0-9]|3_[01])$`)

// maxSOAPBytes bounds a request. Marketo's own bound is not known.
const maxSOAPBytes = 16 << 20

func (s *Simulator) serveSOAP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !soapPath.MatchString(r.URL.Path):
		http.NotFound(w, r)
	case r.Method == http.MethodGet && strings.EqualFold(r.URL.RawQuery, "wsdl"):
		serveWSDL(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "SOAP calls are POSTed; the WSDL is at ?WSDL", http.StatusMethodNotAllowed)
	default:
		c := s.begin(apiSOAP, soap{s})
		body, ok := c.receive(w, r, maxSOAPBytes)
		if !ok {
			return
		}
		req, f := s.parseSOAP(r.Header, body)
		c.serve(w, r, req, f)
	}
}

// receive reads a body whole. It returns false when the client left before
// the end, or sent too much and was told.
func (c *exchange) receive(w http.ResponseWriter, r *http.Request, limit int) (string, bool) {
	var body bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= int64(limit) {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := io.Copy(&body, io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		c.abandon()
		return "", false
	}
	if body.Len() > limit {
		f := &fault{code: "413", message: "Request Entity Too Large", status: http.StatusRequestEntityTooLarge, violation: ViolationSize}
		c.serve(w, r, &request{}, f)
		return "", false
	}
	return body.String(), true
}

// parseSOAP reads a message: transport headers, envelope, signature, call. On
// a fault the request says as much as was understood.
func (s *Simulator) parseSOAP(header http.Header, body string) (*request, *fault) {
	req := &request{api: apiSOAP}
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || media != "text/xml" || named && !strings.EqualFold(charset, "utf-8") {
		return req, notUnderstood("Content-Type must be text/xml; charset=UTF-8")
	}
	scan, err := newXMLScanner(body)
	if err != nil {
		return req, notUnderstood(err.Error())
	}
	p := &soapParser{soapReader: soapReader{scan: scan}, sim: s, req: req}
	if f := p.envelope(header.Values("SOAPAction")); f != nil {
		return req, f
	}
	return req, nil
}

// soapParser parses one message into req.
type soapParser struct {
	soapReader
	sim  *Simulator
	req  *request
	flat []attribute
}

func (p *soapParser) envelope(actions []string) *fault {
	if f := p.into(soapSpace, "Envelope"); f != nil {
		return f
	}
	if f := p.header(); f != nil {
		return f
	}
	if f := p.into(soapSpace, "Body"); f != nil {
		return f
	}
	if f := p.call(actions); f != nil {
		return f
	}
	for range 2 {
		if f := p.leave(); f != nil {
			return f
		}
	}
	if err := p.scan.next(); err != nil {
		return notUnderstood(err.Error())
	}
	return nil
}

// header reads the SOAP headers: one must be the AuthenticationHeader.
func (p *soapParser) header() *fault {
	authenticated := false
	present, f := p.at(soapSpace, "Header")
	if f != nil {
		return f
	}
	if present {
		if f := p.into(soapSpace, "Header"); f != nil {
			return f
		}
		for {
			if f := p.peek(); f != nil {
				return f
			}
			if p.scan.kind == xmlEnd {
				break
			}
			if f := p.headerBlock(&authenticated); f != nil {
				return f
			}
		}
		if f := p.leave(); f != nil {
			return f
		}
	}
	if !authenticated {
		return &fault{code: "20014", message: "Authentication failed"}
	}
	return nil
}

func (p *soapParser) headerBlock(authenticated *bool) *fault {
	if p.scan.local == "AuthenticationHeader" && p.scan.kind == xmlStart {
		if *authenticated {
			return notUnderstood("AuthenticationHeader stands twice")
		}
		*authenticated = true
		return p.authenticate()
	}
	if p.scan.space == "" {
		return notUnderstood("header " + p.scan.local + " is in no namespace")
	}
	for _, a := range p.scan.attrs {
		if a.space == soapSpace && a.local == "mustUnderstand" && a.value == "1" {
			return notUnderstood("header " + p.scan.local + " must be understood and is not")
		}
	}
	return p.skip()
}

// call reads the one element of the body.
func (p *soapParser) call(actions []string) *fault {
	if f := p.peek(); f != nil {
		return f
	}
	if p.scan.kind != xmlStart {
		return notUnderstood("the body is empty")
	}
	name, ok := strings.CutPrefix(p.scan.local, "params")
	if !ok || name == "" || p.scan.space != mktowsSpace {
		return notUnderstood("body element " + p.scan.local)
	}
	name = strings.ToLower(name[:1]) + name[1:]
	if len(actions) != 1 || actions[0] != `"`+mktowsSpace+name+`"` {
		return notUnderstood("SOAPAction does not name the call " + name + " in quotes")
	}
	read := map[string]func() *fault{
		"syncCustomObjects":   p.syncCustomObjects,
		"deleteCustomObjects": p.deleteCustomObjects,
		"getCustomObjects":    p.getCustomObjects,
		"listMObjects":        p.listMObjects,
		"describeMObject":     p.describeMObject,
	}[name]
	if read == nil {
		return &fault{code: "20019", message: "Unsupported operation: " + name, violation: ViolationMalformed}
	}
	if f := p.into(mktowsSpace, p.scan.local); f != nil {
		return f
	}
	if f := read(); f != nil {
		return f
	}
	return nil
}

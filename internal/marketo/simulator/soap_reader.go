package simulator

import "strings"

const (
	soapSpace   = "http://schemas.xmlsoap.org/soap/envelope/"
	mktowsSpace = "http://www.marketo.com/mktows/"
	xsiSpace    = "http://www.w3.org/2001/XMLSchema-instance"
)

// soapReader reads elements in the order the schema wants them. Every method
// that does not find what it looks for returns a fault.
type soapReader struct {
	scan   *xmlScanner
	peeked bool
}

// notUnderstood is the fault for a message that is not what the schema says.
func notUnderstood(reason string) *fault {
	return &fault{code: "20012", message: "Request not understood: " + reason, violation: ViolationMalformed}
}

// peek moves to the next tag. Text between elements may only be white space.
func (r *soapReader) peek() *fault {
	for !r.peeked {
		if err := r.scan.next(); err != nil {
			return notUnderstood(err.Error())
		}
		if r.scan.kind == xmlText {
			if strings.Trim(r.scan.text, " \t\r\n") != "" {
				return notUnderstood("text between elements")
			}
			continue
		}
		r.peeked = true
	}
	return nil
}

// at reports whether the next tag opens the element.
func (r *soapReader) at(space, local string) (bool, *fault) {
	if f := r.peek(); f != nil {
		return false, f
	}
	return r.scan.kind == xmlStart && r.scan.local == local && r.scan.space == space, nil
}

// enter opens an element that must be there, and reports whether it is nil.
func (r *soapReader) enter(space, local string) (isNil bool, f *fault) {
	found, f := r.at(space, local)
	if f != nil {
		return false, f
	}
	if !found {
		return false, r.unexpected(space, local)
	}
	r.peeked = false
	return r.checkAttributes()
}

// into is enter for an element that may not be nil.
func (r *soapReader) into(space, local string) *fault {
	isNil, f := r.enter(space, local)
	if f == nil && isNil {
		return notUnderstood("element " + local + " may not be nil")
	}
	return f
}

func (r *soapReader) unexpected(space, local string) *fault {
	wanted := local
	if space == "" {
		wanted += " (unqualified)"
	}
	switch {
	case r.scan.kind != xmlStart:
		return notUnderstood("element " + wanted + " is missing")
	case r.scan.local == local:
		return notUnderstood("element " + local + " is in the wrong namespace")
	}
	return notUnderstood("element " + r.scan.local + " where " + wanted + " was expected")
}

// checkAttributes lets through what the schema allows on any element: the
// attributes of XML Schema instances and of SOAP itself.
func (r *soapReader) checkAttributes() (isNil bool, f *fault) {
	for _, a := range r.scan.attrs {
		switch {
		case a.space == xsiSpace && a.local == "nil":
			isNil = a.value == "true" || a.value == "1"
		case a.space == xsiSpace, a.space == soapSpace, a.space == xmlSpace:
		default:
			return false, notUnderstood("attribute " + a.local + " of element " + r.scan.local)
		}
	}
	return isNil, nil
}

// leave closes the element that was entered: nothing may be left in it.
func (r *soapReader) leave() *fault {
	if f := r.peek(); f != nil {
		return f
	}
	if r.scan.kind != xmlEnd {
		return notUnderstood("element " + r.scan.local + " was not expected here")
	}
	r.peeked = false
	return nil
}

// value reads an unqualified element that holds text.
func (r *soapReader) value(local string) (text string, isNil bool, f *fault) {
	if isNil, f = r.enter("", local); f != nil {
		return "", false, f
	}
	for {
		if err := r.scan.next(); err != nil {
			return "", false, notUnderstood(err.Error())
		}
		switch r.scan.kind {
		case xmlText:
			if text == "" {
				text = r.scan.text
			} else {
				text += r.scan.text
			}
		case xmlStart:
			return "", false, notUnderstood("element " + r.scan.local + " inside of " + local)
		default:
			if isNil && text != "" {
				return "", false, notUnderstood("element " + local + " is nil and has text")
			}
			return text, isNil, nil
		}
	}
}

// required is value for an element that may not be nil.
func (r *soapReader) required(local string) (string, *fault) {
	text, isNil, f := r.value(local)
	if f == nil && isNil {
		return "", notUnderstood("element " + local + " may not be nil")
	}
	return text, f
}

// optional is value for an element that may be missing or nil.
func (r *soapReader) optional(local string) (string, *fault) {
	found, f := r.at("", local)
	if f != nil || !found {
		return "", f
	}
	text, _, f := r.value(local)
	return text, f
}

// skip passes over the element that comes next.
func (r *soapReader) skip() *fault {
	depth := 0
	for {
		if !r.peeked {
			if err := r.scan.next(); err != nil {
				return notUnderstood(err.Error())
			}
		}
		r.peeked = false
		switch r.scan.kind {
		case xmlStart:
			depth++
		case xmlEnd:
			if depth--; depth == 0 {
				return nil
			}
		}
	}
}

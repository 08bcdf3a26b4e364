package simulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// attributes reads the attributes of a start tag, binds the namespaces among
// them and leaves the others, qualified, in s.attrs.
func (s *xmlScanner) attributes() error {
	s.attrs = s.attrs[:0]
	if s.pos < len(s.src) && s.src[s.pos] == '>' {
		return nil
	}
	outer := len(s.binds)
	for count := 0; ; count++ {
		name, value, err := s.attribute()
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		if count == maxXMLAttrs {
			return errors.New("too many attributes")
		}
		prefix, declares := strings.CutPrefix(name, "xmlns:")
		if name == "xmlns" {
			prefix, declares = "", true
		}
		if !declares {
			s.attrs = append(s.attrs, xmlAttr{local: name, value: value})
			continue
		}
		if err := s.bind(prefix, value, outer); err != nil {
			return err
		}
	}
	for i := range s.attrs {
		space, local, err := s.qualify(s.attrs[i].local, false)
		if err != nil {
			return err
		}
		for _, other := range s.attrs[:i] {
			if other.space == space && other.local == local {
				return fmt.Errorf("attribute %s stands twice", local)
			}
		}
		s.attrs[i].space, s.attrs[i].local = space, local
	}
	return nil
}

func (s *xmlScanner) bind(prefix, space string, outer int) error {
	if prefix == "xml" || prefix == "xmlns" || strings.Contains(prefix, ":") || prefix != "" && space == "" {
		return errors.New("namespace declaration that XML does not allow")
	}
	for _, other := range s.binds[outer:] {
		if other.prefix == prefix {
			return fmt.Errorf("namespace prefix %q is declared twice", prefix)
		}
	}
	s.binds = append(s.binds, xmlBinding{prefix, space})
	return nil
}

// qualify resolves a name. The default namespace is for elements only.
func (s *xmlScanner) qualify(raw string, element bool) (space, local string, err error) {
	prefix, local, ok := strings.Cut(raw, ":")
	if !ok {
		prefix, local = "", raw
		if !element {
			return "", raw, nil
		}
	} else if prefix == "" || local == "" || strings.Contains(local, ":") || nameBytes[local[0]]&opensName == 0 {
		return "", "", fmt.Errorf("name %q", raw)
	}
	for i := len(s.binds) - 1; i >= 0; i-- {
		if s.binds[i].prefix == prefix {
			return s.binds[i].space, local, nil
		}
	}
	if prefix == "" {
		return "", local, nil
	}
	return "", "", fmt.Errorf("namespace prefix %q is not declared", prefix)
}

// attribute reads white space, a name and a value; the name is empty where
// there is no attribute.
func (s *xmlScanner) attribute() (name, value string, err error) {
	spaced := s.skipSpace()
	name = s.name()
	if name == "" {
		return "", "", nil
	}
	s.skipSpace()
	if !spaced || !s.accept('=') {
		return "", "", fmt.Errorf("malformed attribute %s", name)
	}
	s.skipSpace()
	for _, quote := range []byte{'"', '\''} {
		if !s.accept(quote) {
			continue
		}
		end := strings.IndexByte(s.src[s.pos:], quote)
		if end < 0 || strings.IndexByte(s.src[s.pos:s.pos+end], '<') >= 0 {
			return "", "", fmt.Errorf("malformed value of attribute %s", name)
		}
		raw := s.src[s.pos : s.pos+end]
		s.pos += end + 1
		value, err = unescape(lineEnds(raw))
		return name, value, err
	}
	return "", "", fmt.Errorf("attribute %s without quotes", name)
}

// name reads a name; it is empty where there is none. Characters beyond ASCII
// are all taken as part of a name: no name of the contract has one.
func (s *xmlScanner) name() string {
	start := s.pos
	if start == len(s.src) || nameBytes[s.src[start]]&opensName == 0 {
		return ""
	}
	for s.pos < len(s.src) && nameBytes[s.src[s.pos]] != 0 {
		s.pos++
	}
	return s.src[start:s.pos]
}

const opensName, insideName = 1, 2

// nameBytes says which bytes may open a name, and which may stand inside it.
var nameBytes = func() (table [256]uint8) {
	for c := range table {
		switch c := byte(c); {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= utf8.RuneSelf:
			table[c] = opensName | insideName
		case c >= '0' && c <= '9', c == ':', c == '-', c == '.':
			table[c] = insideName
		}
	}
	return table
}()

func isXMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *xmlScanner) skipSpace() bool {
	start := s.pos
	for s.pos < len(s.src) && isXMLSpace(s.src[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func (s *xmlScanner) accept(c byte) bool {
	if s.pos < len(s.src) && s.src[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// lineEnds does what XML asks of every parser: a carriage return survives
// only as a character reference.
func lineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// unescape resolves the references of s: the five names and characters.
func unescape(s string) (string, error) {
	next := strings.IndexByte(s, '&')
	if next < 0 {
		return s, nil
	}
	var b strings.Builder
	for next >= 0 {
		b.WriteString(s[:next])
		name, rest, ok := strings.Cut(s[next+1:], ";")
		if !ok {
			return "", errors.New("malformed reference")
		}
		r, ok := reference(name)
		if !ok {
			return "", errors.New("reference to what XML does not know")
		}
		b.WriteRune(r)
		s = rest
		next = strings.IndexByte(s, '&')
	}
	b.WriteString(s)
	return b.String(), nil
}

func reference(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, base := strings.TrimPrefix(name, "#"), 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil || digits == name || strings.ContainsAny(digits, "_+-") {
		return 0, false
	}
	r := rune(code)
	legal := code == '\t' || code == '\n' || code == '\r' || code >= ' ' && code < 0xD800 ||
		code >= 0xE000 && code <= 0xFFFD || code >= 0x10000 && code <= 0x10FFFF
	return r, legal
}

// appendXML appends s as character data. What XML cannot carry becomes U+FFFD:
// only REST can have stored it.
func appendXML(dst []byte, s string) []byte {
	plain := 0
	for plain < len(s) && s[plain] >= ' ' && s[plain] < utf8.RuneSelf && s[plain] != '&' && s[plain] != '<' && s[plain] != '>' {
		plain++
	}
	dst, s = append(dst, s[:plain]...), s[plain:]
	for _, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#xD;"...)
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF:
			dst = append(dst, "\uFFFD"...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

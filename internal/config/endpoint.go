package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// endpoint makes a reader for an endpoint's URL. For REST the /rest
// that Marketo's admin page shows is cut off.
func endpoint(into *string, rest bool) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s, ok := d.filled(n, path)
		if !ok {
			return
		}
		s, wrong := readEndpoint(s, rest)
		switch {
		case wrong == "":
			*into = s
		default:
			what := "a value that is not shown here" // its odd part may be a password
			if plainEndpoint.MatchString(n.Value) {
				what = shown(n.Value)
			}
			d.at(n, path, "is "+what+"; "+wrong)
		}
	}, anyText}
}

// RESTEndpoint reads marketo.rest.endpoint. The error says what is allowed, and
// does not show the value, whose odd part may be a password.
func RESTEndpoint(s string) (string, error) {
	s, wrong := readEndpoint(s, true)
	if wrong != "" {
		return "", errors.New(wrong)
	}
	return s, nil
}

// readEndpoint returns the endpoint, and what is wrong with it, "" for nothing.
func readEndpoint(s string, rest bool) (endpoint, wrong string) {
	if wrong = checkEndpoint(s); rest && wrong == "" {
		s = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(s, "/"), "/rest"), "/")
		if strings.HasSuffix(s, "/identity") {
			wrong = "that is the identity endpoint; write the one that ends in mktorest.com or mktorest.com/rest"
		}
	}
	return s, wrong
}

// plainEndpoint is a URL whose every part can be told, but for a wrong one.
var plainEndpoint = regexp.MustCompile(`^(\w+://)?[\w.-]*(:\d*)?(/[\w./-]*)?([?#]\w*)?\s*$`)

// checkEndpoint says what is wrong with an endpoint's URL, "" for nothing.
func checkEndpoint(s string) string {
	if strings.ContainsAny(s, " \t\r\n") {
		return "it has a space or a line break; remove it"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "it is no URL; write https://…"
	case u.User != nil:
		return "it has a user name or password in it; credentials have keys of their own"
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return "it is no web address; write https://…"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "http is allowed only for this machine (127.0.0.1, ::1, localhost); write https://…"
	case u.RawQuery != "" || u.ForceQuery:
		return "it has a query; cut it off from the question mark"
	case u.Fragment != "" || strings.Contains(s, "#"):
		return "it has a fragment; cut it off from the #"
	}
	return ""
}
